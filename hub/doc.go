// Package hub is the server of komstream: accounts, login, sessions, each user's data model, subscriptions, shares
// and history, in one process with its data in one directory.
//
//	h, err := hub.Start(ctx, hub.Config{Dir: "data", Listen: []string{"127.0.0.1:4480"}})
//	err = h.AddUser(ctx, "alice")
//	id, err := h.AddAgent(ctx, "alice", key.Public())
//	defer h.Close()
//
// It needs no port: [Hub.DialContext] gives an agent in the same process a connection in memory, with the same wire,
// login and rights.
//
// # The way of a write
//
// Each socket has a reader, which decodes requests and hands those that change something to the committer of the
// owner whose data model they change. A committer takes what is queued, in order: it checks, changes the model in
// memory, gives each message its position in the owner's order of arrival, and notes what is to be stored. The whole
// group is written with one sync. Only then the answers go out, then the notifications, in the same order. So what
// was answered 4200 is on disk, what was notified was stored, and the last notification of a sample is its stored
// value. A failed sync undoes what the group changed in memory and answers 4503.
//
// Hooks are kept under (owner, uri), whether there is such a metric or not: a pending hook is one whose uri names no
// metric yet. Creating the metric makes it a real one, deleting the metric makes it pending again, and neither has
// to move anything.
//
// # Rights
//
// One function, authorize, decides who may read what; every path asks it: hooks, notifications, pages. Its verdicts
// are cached with the grant version, which every withdrawal raises. A notification that was queued under an older
// version is authorised again when it is written.
//
// # Slow readers
//
// Notifications of a session wait in a queue of 1 MiB. When it is full the hub stops queueing for that session and
// remembers from which position on; when the socket has drained it reads the arrival log from there and goes on, so
// that a slow subscriber costs no memory, slows nobody, and loses nothing that the log still holds.
//
// # Operation
//
// [Hub.SetQuota] bounds what a user may have and send, [Hub.SetRetention] what is kept; a goroutine of its own enforces
// retention, by cuts that take their turn among the owner's writes. [Hub.Usage] and [Hub.Details] tell sizes: they are
// counted as samples come, and read again from the store where a late sample may have replaced another.
//
// [Hub.Backup] copies everything while the hub runs, [Verify] reads everything while it does not. On a full disk writes
// are refused with 4503 and reads go on; when there is room again so do the writes. [Hub.Ops] has health and figures.
//
// Hubs that share a store tell each other over a bus (package bus) what they have stored; the sessions of one hub need
// none. What was created, deleted, granted and withdrawn is not told yet.
package hub
