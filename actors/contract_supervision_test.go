package actors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A breaker opens after repeated failures, lets triggers queue, tries again by itself, and closes; all of it is told.
func TestBreakerOpensAndClosesByItselfWithEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var fine atomic.Bool
		r := recorder{after: func(*impulse.Update, seen) error {
			if fine.Load() {
				return nil
			}
			return errors.New("no")
		}}
		i := r.impulse("r", "a")
		i.Breaker = impulse.Breaker{Failures: 3, Pause: 10 * time.Second}
		p := w.join("alice", i)
		for n := range 6 {
			p.send(dp("a", n))
		}
		equal(t, "runs before it opened", len(r.all()), 3)
		equal(t, "state", p.Stats().Impulses[0].Breaker, impulse.BreakerOpen)
		equal(t, "waiting", p.counters("r").Pending, 3)
		pass(11 * time.Second)
		equal(t, "runs with the probe that failed", len(r.all()), 4)
		fine.Store(true)
		pass(21 * time.Second) // the pause has doubled
		equal(t, "runs", r.updates(), "a=0 | a=1 | a=2 | a=3 | a=4 | a=5")
		settle()
		var events []string
		for _, e := range p.breakers {
			events = append(events, fmt.Sprint(e.Impulse, e.Open, e.Failures, e.Pause))
		}
		equal(t, "events", strings.Join(events, ", "), "rtrue 3 10s, rtrue 4 20s, rfalse 0 0s")
	})
}

// A window's actor that fails is made anew and read again. Its impulses wait meanwhile and then see right windows,
// those of other metrics feel nothing.
func TestFailedWindowIsRestartedAndRefilled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r, others recorder
		p, other := w.join("alice", r.impulse("r", "a", "b"), others.impulse("others", "b")), w.join("alice")
		for n := range 3 {
			p.send(dp("a", n))
			p.send(dp("b", n))
		}
		runs := len(r.all())
		p.net.holdFrom(`"request_data"`)
		if !actors.FailWindow(p.Session, "a", "test") {
			t.Fatal("no window of a")
		}
		settle()
		other.send(dp("b", 3))
		other.send(dp("a", 3))
		equal(t, "runs of its impulse meanwhile", len(r.all()), runs)
		equal(t, "runs of the others meanwhile", others.last().String(), "updated(b=3) b:[0 1 2 3]")
		equal(t, "state meanwhile", p.State(), actors.StateSyncing)
		p.net.release()
		settle()
		equal(t, "runs afterwards", len(r.all()), runs+1)
		equal(t, "the run", r.last().String(), "refilled(b=3 a=3) a:[0 1 2 3] b:[0 1 2 3]")
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "runs of the others", len(others.all()), 4)
		if events := p.noted("restarted"); len(events) != 1 || !strings.Contains(events[0], "test") {
			t.Errorf("events %q, want one with the reason", events)
		}
		p.send(dp("a", 4))
		equal(t, "the next run", r.last().String(), "updated(a=4) a:[0 1 2 3 4] b:[0 1 2 3]")
	})
}

// Runs that go on or wait while windows fail, are read again after a reconnect, or are given up, see them as they
// were.
func TestRunsOfEarlierMessagesSeeTheirCutWhateverBecomesOfTheWindows(t *testing.T) {
	for name, disturb := range map[string]func(p, other *peer){
		"window fails": func(p, other *peer) { actors.FailWindow(p.Session, "a", "test"); other.send(dp("a", 2)) },
		"router fails": func(p, other *peer) { actors.FailRouter(p.Session, "test"); other.send(dp("a", 2)) },
		"reconnect":    func(p, other *peer) { p.away(func() { other.send(dp("a", 2)) }) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var r recorder
				release := r.blockFirst()
				p, other := w.join("alice", r.impulse("r", "a", "b")), w.join("alice")
				p.send(dp("a", 1))
				p.send(dp("b", 1))
				disturb(p, other)
				pass(time.Second)
				release()
				settle()
				all := r.all()
				if len(all) < 3 {
					t.Fatalf("%d runs, want three: %v", len(all), all)
				}
				equal(t, "the run that went on", all[0].views, "a:[1] b:[]")
				equal(t, "the run that waited", all[1].views, "a:[1] b:[1]")
				equal(t, "last", r.last().views, "a:[1 2] b:[1]")
			})
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		release := r.blockFirst()
		p := w.join("alice")
		b := p.bind(r.impulse("r", "a"))
		p.send(dp("a", 1))
		unbound := make(chan error)
		go func() { unbound <- b.Unbind(t.Context()) }()
		settle()
		release()
		if err := <-unbound; err != nil {
			t.Error(err)
		}
		equal(t, "the run that went on while it was unbound", r.last().views, "a:[1]")
	})
}

