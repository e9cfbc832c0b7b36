// Package window keeps the recent past of one metric and shows it as immutable views.
//
// A [Window] is written by one goroutine, which appends the samples of message after message, and is looked at by
// any. It is a plain value: no goroutine, no clock (whoever calls tells it the time), no socket.
//
//	w := window.New(window.Config{Past: window.Past{Delta: time.Hour}})
//	w.Append(1, sample.Time, sample.Value, metric.TicksOf(time.Now()))
//	hour := w.View()
//	fmt.Println(hour.Len(), hour.Mean(), hour.Describe())
//
// What it keeps, and in which order:
//
//   - Samples are ordered by time to the 100 ns tick. There is one an instant: of several the greatest
//     [metric.TimeUUID] stays, and of equal ones the newest to arrive.
//   - [Past] says how much: everything from now − Delta on, samples with future times too, and the newest Count
//     samples at or before now, whichever reaches further back. Retention is applied before a message's sample is put
//     in, so that even a sample older than all that is kept is seen by the run that it triggers.
//   - MaxSamples, MaxTextBytes and a [Budget] bound the memory; the oldest samples go, and that is counted.
//   - A window holds numbers or texts. The first sample of the other kind, when a metric was deleted and made anew,
//     empties it.
//
// A [View] is what the window showed at one moment. Taking one costs some 20 ns and allocates nothing, nobody can
// change it, and it stays valid as long as someone holds it; [View.Clone] keeps its samples without the window's
// memory. Views are sliced by time, both ends included, walked, and summed up: [View.Mean], [View.Rate],
// [View.Describe] and others. Numbers are float64; those beyond its range are ±Inf.
//
// # One cut through many windows
//
// Each message has a number, and [Window.ViewAt] shows the window as it was after the message with that number, so
// that all the views of one run show the same moment, although the windows have moved on since. A window keeps an
// earlier state only as long as its owner says, by Config.Cuts, that someone may still ask for it.
//
// # Refills
//
// After a connection was lost the hub's history is the truth. [Window.StartRefill] begins to remember what is
// appended meanwhile, and [Window.Refill] replaces a range of time by the hub's rows and these, and tells whether
// that changed anything.
//
// # How it is built
//
// A window is a list of chunks (the spine), each a run of samples as columns of ticks, of numbers or texts, and,
// only where some sample's needs it, of the rest of the full time. An append fills the next slot of the last chunk,
// beyond what any view sees; retention moves an offset and drops whole chunks. Whatever else changes (a late sample,
// an overwritten one, a refill) makes new chunks and a new spine and leaves the old ones to those who view them. So
// views need no lock, and the garbage collector tells when the last one is gone. A sample of a number takes 16 bytes,
// with all overhead about 18 in a window of thousands and 24 in one of hundreds; an idle window takes less than 1 kB.
package window
