// Package embed gives each example a hub of its own, in the same process, so that it runs without an account, a
// network or a second terminal. A program of yours has none of this: it knows the address of its hub, keeps its key
// in a file, and fills the Config itself:
//
//	key, err := connection.LoadOrCreateKey("key.priv")
//	config := komstream.Config{Hub: "https://hub.example.org", Username: "alice", Key: key}
package embed
