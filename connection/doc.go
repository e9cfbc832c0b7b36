// Package connection is the logic of one agent's session with a hub: keys, login, the live connection, the queue of
// samples to be sent, requests and their answers. It has no actors and no policy: whoever uses it decides when to log
// in, to dial and to try again. A komstream session does so for its user; a program that wants the wire only can do
// it too, see the example.
//
// # The parts
//
//   - [Key] and [PublicKey]: who an agent is. [LoadOrCreateKey] for its files; both sides of the challenge at login.
//   - [Login] proves the key and returns the [Cookie]. It is kept over reconnects, since hooks hang on it.
//   - [Dial] opens the connection, a [Conn]; [Conn.Run] lives as long as it does. Its goroutine reads, decodes and
//     calls the [Handler]; one more writes what the sources have, and pings.
//   - [Outbox] is the source of samples, [Requests] that of control requests. Both outlive connections: they are
//     attached to one by Run and detached when it returns.
//   - [Pages] finds out where the answer to a request for history ends, which the protocol does not say.
//   - [Retry] computes how long to wait after a failure.
//
// # Losing a connection
//
// Run returns why. Where errors.Is(err, [ErrAccessDenied]), the cookie is worth nothing: log in again. After anything
// else dial again with the same cookie, when [Retry] says. Requests without an answer end with [ErrDisconnected].
// Samples without an acknowledgement stay in the outbox and are sent again, in order and with their first sequence,
// so that a hub of komstream stores each of them once; another hub stores the same value again, and notifies again.
//
// # What the outbox promises
//
// At the hub the last value of each (metric, time) is that of the last call which gave one that was not refused,
// whatever was lost, refused or had to wait for storage in between. That needs care, since up to 256 messages are on
// their way at a time and those that failed go again behind others: frame.go and transmit.go say how, and a test
// holds it against a model of a hub. It needs of the hub that it executes the requests of a connection in order, and
// that it does not take for a repetition what it has refused.
//
// # Back-pressure
//
// A handler that blocks stops the reading, and with it the hub. A full outbox blocks [Outbox.Send]. The outputs of
// impulses come in by [Outbox.Emit], which never blocks but tells its caller to wait before the next run: a run that
// blocked on the outbox while its router blocks the reader would keep the acknowledgements from coming in.
package connection