// A router that fails with a thousand windows: the session is live again, every window is right, every impulse is
// told once.
func TestFailedRouterRefillsAThousandWindows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const impulses, each = 20, 50
		var recorders [impulses]recorder
		var all []impulse.Impulse
		uri := func(i, n int) metric.URI { return metric.URI(fmt.Sprintf("m%d.%d", i, n)) }
		var samples []metric.Sample
		at, later := now(), now()
		for i := range recorders {
			var uris []metric.URI
			for n := range each {
				uris = append(uris, uri(i, n))
				samples = append(samples, metric.Datapoint(uri(i, n), at, i), metric.Datapoint(uri(i, n), later, n))
			}
			all = append(all, recorders[i].impulse(fmt.Sprintf("i%d", i), uris...))
		}
		p, other := w.join("alice", all...), w.join("alice")
		p.send(samples...)
		p.net.holdFrom(`"request_data"`)
		actors.FailRouter(p.Session, "test")
		settle()
		other.send(dp(uri(3, 7), 99))
		p.net.release()
		settle()
		if n := len(recorders[3].all()); n > 4 {
			t.Errorf("%d runs, want one for the failure", n)
		}
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "windows", p.Stats().Windows, impulses*each)
		for i := range recorders {
			last := recorders[i].last()
			equal(t, fmt.Sprintf("cause of the last run of %d", i), last.cause, impulse.Refilled)
			for n := range each {
				want := fmt.Sprintf("%s:[%d %d]", uri(i, n), i, n)
				if i == 3 && n == 7 {
					want = fmt.Sprintf("%s:[3 7 99]", uri(i, n))
				}
				if !strings.Contains(last.views+" ", want+" ") {
					t.Fatalf("the last run of %d does not show %s: %s", i, want, last.views)
				}
			}
			p.counters(fmt.Sprintf("i%d", i))
		}
		before := recorders[0].last().number
		p.send(dp(uri(0, 0), 5))
		equal(t, "a run afterwards", recorders[0].last().updated, "m0.0=5")
		if n := recorders[0].last().number; n <= before {
			t.Errorf("message number %d after %d: numbers must grow", n, before)
		}
	})
}

func TestFailedConnectionReconnectsWithItsSubscriptions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice", r.impulse("r", "a")), w.join("alice")
		p.send(dp("a", 1))
		logins := p.net.posts()
		actors.FailConnection(p.Session, "test")
		other.send(dp("a", 2))
		pass(time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "login requests", p.net.posts(), logins) // the cookie is kept
		equal(t, "window", r.last().views, "a:[1 2]")
		p.send(dp("a", 3))
		equal(t, "run", r.last().String(), "updated(a=3) a:[1 2 3]")
		equal(t, "events", len(p.noted("restarted")), 1)
	})
}

// An actor that fails again and again is restarted ever more slowly, and comes back when it no longer does.
func TestRepeatedFailuresSlowRestartsDownAndEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "a"))
		p.send(dp("a", 1))
		for range 30 {
			actors.FailRouter(p.Session, "test")
			actors.FailWindow(p.Session, "a", "test")
			actors.FailConnection(p.Session, "test")
			doze(100 * time.Millisecond)
		}
		pass(5 * time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
		p.send(dp("a", 2))
		equal(t, "run", r.last().String(), "updated(a=2) a:[1 2]")
	})
}

