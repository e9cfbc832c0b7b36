package actors_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// holdSecond holds the session's frames from the second request for history on: the first has been answered then, so
// what comes now is not in it.
func (n *lines) holdSecond() {
	asked := 0
	n.set(func(n *lines) {
		n.hold = func(frame string) bool {
			if strings.Contains(frame, `"request_data"`) {
				asked++
			}
			return asked > 1
		}
	})
}

// away cuts a session off, has something done by others, and lets it come back.
func (p *peer) away(meanwhile func()) {
	p.net.refuse(errNoNetwork)
	p.net.cut()
	settle()
	meanwhile()
	p.net.refuse(nil)
	pass(time.Minute)
}

// After a reconnect the window is what the hub has: what was written meanwhile is there, what was deleted is gone,
// and the impulse gets one run that tells of it.
func TestReconnectMakesWindowsEqualToTheHubsHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice", r.impulse("r", "a", "b", "c")), w.join("alice")
		p.send(dp("a", 1))
		p.send(dp("b", 1))
		p.send(dp("c", 1))
		runs := len(r.all())
		p.away(func() {
			other.send(dp("a", 2))
			other.send(dp("a", 3))
			if err := other.Delete(t.Context(), "b", 0); err != nil {
				t.Fatal(err)
			}
			other.send(dp("b", 7))
		})
		equal(t, "runs for the reconnect", len(r.all())-runs, 1)
		equal(t, "the run", r.last().String(), "refilled() a:[1 2 3] b:[7] c:[1]")
		equal(t, "history", other.history("a")+", "+other.history("b"), "1 2 3, 7")
		equal(t, "state", p.State(), actors.StateLive)
	})
}

// The metric was deleted and nothing came in its place: its samples go.
func TestReconnectEmptiesTheWindowOfADeletedMetric(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice", r.impulse("r", "a", "b")), w.join("alice")
		p.send(dp("a", 1))
		p.send(dp("b", 2))
		p.away(func() {
			if err := other.Delete(t.Context(), "a", 0); err != nil {
				t.Fatal(err)
			}
		})
		p.send(dp("b", 3))
		equal(t, "run", r.last().String(), "updated(b=3) a:[] b:[2 3]")
	})
}

func TestReconnectWithoutChangesIsNoRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "a"))
		p.send(dp("a", 1))
		p.away(func() {})
		equal(t, "runs", r.updates(), "a=1")
		p.send(dp("a", 2))
		equal(t, "views", r.last().views, "a:[1 2]")
	})
}

func TestLiveOnlyImpulsesGetNoRunForAReconnect(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var live, both recorder
		i := live.impulse("live", "a")
		i.LiveOnly = true
		p, other := w.join("alice", i, both.impulse("both", "a")), w.join("alice")
		p.send(dp("a", 1))
		p.away(func() { other.send(dp("a", 2)) })
		equal(t, "runs of the live one", live.updates(), "a=1")
		equal(t, "the other's last", both.last().String(), "refilled() a:[1 2]")
		p.send(dp("a", 3))
		equal(t, "the live one's window", live.last().views, "a:[1 2 3]")
	})
}

// While a window is read again, pushes come. They are newer than what was read: they stay, and all is one run.
func TestPushesDuringARefillWinAndAreOneRunWithIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		i := r.impulse("r", "a")
		i.Past.Count = 50 // more than there are: a second request asks for older ones
		p, other := w.join("alice", i), w.join("alice")
		p.send(dp("a", 1))
		at := now()
		p.away(func() {
			other.send(metric.Datapoint("a", at, 2))
			p.net.holdSecond()
		})
		equal(t, "state", p.State(), actors.StateSyncing)
		other.send(metric.Datapoint("a", at, 3)) // the same time again
		other.send(dp("a", 4))
		equal(t, "runs meanwhile", r.updates(), "a=1")
		p.net.release()
		settle()
		equal(t, "run", r.last().String(), "refilled(a=3 a=4) a:[1 3 4]")
		equal(t, "runs", len(r.all()), 2)
	})
}

// The same while a window is loaded for the first time.
func TestPushesWhileAWindowLoadsForTheFirstTimeStay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice"), w.join("alice")
		other.send(dp("a", 1))
		i := r.impulse("r", "a")
		i.Past.Count = 50
		p.net.holdSecond()
		bound := make(chan error)
		go func() {
			_, err := p.Bind(t.Context(), i)
			bound <- err
		}()
		pass(time.Millisecond)
		other.send(dp("a", 2))
		p.net.release()
		if err := <-bound; err != nil {
			t.Fatal(err)
		}
		settle()
		equal(t, "run", r.last().String(), "updated(a=2) a:[1 2]")
	})
}

