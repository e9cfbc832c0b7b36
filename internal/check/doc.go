// Package check watches a session from outside and decides whether its impulses ran as they should. The demo counts
// with it; tests use it to search for faults. It shares no code with what it checks: it reads the hub's frames off the
// socket by itself, and decodes them by itself.
//
//	checker := check.New("alice")
//	config.Dial = checker.Tap(config.Dial)
//	session, err := komstream.Open(ctx, config, checker.Watch(summary, pressure)...)
//	…
//	checker.Finish(session.Stats().Impulses…)
//	wrong := checker.Wrong()
//
// # What is checked
//
// Of every run:
//
//   - Its Updated samples were in frames. A run of one trigger answers exactly one frame, the next one that has a metric
//     of the impulse; a merged run answers as many frames as it has triggers, the next ones, and yields all of their
//     samples in order. None is passed over, but for those at the end of a connection that was lost: what is read from
//     a socket that breaks may never reach the impulse, and comes back with the history.
//   - All views show one cut. What the frames up to the trigger's brought is there, as far as retention keeps it, with
//     the newest value of each instant; what later frames brought is not. Rows that came as history are exempt.
//   - Runs of one impulse do not overlap, and their numbers do not decrease.
//
// At the end: the counters of each impulse balance, and agree with the runs and the triggers that were seen; and no frame
// is left over when nothing waits.
//
// # What it needs
//
// All impulses of the session are watched, before it is opened. The connection is plain http. Metrics are not deleted
// meanwhile. No window reaches its limit of memory, and no merged trigger sheds messages. An impulse that drops triggers
// never gets the same sample twice: nobody could tell which of them it has answered.
package check
