// Package actors runs a komstream session: it spawns the actors, hands messages between them, supervises them, and
// is the only package that knows protoactor. What the actors decide by is plain values of the packages below:
// connection, router, impulse, window. Most programs use the root package, which only forwards to this one.
//
// # The way of an update
//
//	socket ─▶ reader ─▶ router actor ─▶ window actors ─▶ router ─▶ impulse actors ─▶ outbound queue ─▶ socket
//	                      │  drains what is queued,         │
//	                      │  in order                       └ one wake-up for each affected impulse
//	                      └ a Send to a window returns when the row is appended
//
// The reader is a goroutine of package connection. It decodes into immutable messages, whose metrics are small
// integers, and takes a credit for each; without credit it blocks, so that back-pressure reaches the socket. The
// router actor ([Session] has one) numbers each message, has the windows append it, and notes whom it triggers. A
// window actor runs in the router's turn only, on the router's goroutine (turnbox.go), which makes joins free: when
// the router has sent a message's rows, every window shows them. An impulse's triggers stand in its inbox, under its
// overload policy; its actor takes them one by one on a pool of workers that grows when functions block. The router
// never waits for an impulse.
//
// # Who supervises whom
//
//	actor                 parent      when it fails                       what its restart does
//	supervisor            guardian    has nothing that can: it only        –
//	                                  spawns, stops and restarts
//	├ connection          supervisor  restarted                           drops the socket, connects with the cookie it
//	│                                                                     had, subscribes and reads everything again
//	├ router              supervisor  restarted; its windows stop         makes new windows, holds every impulse, has
//	│ │                                                                   all of them read again, fires Refilled
//	│ └ window (per uri)  router      restarted; its impulses are held    an empty window takes its place and is read
//	│                                                                     again; runs of earlier messages keep the old
//	└ impulse (each)      supervisor  restarted; the run in progress      goes on with what waits in its inbox
//	                                  counts as failed
//
// The first restart is at once, further ones within a minute wait, up to five seconds; none is the last. User code is
// recovered before it gets here, so each restart is a bug of komstream's and is reported by Events.Restarted.
//
// What must survive a restart stands beside the actor, touched in its turns only: the router's plan, the connection's
// book, an impulse's inbox, the outbound queue.
//
// # Talking to the actors
//
// A backend that has a protoactor system passes it in ([WithSystem]) and can then send samples by message
// ([FromPID]), receive updates by message ([ToPID]), and ask a window for its state ([Session.WindowPID],
// [WindowQuery]).
package actors