// A Bind that needs more of a live window's past loads it, keeps what is pushed meanwhile, and holds nobody else.
func TestBindThatWidensALiveWindowHoldsOnlyTheNewImpulse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		other.send(dpAt("a", -5*time.Hour, 1))
		other.send(dpAt("a", -2*time.Minute, 2))
		other.send(dpAt("a", -time.Minute, 3))
		var narrow, wide recorder
		i := narrow.impulse("narrow", "a")
		i.Past = impulse.Past{Delta: 90 * time.Second, Count: 1}
		p := w.join("alice", i)
		p.send(dp("a", 4))
		equal(t, "before", narrow.last().views, "a:[3 4]")
		i = wide.impulse("wide", "a")
		i.Past = impulse.Past{Delta: 3 * time.Minute, Count: 20}
		p.net.holdSecond()
		bound := make(chan error)
		go func() {
			_, err := p.Bind(t.Context(), i)
			bound <- err
		}()
		pass(time.Millisecond)
		other.send(dp("a", 5))
		equal(t, "the live impulse goes on", narrow.updates(), "a=4 | a=5")
		equal(t, "the new one waits", len(wide.all()), 0)
		p.net.release()
		if err := <-bound; err != nil {
			t.Fatal(err)
		}
		settle()
		equal(t, "the new one's first run", wide.last().String(), "updated(a=5) a:[1 2 3 4 5]")
		equal(t, "the live one was not told", narrow.updates(), "a=4 | a=5")
	})
}

func TestWindowOfTwoImpulsesHoldsTheMaximumOfBothPasts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		for i := range 10 {
			other.send(dpAt("a", time.Duration(i-10)*time.Minute, i))
		}
		var long, many recorder
		l, m := long.impulse("long", "a"), many.impulse("many", "a")
		l.Past = impulse.Past{Delta: 150 * time.Second, Count: 1}
		m.Past = impulse.Past{Delta: time.Second, Count: 4}
		p := w.join("alice", l, m)
		p.send(dp("a", 10))
		// Four at or before now, and then the one that triggers: retention comes before it is appended.
		equal(t, "one sees", long.last().views, "a:[6 7 8 9 10]")
		equal(t, "the other sees", many.last().views, "a:[6 7 8 9 10]")
	})
}

func TestRetentionIsAppliedWithTimeAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		i := r.impulse("r", "a", "b")
		i.Past = impulse.Past{Delta: time.Minute, Count: 2}
		p := w.join("alice", i)
		for n := range 5 {
			p.send(dp("a", n))
		}
		p.send(dpAt("a", 24*time.Hour, 99)) // the future stays
		pass(10 * time.Minute)
		p.send(dp("b", 1))
		equal(t, "views", r.last().views, "a:[3 4 99] b:[1]")
		equal(t, "samples held", p.Stats().WindowSamples, 4)
	})
}

// A window at its limit loses its oldest samples, with an event; so does the session at its own.
func TestLimitsOfMemoryDropTheOldestWithAnEvent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.joinWith("alice", func(c *actors.Config) { c.MaxSamples = 3 }, r.impulse("r", "a"))
		for n := range 5 {
			p.send(dp("a", n))
		}
		equal(t, "views", r.last().views, "a:[2 3 4]")
		if events := p.noted("memory"); len(events) != 1 || !strings.Contains(events[0], `"a"`) {
			t.Errorf("events of memory %q, want one that names the window", events)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		const limit = 64 << 10
		p := w.joinWith("alice", func(c *actors.Config) { c.MemoryLimit = limit }, r.impulse("r", "text"))
		for n := range 100 {
			p.send(metric.Datasource("text", now(), fmt.Sprintf("%4000d", n)))
		}
		if used := p.Stats().WindowBytes; used > limit+8000 {
			t.Errorf("windows hold %d bytes, want about %d at most", used, limit)
		}
		if len(p.noted("memory")) == 0 {
			t.Error("no event of memory")
		}
		equal(t, "runs", len(r.all()), 100)
	})
}

// A metric that comes back as a text empties its window, with an event.
func TestMetricOfAnotherKindEmptiesItsWindowWithAnEvent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var texts []string
		r := recorder{after: func(u *impulse.Update, _ seen) error {
			texts = texts[:0]
			for _, text := range u.View("a").Texts() {
				texts = append(texts, text)
			}
			return nil
		}}
		p := w.join("alice", r.impulse("r", "a"))
		p.send(dp("a", 1))
		if err := p.Delete(t.Context(), "a", metric.KindDatasource); err != nil {
			t.Fatal(err)
		}
		p.send(metric.Datasource("a", now(), "one"))
		equal(t, "texts", strings.Join(texts, " "), "one")
		if events := p.noted("kind"); len(events) != 1 || !strings.Contains(events[0], "datasource") {
			t.Errorf("events %q, want one that says datasource", events)
		}
	})
}

// What two samples of one instant differ in is their identity: the greater stays, live and in refills.
func TestGreaterIdentityWinsAtAnEqualInstantLiveAndInRefills(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice", r.impulse("r", "a")), w.join("alice")
		at := metric.TicksOf(now())
		sample := func(low uint64, value int) metric.Sample {
			s := dp("a", value)
			s.Time = metric.TimeUUIDFromOrder(at, low)
			return s
		}
		const plain = metric.PlainLowOrder
		p.send(sample(plain+5, 1))
		p.send(sample(plain+3, 2))
		equal(t, "live, the lesser later", r.last().String(), "updated(a=2) a:[1]")
		p.send(sample(plain+9, 3))
		equal(t, "live, the greater later", r.last().views, "a:[3]")
		p.away(func() { other.send(sample(plain+7, 4)); other.send(dp("a", 8)) })
		equal(t, "refilled", r.last().views, "a:[3 8]")
	})
}
