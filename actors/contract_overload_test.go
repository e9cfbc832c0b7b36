package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// blockFirst makes a recorder's first run last until the returned function is called.
func (r *recorder) blockFirst() (release func()) {
	gate, first := make(chan struct{}), true
	r.before = func(*impulse.Update) {
		if first {
			first = false
			<-gate
		}
	}
	return func() { close(gate) }
}

// What becomes of ten messages that come during one run, under each policy.
func TestOverloadPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy impulse.Overload
		runs   string
		counts string // coalesced, dropped
	}{
		{0, "a=0 | a=1 | a=2 | a=3 | a=4 | a=5 | a=6", "0 0"},
		{impulse.Queue(4), "a=0 | a=1 a=2 a=3 | a=4 | a=5 | a=6", "2 0"},
		{impulse.Coalesce, "a=0 | a=1 a=2 a=3 a=4 a=5 a=6", "5 0"},
		{impulse.DropOldest(2), "a=0 | a=5 | a=6", "0 4"},
	} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var r recorder
				release := r.blockFirst()
				i := r.impulse("r", "a")
				i.Overload = tt.policy
				p := w.join("alice", i)
				for n := range 7 {
					p.send(dp("a", n))
				}
				p.counters("r") // balanced while it waits
				release()
				settle()
				equal(t, "runs", r.updates(), tt.runs)
				c := p.counters("r")
				equal(t, "coalesced and dropped", fmt.Sprint(c.Coalesced, c.Dropped), tt.counts)
				equal(t, "triggered", c.Triggered, 7)
				equal(t, "newest view", r.last().views, "a:[0 1 2 3 4 5 6]")
			})
		})
	}
}

func TestMinExecDeltaMergesWhatComesInTheInterval(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		i := r.impulse("r", "a")
		i.MinExecDelta = 10 * time.Second
		p := w.join("alice", i)
		for n := range 5 {
			p.send(dp("a", n))
		}
		equal(t, "at once", r.updates(), "a=0")
		pass(9 * time.Second)
		equal(t, "within the interval", r.updates(), "a=0")
		pass(time.Second)
		equal(t, "at its end", r.updates(), "a=0 | a=1 a=2 a=3 a=4")
		c := p.counters("r")
		equal(t, "triggered, ran, throttled", fmt.Sprint(c.Triggered, c.Ran, c.Throttled), "5 2 3")
		pass(time.Minute)
		p.send(dp("a", 5))
		equal(t, "after a quiet time", r.updates(), "a=0 | a=1 a=2 a=3 a=4 | a=5")
	})
}

// An impulse that hangs with a full queue stops neither the router nor what its own session sends.
func TestHangingImpulseDoesNotBlockTheRouter(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var hangs, r recorder
		release := hangs.blockFirst()
		defer release()
		i := hangs.impulse("hangs", "a")
		i.Overload = impulse.Queue(2)
		p := w.join("alice", i, r.impulse("r", "a"))
		for n := range 500 { // far more than the credits of the reader
			p.send(dp("a", n))
		}
		equal(t, "runs of the other", len(r.all()), 500)
		equal(t, "state", p.State(), actors.StateLive)
	})
}

// The outbound queue is full: the outputs of a run that ends are admitted all the same, one run for each impulse, and
// the next run waits for room.
func TestOutputsAreAdmittedAboveTheBoundOneRunAnImpulse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		p := w.joinWith("alice", func(c *actors.Config) { c.QueueSamples = 3 }, forward("f", "a", "b"), forward("g", "a", "c"))
		p.net.holdFrom(`"send_`)
		for n := range 3 {
			if err := p.Send(t.Context(), dp("x", n)); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 4 {
			other.send(dp("a", n))
		}
		equal(t, "samples queued", p.Stats().Outbound.Queued+p.Stats().Outbound.InFlight, 3+2)
		equal(t, "runs of f", p.counters("f").Ran, 1)
		equal(t, "runs of g", p.counters("g").Ran, 1)
		p.net.release()
		settle()
		equal(t, "runs of f when there is room", p.counters("f").Ran, 4)
		equal(t, "outputs of f", other.history("b"), "1 2 3 4")
		equal(t, "outputs of g", other.history("c"), "1 2 3 4")
	})
}

