package actors_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Close delivers what is queued, whatever contexts have ended.
func TestCloseFlushes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		p := &peer{journal: &journal{}, net: &lines{dial: w.DialContext}, w: w}
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.open(ctx, "alice", nil); err != nil {
			t.Fatal(err)
		}
		for n := range 100 {
			if err := p.Send(ctx, dp("a", n)); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, "samples", len(strings.Fields(other.history("a"))), 100)
		equal(t, "state", p.State(), actors.StateClosed)
	})
}

// A run that goes on is finished, and what it emits is delivered.
func TestCloseWaitsForTheRunThatGoesOnAndDeliversItsOutput(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.join("alice")
		p := w.join("alice", impulse.Impulse{Name: "r", On: impulse.URIs("a"), Do: func(ctx context.Context, u *impulse.Update) error {
			<-ctx.Done() // ends with Close
			u.Emit(metric.Datapoint("out", u.Time(), 1))
			return nil
		}})
		p.send(dp("a", 1))
		p.send(dp("a", 2)) // waits in the queue
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, "output", other.history("out"), "1")
		equal(t, "events", strings.Join(p.noted("discarded"), ""), `discarded: impulse "r": 1 triggers discarded`)
		c := p.Stats().Impulses
		if len(c) != 1 || !c[0].Counters.Balanced() || c[0].Counters.Ran != 1 || c[0].Counters.Discarded != 1 {
			t.Errorf("final figures %+v, want one run and one discarded", c)
		}
	})
}

// What an impulse held while its windows loaded is discarded by Close, and told.
func TestCloseDiscardsWhatIsHeldAndSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p, other := w.join("alice", r.impulse("r", "a")), w.join("alice")
		p.net.holdFrom(`"hook_to_uri"`)
		p.net.cut()
		pass(time.Second) // connected again; the hook of the session is still there, its answer is not
		other.send(dp("a", 1))
		other.send(dp("a", 2))
		equal(t, "held", p.counters("r").Pending, 1)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		c := p.Stats().Impulses[0].Counters
		equal(t, "balanced", c.Balanced(), true)
		equal(t, "pending and discarded", fmt.Sprint(c.Pending, c.Discarded), "0 1")
		equal(t, "events", strings.Join(p.noted("discarded"), ""), `discarded: impulse "r": 1 triggers discarded`)
	})
}

func TestCloseReturnsWhatWasNotDelivered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.joinWith("alice", func(c *actors.Config) { c.CloseTimeout = 3 * time.Second })
		p.send(dp("a", 0))
		p.net.refuse(errNoNetwork)
		p.net.cut()
		var want []metric.Sample
		for n := range 5 {
			want = append(want, dp("a", n))
			if err := p.Send(t.Context(), want[n]); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		err := p.Close()
		equal(t, "time", time.Since(began), 3*time.Second)
		var left *actors.ShutdownError
		if !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Close: %v, want a ShutdownError with the cause", err)
		}
		equal(t, "undelivered", fmt.Sprint(left.Undelivered), fmt.Sprint(want))
	})
}

func TestShutdownNamesTheImpulseThatStillRuns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		p := w.join("alice", impulse.Impulse{Name: "deaf", On: impulse.URIs("a"), Do: func(context.Context, *impulse.Update) error {
			<-gate
			return nil
		}})
		p.send(dp("a", 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		var left *actors.ShutdownError
		if !errors.As(err, &left) || strings.Join(left.Running, " ") != "deaf" || !strings.Contains(err.Error(), "deaf") {
			t.Errorf("Shutdown: %v, want an error that names the impulse", err)
		}
		close(gate)
		settle() // nothing of it is left, else the bubble says so
	})
}

func TestCloseIsSafeTwiceAndAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		p.net.refuse(errNoNetwork)
		p.net.cut()
		if err := p.Send(t.Context(), dp("a", 1)); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() { errs[i] = p.Close() })
		}
		all.Wait()
		if errs[0] == nil {
			t.Error("Close: nil, want an error about the sample that was not delivered")
		}
		for _, err := range append(errs, p.Close(), p.Wait(t.Context())) {
			if err != errs[0] { //nolint:errorlint // the very same error
				t.Errorf("calls of Close returned %v and %v", errs[0], err)
			}
		}
	})
}

func TestClosedSessionSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice")
		select {
		case <-p.Done():
			t.Fatal("Done is closed while the session lives")
		default:
		}
		if err := p.Err(); err != nil {
			t.Errorf("Err while the session lives: %v", err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait while the session lives: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		_, bind := p.Bind(t.Context(), r.impulse("r", "a"))
		var history error
		for _, err := range p.History(t.Context(), "a", actors.Range{}) {
			history = err
		}
		for name, err := range map[string]error{
			"Err": p.Err(), "Send": p.Send(t.Context(), dp("a", 1)), "Flush": p.Flush(t.Context()), "Bind": bind,
			"History": history, "Delete": p.Delete(t.Context(), "a", 0),
		} {
			if !errors.Is(err, actors.ErrClosed) {
				t.Errorf("%s of a closed session: %v, want ErrClosed", name, err)
			}
		}
	})
}

// Who waits for the queue, a flush or a binding is let go by Close.
func TestCloseLetsGoWhoWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.joinWith("alice", func(c *actors.Config) { c.QueueSamples = 1 })
		p.net.refuse(errNoNetwork)
		p.net.cut()
		if err := p.Send(t.Context(), dp("a", 1)); err != nil {
			t.Fatal(err)
		}
		second := dp("a", 2)
		waiting := map[string]func() error{
			"Send":  func() error { return p.Send(context.Background(), second) },
			"Flush": func() error { return p.Flush(context.Background()) },
			"Bind":  func() error { _, err := p.Bind(context.Background(), r.impulse("r", "a")); return err },
			"History": func() error {
				for _, err := range p.History(context.Background(), "a", actors.Range{}) {
					return err
				}
				return nil
			},
		}
		results := make(chan string, len(waiting))
		for name, call := range waiting {
			go func() {
				if err := call(); !errors.Is(err, actors.ErrClosed) {
					results <- fmt.Sprintf("%s: %v, want ErrClosed", name, err)
					return
				}
				results <- ""
			}()
		}
		pass(time.Second)
		_ = p.Close()
		for range waiting {
			if text := <-results; text != "" {
				t.Error(text)
			}
		}
	})
}

// A session that is closed leaves no goroutine, whatever it was doing: the bubble ends with a panic if one is left
// that waits, and this looks for those of ours that would sleep.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	for name, disturb := range map[string]func(p *peer){
		"live":          func(*peer) {},
		"waiting":       func(p *peer) { p.net.refuse(errNoNetwork); p.net.cut(); pass(time.Minute) },
		"just cut":      func(p *peer) { p.net.cut() },
		"half open":     func(p *peer) { p.net.deafen(true) },
		"syncing":       func(p *peer) { p.net.holdFrom("hook_to_uri"); p.net.cut(); pass(time.Second) },
		"router failed": func(p *peer) { actors.FailRouter(p.Session, "test") },
		"all failed": func(p *peer) {
			actors.FailConnection(p.Session, "test")
			actors.FailRouter(p.Session, "test")
			actors.FailConnection(p.Session, "test")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.join("alice", forward("f", "a", "b"), forward("g", "b", "c"))
				p.send(dp("a", 1))
				disturb(p)
				_ = p.Close()
				synctest.Wait()
				if left := ourGoroutines(); len(left) > 0 {
					t.Errorf("%d goroutines of the session are left:\n%s", len(left), strings.Join(left, "\n\n"))
				}
			})
		})
	}
}

// ourGoroutines returns the stacks of goroutines that a session of this package has started, but for the one that
// protoactor keeps for a second when an actor is told to stop twice.
func ourGoroutines() (found []string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "actor.NewThrottle") {
			continue
		}
		if _, maker, ok := strings.Cut(stack, "created by "); ok && (strings.HasPrefix(maker, "github.com/komstream/komstream/actors.") ||
			strings.HasPrefix(maker, "github.com/komstream/komstream/connection.") || strings.HasPrefix(maker, "github.com/asynkron/")) {
			found = append(found, stack)
		}
	}
	return found
}

// Open that fails undoes everything at once.
func TestFailedOpenLeavesNoGoroutine(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.User("bob")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.try(ctx, "alice", nil, forward("f", "bob:secret", "b")); err == nil {
			t.Error("a foreign metric without a share was subscribed")
		}
		synctest.Wait()
		if left := ourGoroutines(); len(left) > 0 {
			t.Errorf("goroutines are left:\n%s", strings.Join(left, "\n\n"))
		}
	})
}

// Sessions open and close while others use them.
func TestOpenAndCloseUnderLoad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		w.User("alice")
		for i := range 8 {
			all.Go(func() {
				p, err := w.try(t.Context(), "alice", nil, forward(fmt.Sprintf("f%d", i), "a", "b"))
				if err != nil {
					t.Error(err)
					return
				}
				for n := range 20 {
					if err := p.Send(t.Context(), dpAt("a", 0, n*100+i)); err != nil {
						t.Error(err)
					}
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}
