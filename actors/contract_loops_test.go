package actors_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// increment declares an impulse that answers each number of a metric with the next, in the same metric.
func increment(name string, uri metric.URI) impulse.Impulse { return forward(name, uri, uri) }

// hubKinds runs a test with our hub and with one that does not say which impulses a sample descends from.
func hubKinds(t *testing.T, f func(t *testing.T, w *world, original bool)) {
	for _, original := range []bool{false, true} {
		t.Run(fmt.Sprintf("original=%v", original), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { f(t, w, original) })
		})
	}
}

// joinAt is join, at a hub that may look like an original one.
func (w *world) joinAt(original bool, user string, impulses ...impulse.Impulse) *peer {
	w.t.Helper()
	p := &peer{journal: &journal{}, net: &lines{dial: w.DialContext, original: original}, w: w}
	return w.joinOver(p, user, impulses...)
}

func TestImpulseDoesNotFireOnItsOwnSamples(t *testing.T) {
	hubKinds(t, func(t *testing.T, w *world, original bool) {
		p := w.joinAt(original, "alice", increment("self", "a"))
		p.send(dp("a", 1))
		pass(time.Second)
		equal(t, "history", p.history("a"), "1 2")
		c := p.counters("self")
		equal(t, "ran and skipped", fmt.Sprint(c.Ran, c.Skipped), "1 1")
		p.send(dp("a", 10)) // somebody else's sample fires
		pass(time.Second)
		equal(t, "history", p.history("a"), "1 2 10 11")
	})
}

func TestTwoImpulsesDoNotFeedEachOtherForEver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice", forward("there", "a", "b"), forward("back", "b", "a"))
		p.send(dp("a", 1))
		pass(time.Second)
		equal(t, "histories", p.history("a")+", "+p.history("b"), "1 3, 2")
	})
}

// The hub that does not pass "via" on: each knows its own samples, so that a loop ends at the one that began it.
func TestTwoImpulsesAtAnOriginalHubEndTheirLoop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.joinAt(true, "alice", forward("there", "a", "b"), forward("back", "b", "a"))
		p.send(dp("a", 1))
		pass(time.Second)
		equal(t, "histories", p.history("a")+", "+p.history("b"), "1 3, 2")
	})
}

// With AllowLoops an impulse sees its own samples, whose list holds it once.
func TestAllowLoopsFiresOnOwnSamples(t *testing.T) {
	hubKinds(t, func(t *testing.T, w *world, original bool) {
		i := impulse.Impulse{
			Name: "count", On: impulse.URIs("a"), AllowLoops: true,
			Do: func(_ context.Context, u *impulse.Update) error {
				for s := range u.Updated() {
					if s.Float() < 30 {
						u.Emit(metric.Datapoint("a", s.When().Add(time.Millisecond), s.Float()+1))
					}
				}
				return nil
			},
		}
		p := w.joinAt(original, "alice", i)
		p.send(dp("a", 1))
		pass(time.Second)
		equal(t, "samples", len(strings.Fields(p.history("a"))), 30)
		equal(t, "loops stopped", len(p.noted("loop")), 0)
	})
}

// Sixteen impulses in a chain are the limit; what the next emits is not sent, and an event names those known here.
func TestChainThatIsTooLongIsStoppedWithAnEvent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var chain []impulse.Impulse
		uri := func(n int) metric.URI { return metric.URI(fmt.Sprintf("c%d", n)) }
		for n := range 18 {
			chain = append(chain, forward(fmt.Sprintf("link%d", n), uri(n), uri(n+1)))
		}
		p := w.join("alice", chain...)
		p.send(dp("c0", 0))
		pass(time.Second)
		equal(t, "last that was sent", p.history("c16"), "16")
		equal(t, "looped", p.Stats().Impulses[16].Looped, 1)
		if len(p.loops) != 1 {
			t.Fatalf("%d events, want one", len(p.loops))
		}
		e := p.loops[0]
		equal(t, "impulse", e.Impulse, "link16")
		equal(t, "samples", e.Samples, 1)
		for n := range 16 {
			if !strings.Contains(strings.Join(e.Known, " ")+" ", fmt.Sprintf("link%d ", n)) {
				t.Errorf("the event does not name link%d: %v", n, e.Known)
			}
		}
	})
}

