// Package komstream is an actor-based stream-processing framework. A program opens a session with a hub, sends
// samples of metrics, and runs impulses: functions that are called whenever one of their metrics is updated, see
// windows of its past, and may answer with new samples.
//
//	key, err := connection.LoadOrCreateKey("key.priv")
//	…
//	summary := impulse.Impulse{
//		Name: "summary",
//		On:   impulse.URIs("cpu.system", "cpu.user", "friend:host1.cpu.user"),
//		Past: impulse.Past{Delta: time.Hour},
//		Do: func(ctx context.Context, u *impulse.Update) error {
//			for s := range u.Updated() {
//				hour := u.View(s.URI)
//				u.Emit(metric.Datasource(metric.URI("stats").Child(s.URI.Name()), u.Time(), hour.Describe().String()))
//			}
//			return nil
//		},
//	}
//	session, err := komstream.Open(ctx, komstream.Config{Hub: "https://hub.example.org", Username: "alice", Key: key}, summary)
//	…
//	defer session.Close()
//	err = session.Send(ctx, metric.Datapoint("cpu.system", time.Now(), 14.63))
//
// The examples of this package run such programs against a hub in the same process.
//
// # The words
//
// A metric is named by a uri, levels joined by dots, and is a datapoint (numbers) or a datasource (texts). A sample
// is its value at a time. What a user sends is the user's data model; another user reads the parts that were shared
// with it as "owner:uri". See package [metric].
//
// A hub ([github.com/komstream/komstream/hub]) stores the data models and tells sessions of updates: one message for
// the samples of one call of Send that have the same time. A session subscribes what its impulses name.
//
// An impulse ([impulse.Impulse]) runs once for each message that holds one of its metrics: that is a trigger. Its
// views ([window.View]) all show one cut: everything up to that message and nothing later. What it emits is sent
// when it returns without error. Runs of one impulse never overlap; a slow or failing impulse delays no other. What
// becomes of triggers that come faster than the function runs is the impulse's Overload policy; every trigger is
// counted.
//
// # What is promised
//
//   - The windows of an impulse are loaded before it first runs, and again after every reconnect.
//   - A sample for which Flush has returned is on the hub's disk, unless Events.Rejected has reported it. What is not
//     acknowledged is sent again, in order; a hub of komstream stores it once.
//   - No default drops a sample, a trigger or an error.
//   - An impulse does not run on what it has caused itself, directly or through other impulses, unless it asks for it.
//   - Close leaves nothing running and returns what could not be delivered.
//
// # The packages
//
//	komstream            this one: Open, Session
//	├─ actors            the actors that run a session, and their supervision
//	├─ connection        keys, login, websocket, outbound queue
//	├─ impulse           what a user declares
//	├─ router            who is subscribed to what
//	├─ window            one metric's recent past, and its statistics
//	└─ metric            the vocabulary
//	hub                  the server, in the same process or on its own
package komstream