func TestCallsThatWouldWaitAreRefusedInsideARun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var p *peer
		var binding *actors.Binding
		sample := dp("x", 1)
		calls := map[string]func(ctx context.Context) error{
			"Send":     func(ctx context.Context) error { return p.Send(ctx, sample) },
			"Flush":    func(ctx context.Context) error { return p.Flush(ctx) },
			"Close":    func(context.Context) error { return p.Close() },
			"Shutdown": func(ctx context.Context) error { return p.Shutdown(ctx) },
			"Unbind":   func(ctx context.Context) error { return binding.Unbind(ctx) },
			"Delete":   func(ctx context.Context) error { return p.Delete(ctx, "x", 0) },
			"History": func(ctx context.Context) error {
				for _, err := range p.History(ctx, "x", actors.Range{}) {
					return err
				}
				return nil
			},
		}
		got := map[string]error{}
		p = w.join("alice")
		binding = p.bind(impulse.Impulse{Name: "r", On: impulse.URIs("a"), Do: func(ctx context.Context, _ *impulse.Update) error {
			for name, call := range calls {
				got[name+" with the run's context"] = call(ctx)
				got[name+" with another"] = call(context.Background())
			}
			return nil
		}})
		p.send(dp("a", 1))
		equal(t, "calls", len(got), 2*len(calls))
		for name, err := range got {
			if !errors.Is(err, impulse.ErrInsideRun) || !strings.Contains(err.Error(), "Emit") {
				t.Errorf("%s: %v, want ErrInsideRun, which names Emit", name, err)
			}
		}
		equal(t, "state", p.State(), actors.StateLive)
		p.send(dp("a", 2)) // from outside all is well
	})
}

// Close finds out that it would wait for its own run however deep the run's function has called.
func TestCloseDeepInsideARunIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var p *peer
		var got error
		var deep func(n int)
		deep = func(n int) {
			if n == 0 {
				got = p.Close()
				return
			}
			deep(n - 1)
		}
		p = w.join("alice", impulse.Impulse{Name: "r", On: impulse.URIs("a"), Do: func(context.Context, *impulse.Update) error {
			deep(200)
			return nil
		}})
		p.send(dp("a", 1))
		if !errors.Is(got, impulse.ErrInsideRun) {
			t.Errorf("Close two hundred calls below a run: %v, want ErrInsideRun", got)
		}
	})
}

func TestUnbindDiscardsWhatWaitsAndSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		release := r.blockFirst()
		p := w.join("alice")
		b := p.bind(r.impulse("r", "a"))
		for n := range 5 {
			p.send(dp("a", n))
		}
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Unbind(late); err == nil || !strings.Contains(err.Error(), `"r"`) {
			t.Errorf("Unbind while a run goes on: %v, want an error that names it", err)
		}
		release()
		if err := b.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		p.send(dp("a", 9))
		equal(t, "runs", r.updates(), "a=0")
		c := b.Stats()[0].Counters
		equal(t, "balanced", c.Balanced(), true)
		equal(t, "triggered, ran, discarded", fmt.Sprint(c.Triggered, c.Ran, c.Discarded), "5 1 4")
		equal(t, "events", strings.Join(p.noted("discarded"), ""), `discarded: impulse "r": 4 triggers discarded`)
		equal(t, "unhooked", len(p.net.sent("unhook_from_uri")), 1)
		equal(t, "windows", p.Stats().Windows, 0)
	})
}

func TestContextOfARunEndsAtUnbind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ended := false
		p := w.join("alice")
		b := p.bind(impulse.Impulse{Name: "r", On: impulse.URIs("a"), Do: func(ctx context.Context, _ *impulse.Update) error {
			<-ctx.Done()
			ended = true
			return nil
		}})
		p.send(dp("a", 1))
		if err := b.Unbind(t.Context()); err != nil || !ended {
			t.Errorf("Unbind: %v, run ended %v", err, ended)
		}
	})
}

func TestFailedRunsSendNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		run := func(name string, do impulse.Func) impulse.Impulse {
			return impulse.Impulse{Name: name, On: impulse.URIs("a"), Do: do}
		}
		p := w.join("alice",
			run("error", func(_ context.Context, u *impulse.Update) error { u.Emit(dp("out", 1)); return errors.New("no") }),
			run("panic", func(_ context.Context, u *impulse.Update) error { u.Emit(dp("out", 2)); panic("no") }),
			run("view", func(_ context.Context, u *impulse.Update) error { u.Emit(dp("out", 3)); u.View("z"); return nil }),
			run("emit", func(_ context.Context, u *impulse.Update) error {
				u.Emit(dp("out", 4), metric.Datapoint("out", "yesterday", 5))
				return nil
			}),
		)
		p.send(dp("a", 1))
		pass(time.Second)
		for _, name := range []string{"error", "panic", "view", "emit"} {
			equal(t, "failed runs of "+name, p.counters(name).Failed, 1)
			if p.failedBy(name) == nil {
				t.Errorf("no event for %s", name)
			}
		}
		equal(t, "sends", len(p.net.sent(`"out"`)), 0)
	})
}
