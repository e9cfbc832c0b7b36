// Package connection is the logic of one agent's session with a hub: keys, login, dialling, the outbound queue, the
// correlation of answers. It owns the goroutines of one live socket and nothing that outlives it; the actors above
// decide when to log in, dial and retry.
package connection