// What waits in an impulse's queue when its actor fails runs after the restart; the run in progress counts as failed.
func TestFailedImpulseActorGoesOnWithWhatWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := recorder{after: func(_ *impulse.Update, s seen) error {
			if s.updated == "a=2" {
				return errors.New("breaks the log")
			}
			return nil
		}}
		release := r.blockFirst()
		p := w.joinWith("alice", func(c *actors.Config) { c.Logger = breakableLog("breaks the log") }, r.impulse("r", "a"))
		for n := 1; n <= 4; n++ {
			p.send(dp("a", n))
		}
		release()
		pass(time.Second)
		equal(t, "runs", r.updates(), "a=1 | a=2 | a=3 | a=4")
		equal(t, "events", len(p.noted("restarted")), 1)
		c := p.counters("r")
		equal(t, "triggered, ran, failed", fmt.Sprint(c.Triggered, c.Ran, c.Failed), "4 4 1")
	})
}

// breakableLog is a logger that panics, once, at an entry with the given text: a fault in the actor that logs it.
func breakableLog(text string) *zap.Logger {
	var broken atomic.Bool
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.InfoLevel)
	return zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if strings.Contains(e.Message, text) && broken.CompareAndSwap(false, true) {
			panic("log is broken")
		}
		return nil
	}))
}

// A function that ends its goroutine has failed; the impulse goes on.
func TestRunThatEndsItsGoroutineIsAFailedRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		r.after = func(_ *impulse.Update, s seen) error {
			if s.updated == "a=1" {
				runtime.Goexit()
			}
			return nil
		}
		p := w.join("alice", r.impulse("r", "a"))
		for n := range 4 {
			p.send(dp("a", n))
		}
		equal(t, "runs", r.updates(), "a=0 | a=1 | a=2 | a=3")
		equal(t, "failed", p.counters("r").Failed, 1)
		if err := p.failedBy("r"); err == nil {
			t.Error("no event of the failed run")
		}
	})
}

func TestEventsComeInOrderAndASlowCallbackDelaysNothingElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := recorder{after: func(u *impulse.Update, s seen) error { return errors.New(s.updated) }}
		i := r.impulse("r", "a")
		i.Breaker.Failures = -1
		gate := make(chan struct{})
		j := &journal{block: gate}
		p := w.joinWith("alice", func(c *actors.Config) { c.Events = j.events() }, i)
		var want []string
		for n := range 50 {
			p.send(dp("a", n))
			want = append(want, fmt.Sprintf("a=%d", n))
		}
		equal(t, "runs while the callback hangs", len(r.all()), 50)
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "events handed over", len(j.noted("")), 1)
		j.mu.Lock()
		j.block = nil
		j.mu.Unlock()
		close(gate)
		settle()
		var got []string
		for _, f := range j.failed {
			got = append(got, f.Err.Error()[strings.LastIndex(f.Err.Error(), " ")+1:])
		}
		equal(t, "events", strings.Join(got, " "), strings.Join(want, " "))
		equal(t, "the first", j.noted("")[0][:5], "state")
	})
}

// Events beyond those that may wait are counted; the callbacks that were lost are not silent.
func TestEventsThatCannotWaitAreCounted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		j := &journal{block: gate}
		p := w.joinWith("alice", func(c *actors.Config) { c.Events = j.events() },
			impulse.Impulse{
				Name: "r", On: impulse.URIs("a"), Breaker: impulse.Breaker{Failures: -1}, Overload: impulse.Queue(10_000),
				Do: func(context.Context, *impulse.Update) error { return errors.New("no") },
			})
		const n = 5000
		var samples []metric.Sample
		for i := range n {
			samples = append(samples, dpAt("a", time.Duration(i)*time.Millisecond, i))
		}
		p.send(samples...)
		dropped := p.Stats().EventsDropped
		close(gate)
		settle()
		equal(t, "handed over and dropped", len(j.noted("failed"))+int(dropped), n)
		if dropped == 0 {
			t.Error("no event was counted as dropped")
		}
	})
}

// A callback that panics ends neither the session nor the events after it.
func TestCallbackThatPanicsEndsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		seen := 0
		p := w.joinWith("alice", func(c *actors.Config) {
			c.Events = actors.Events{State: func(actors.StateChange) { seen++; panic("no") }}
		})
		p.net.cut()
		pass(time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "events", seen, 7)
	})
}
