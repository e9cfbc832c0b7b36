package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func TestOneMessageIsOneRunWithItsSamples(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("sum", "cpu", "mem"))
		at := now()
		p.send(metric.Datapoint("cpu", at, 1), metric.Datapoint("mem", at, 2), metric.Datapoint("disk", at, 3))
		p.send(dp("disk", 4)) // not subscribed
		p.send(dp("mem", 5))
		equal(t, "runs", r.updates(), "cpu=1 mem=2 | mem=5")
		equal(t, "last view", r.last().views, "cpu:[1] mem:[2 5]")
	})
}

// The metrics that the trigger did not update are shown as of the trigger, though they are looked at when much has
// come since.
func TestViewsShowTheTriggersCutWhateverCameSince(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		blocked := make(chan struct{})
		r := recorder{before: func(*impulse.Update) { <-blocked }}
		p := w.join("alice", r.impulse("cut", "a", "b", "c"))
		var want []string
		for i := range 40 {
			p.send(dp("b", i))
			p.send(dp("a", i))
		}
		close(blocked)
		settle()
		b, a := []float64{}, []float64{}
		for i := range 40 {
			b = append(b, float64(i))
			want = append(want, fmt.Sprintf("updated(b=%d) a:%v b:%v c:[]", i, a, b))
			a = append(a, float64(i))
			want = append(want, fmt.Sprintf("updated(a=%d) a:%v b:%v c:[]", i, a, b))
		}
		for i, s := range r.all() {
			equal(t, fmt.Sprintf("run %d", i), s.String(), want[i])
		}
		equal(t, "runs", len(r.all()), len(want))
	})
}

// A sample older than everything its window keeps is in the view of its own run, and gone in the next.
func TestLateSampleIsInTheViewOfItsOwnRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		i := r.impulse("late", "a")
		i.Past = impulse.Past{Delta: time.Minute, Count: 1}
		p := w.join("alice", i)
		p.send(dp("a", 1))
		p.send(dpAt("a", -time.Hour, 2))
		equal(t, "its own run", r.last().views, "a:[2 1]")
		p.send(dp("a", 3))
		equal(t, "the next run", r.last().views, "a:[1 3]")
	})
}

func TestRunsNeverOverlapAndFollowTheOrderOfArrival(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var inside, overlaps atomic.Int32
		r := recorder{before: func(*impulse.Update) {
			if inside.Add(1) > 1 {
				overlaps.Add(1)
			}
			doze(3 * time.Millisecond)
			inside.Add(-1)
		}}
		p := w.join("alice", r.impulse("slow", "a", "b"))
		var want []string
		for i := range 100 {
			uri := metric.URI([]string{"a", "b"}[i%2])
			if err := p.Send(t.Context(), dp(uri, i)); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%s=%d", uri, i))
		}
		pass(time.Second)
		equal(t, "runs", r.updates(), strings.Join(want, " | "))
		equal(t, "overlaps", overlaps.Load(), 0)
		c := p.counters("slow")
		equal(t, "triggered and ran", fmt.Sprint(c.Triggered, c.Ran), "100 100")
	})
}

// An impulse that blocks, one that panics, one that fails and one that is slow change nothing for twenty others.
func TestOthersFeelNothingOfABadImpulse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		never := make(chan struct{})
		defer close(never)
		bad := func(name string, do impulse.Func) impulse.Impulse {
			return impulse.Impulse{Name: name, On: impulse.URIs("a"), Do: do}
		}
		impulses := []impulse.Impulse{
			bad("blocks", func(context.Context, *impulse.Update) error { <-never; return nil }),
			bad("panics", func(context.Context, *impulse.Update) error { panic("no") }),
			bad("fails", func(context.Context, *impulse.Update) error { return errors.New("no") }),
			bad("sleeps", func(context.Context, *impulse.Update) error { doze(time.Second); return nil }),
		}
		var good [20]recorder
		for i := range good {
			impulses = append(impulses, good[i].impulse(fmt.Sprintf("good%d", i), "a"))
		}
		p := w.join("alice", impulses...)
		for i := range 50 {
			began := time.Now()
			p.send(dp("a", i))
			pass(2 * time.Millisecond)
			if took := time.Since(began); took > 5*time.Millisecond {
				t.Fatalf("message %d took %s", i, took)
			}
			for n := range good {
				equal(t, fmt.Sprintf("runs of good%d", n), len(good[n].all()), i+1)
			}
			if t.Failed() {
				return
			}
		}
		c := p.counters("panics")
		equal(t, "runs that panicked", c.Failed, c.Ran)
		var panicked *impulse.PanicError
		if err := p.failedBy("panics"); !errors.As(err, &panicked) || panicked.Value != "no" {
			t.Errorf("the event of a panic holds %v, want a PanicError with its value", err)
		}
	})
}

// failedBy returns the first error of an impulse's runs, of the events.
func (j *journal) failedBy(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.failed {
		if f.Impulse == name {
			return f.Err
		}
	}
	return nil
}

