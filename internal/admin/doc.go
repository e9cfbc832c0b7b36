// Package admin changes the accounts of a hub from outside of it: users, the keys of their agents, shares. It is what
// `komstream user`, `agent` and `share` use.
//
// A data directory belongs to one process. While a hub serves it, changes have to go through that hub: [Serve] offers
// them on a unix socket in the directory, which only the directory's owner may open. While none does, the directory is
// opened for the time of one command. [Open] finds out which of the two it is:
//
//	accounts, err := admin.Open(ctx, dir)
//	defer accounts.Close()
//	reply, err := accounts.Do(ctx, admin.Request{Op: admin.AddUser, User: "alice"})
//
// On the socket a request is an HTTP POST of its JSON to /, and the answer the JSON of its [Reply]. Besides, it serves
// what [hub.Hub.Ops] does, and the process's profiles below /debug/pprof/.
package admin
