// Package bench measures what komstream costs, for `komstream bench`.
//
// A time means nothing alone, least of all on a machine that does other things too. So each workload is done by several
// programs, the sides, which take turns: raw (package ref) reads and decodes and does nothing else, full is a session
// as everybody opens one, channels and naive are what one might write by hand. What counts is the time of processors
// that each has used, and the quotient of two sides in one round.
//
//	Run ──orders──▶ stub: as much of a hub as an agent needs; sends messages that were encoded before
//	   │              │ websocket on the loopback
//	   ├──orders──▶ raw │ full │ channels │ naive: each a process, measured one at a time
//	   ◀──figures──
//
// The processes are this program again: [Process] follows the orders of [Run], in lines of JSON.
//
// Reads. How many messages a read of the socket brings depends on how far the reader lags behind, and a read costs as
// much as the decoding of several messages. So the stub is never behind, and the connection of every side hands out no
// more than two messages a read: all sides make the same number of reads, and rounds in which they did not are left out.
//
// The end. A round is over when every impulse has run for every message that concerns it: nobody's clock stops while
// work is queued.
//
// Right or wrong. Every value is the number of its message, so each run can be checked by itself: that its window shows
// its message and nothing later, and that no message is lost, doubled or overtaken. In measured rounds each run checks
// one metric, in the first round all of them.
//
// Delays. Messages are sent at times fixed beforehand, and the delay of a run counts from the time at which its message
// was due, not from when it was sent: a sender that falls behind makes delays longer, not fewer.
package bench