// While windows load, at the start, an impulse's triggers are held and merged into one, which sees history and pushes.
// One with RunCold runs at once.
func TestTriggersAreHeldAndMergedWhileWindowsLoadAtTheStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		other.send(dp("a", 1))
		other.send(dp("a", 2))
		var warm, cold recorder
		coldOne := cold.impulse("cold", "a")
		coldOne.RunCold = true
		held := &lines{dial: w.DialContext}
		held.holdFrom(`"request_data"`)
		opened := make(chan *actors.Session)
		go func() {
			s, err := actors.Open(t.Context(), actors.Config{Username: "alice", Key: w.User("alice"), Dial: held.DialContext},
				warm.impulse("warm", "a"), coldOne)
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		pass(time.Second)
		for i := 3; i <= 5; i++ {
			other.send(dp("a", i))
		}
		equal(t, "runs while loading", len(warm.all()), 0)
		equal(t, "cold runs while loading", cold.updates(), "a=3 | a=4 | a=5")
		held.release()
		s := <-opened
		defer s.Close()
		settle()
		all := warm.all()
		if len(all) != 1 {
			t.Fatalf("warm ran %d times, want once: %v", len(all), all)
		}
		equal(t, "the run", all[0].String(), "updated(a=3 a=4 a=5) a:[1 2 3 4 5]")
		equal(t, "triggers merged", all[0].merged, 3)
	})
}

func TestTriggersAreHeldWhileABoundImpulseLoads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var old, fresh recorder
		p := w.join("alice", old.impulse("old", "a"))
		p.send(dp("b", 1))
		p.send(dp("a", 2))
		p.net.holdFrom(`"request_data"`)
		done := make(chan error)
		go func() {
			_, err := p.Bind(t.Context(), fresh.impulse("fresh", "a", "b"))
			done <- err
		}()
		pass(time.Millisecond)
		w.join("alice").send(dp("a", 3)) // by another session: this one's frames are held up
		equal(t, "runs of the impulse that loads", len(fresh.all()), 0)
		equal(t, "runs of the other", old.updates(), "a=2 | a=3")
		p.net.release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		settle()
		equal(t, "run after loading", fresh.last().String(), "updated(a=3) a:[2 3] b:[1]")
	})
}

func TestMetricThatDoesNotExistYetIsLoadedAndEmpty(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "new"))
		equal(t, "state", p.State(), actors.StateLive)
		p.send(dp("new", 1))
		equal(t, "run", r.last().String(), "updated(new=1) new:[1]")
	})
}

// checkDenied checks that an error names the metric and the code of a refused subscription.
func checkDenied(t testing.TB, err error, uri metric.URI) {
	t.Helper()
	var refused *connection.RefusedError
	if !errors.As(err, &refused) || refused.URI != uri || refused.Code == 0 {
		t.Errorf("error %v, want a RefusedError with the metric %s and a code", err, uri)
		return
	}
	for _, part := range []string{string(uri), fmt.Sprint(refused.Code)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %s", err, part)
		}
	}
}

func TestHookDeniedAtOpenIsAnErrorAndNothingStays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.User("bob")
		var r recorder
		_, err := w.try(t.Context(), "alice", nil, r.impulse("r", "a", "bob:secret"))
		checkDenied(t, err, "bob:secret")
		w.join("alice").send(dp("a", 1))
		equal(t, "runs", len(r.all()), 0)
	})
}

func TestHookDeniedAtBindIsAnErrorAndNothingIsBound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.User("bob")
		var r, denied, sister recorder
		p := w.join("alice", r.impulse("r", "a"))
		_, err := p.Bind(t.Context(), denied.impulse("denied", "a", "bob:secret"), sister.impulse("sister", "b"))
		checkDenied(t, err, "bob:secret")
		p.send(dp("a", 1))
		p.send(dp("b", 2))
		equal(t, "runs of those bound before", r.updates(), "a=1")
		equal(t, "runs of those not bound", len(denied.all())+len(sister.all()), 0)
		equal(t, "windows", p.Stats().Windows, 1)
		equal(t, "impulses", len(p.Stats().Impulses), 1)
		p.bind(sister.impulse("sister", "b")) // the name is free
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "events of denied hooks", len(p.noted("denied")), 0)
	})
}

// A share that is withdrawn while the session is away is an event at its return; the impulse goes on with its other
// metrics, and once the share is given again, the subscription and its history are back.
func TestHookDeniedLaterIsAnEventAndRetried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bob := w.join("bob")
		share := func(f func(context.Context, string, metric.URI, string) error) {
			t.Helper()
			if err := f(t.Context(), "bob", "cpu", "alice"); err != nil {
				t.Fatal(err)
			}
		}
		var r recorder
		w.User("alice")
		share(w.Share)
		bob.send(dp("cpu", 1))
		p := w.join("alice", r.impulse("r", "own", "bob:cpu"))
		share(w.Unshare)
		p.net.cut()
		pass(2 * time.Second)
		p.mu.Lock()
		if len(p.denied) == 0 || p.denied[0].URI != "bob:cpu" || p.denied[0].RetryIn <= 0 {
			t.Errorf("events of denied hooks: %v", p.denied)
		} else {
			checkDenied(t, p.denied[0].Err, "bob:cpu")
		}
		p.mu.Unlock()
		equal(t, "state", p.State(), actors.StateLive)
		bob.send(dp("cpu", 2))
		p.send(dp("own", 5))
		equal(t, "a run meanwhile", r.last().updated, "own=5")
		pass(5 * time.Minute)
		tries := len(p.noted("denied"))
		if tries < 5 || tries > 15 {
			t.Errorf("%d tries within five minutes, want a backoff that grows to a minute", tries)
		}
		share(w.Share)
		pass(2 * time.Minute)
		equal(t, "tries after the share was given again", len(p.noted("denied")), tries)
		bob.send(dp("cpu", 3))
		equal(t, "a run afterwards", r.last().String(), "updated(bob:cpu=3) own:[5] bob:cpu:[1 2 3]")
	})
}