// Two processes run the same program: neither fires on what the other's impulse has written.
func TestReplicasOfOneProgramDoNotFeedEachOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, q := w.join("alice", increment("self", "a")), w.join("alice", increment("self", "a"))
		other := w.join("alice")
		other.send(dp("a", 1))
		pass(time.Second)
		for _, replica := range []*peer{p, q} {
			c := replica.counters("self")
			equal(t, "ran and skipped", fmt.Sprint(c.Ran, c.Skipped), "1 2")
		}
	})
}

// Another user's impulse of the same name is another impulse.
func TestImpulsesOfTwoUsersAreTwo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.User("alice")
		w.User("bob")
		for _, s := range [][3]string{{"alice", "a", "bob"}, {"bob", "b", "alice"}} {
			if err := w.Share(t.Context(), s[0], metric.URI(s[1]), s[2]); err != nil {
				t.Fatal(err)
			}
		}
		alice := w.join("alice", forward("same", "bob:b", "a"))
		bob := w.join("bob", forward("same", "alice:a", "b"))
		bob.send(dp("b", 1))
		pass(time.Second)
		// alice answers 1 with 2, bob 2 with 3, and alice does not answer that: it descends from her own.
		equal(t, "histories", alice.history("a")+", "+bob.history("b"), "2, 1 3")
	})
}

// A run of several merged messages descends from all of them.
func TestMergedRunCarriesTheUnionOfItsCauses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		release := r.blockFirst()
		r.after = func(u *impulse.Update, _ seen) error {
			u.Emit(metric.Datapoint("x", u.Now(), u.Merged()), metric.Datapoint("y", u.Now(), u.Merged()))
			return nil
		}
		merge := r.impulse("merge", "b", "c", "other")
		merge.Overload = impulse.Coalesce
		fromX, fromY := forward("fromX", "x", "b"), forward("fromY", "y", "c")
		p := w.join("alice", merge, fromX, fromY)
		p.send(dp("other", 0)) // blocks merge
		p.send(dp("x", 1))     // fromX writes b
		p.send(dp("y", 1))     // fromY writes c
		release()
		pass(time.Second)
		equal(t, "merged run", r.last().merged, 2)
		// The first run's outputs go around once, the second's do not: they descend from both.
		equal(t, "runs of fromX", p.counters("fromX").Ran, 2)
		equal(t, "runs of fromY", p.counters("fromY").Ran, 2)
		equal(t, "skipped by fromX", p.counters("fromX").Skipped, 1)
	})
}

// At an original hub a refused sample is forgotten: the same sample by somebody else fires.
func TestRefusedSampleIsNotTakenForOwnLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		at := now()
		p := w.joinAt(true, "alice", impulse.Impulse{
			Name: "r", On: impulse.URIs("go", "out"),
			Do: func(_ context.Context, u *impulse.Update) error {
				for s := range u.Updated() {
					if s.URI == "go" {
						u.Emit(metric.Datapoint("out", at, 1))
					}
				}
				return nil
			},
		})
		other := w.join("alice")
		other.send(metric.Datasource("out", at, "a text"))
		p.send(dp("go", 1))
		settle()
		equal(t, "refusals", len(p.noted("rejected")), 1)
		if err := other.Delete(t.Context(), "out", 0); err != nil {
			t.Fatal(err)
		}
		before := p.counters("r")
		other.send(metric.Datapoint("out", at, 1))
		after := p.counters("r")
		equal(t, "runs", after.Ran-before.Ran, 1)
		equal(t, "skipped", after.Skipped-before.Skipped, 0)
	})
}
