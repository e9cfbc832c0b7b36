// Package impulse is what a user declares, a function that runs when metrics are updated, and the logic of one such
// impulse: which update makes it run, when, what it sees, and what becomes of what it emits.
//
// A user needs [Impulse] and [Update]:
//
//	summary := impulse.Impulse{
//		Name: "summary",
//		On:   impulse.URIs("cpu.system", "friend:cpu.user"),
//		Past: impulse.Past{Delta: time.Hour},
//		Do: func(ctx context.Context, u *impulse.Update) error {
//			for s := range u.Updated() {
//				u.Emit(metric.Datapoint(s.URI.Local().Child("mean"), u.Time(), u.View(s.URI).Mean()))
//			}
//			return nil
//		},
//	}
//
// One message from the hub is one [Trigger] of each impulse that subscribes a metric in it, whatever number of its
// metrics the message updates. All views of a run show the windows as they were after that message. Runs of one
// impulse never overlap and follow the order of arrival. What arrives during a run waits in a [Pending] under the
// impulse's [Overload] policy and its MinExecDelta; a [Breaker] pauses an impulse that keeps failing; [Counters] say
// what became of each trigger. A run is a transaction: what it emits is sent when the function returns nil, as one
// unit, and marked with the impulses it descends from, so that loops end.
//
// [Runner], [Pending], [Message] and the rest are for those who drive impulses: the actors, a test, a replay. They
// are values without goroutines and clocks; the time is given to them, so a test decides what time it is.
package impulse
