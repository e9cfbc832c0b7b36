package actors_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// handClock is a clock that a test moves by hand. Safe for concurrent use.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
}

type handTimer struct {
	clock *handClock
	at    time.Time
	f     func() // nil once called or stopped
}

// Now implements actors.Clock.
func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements actors.Clock.
func (c *handClock) AfterFunc(d time.Duration, f func()) actors.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{clock: c, at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	return t
}

// Stop implements actors.Timer.
func (t *handTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	stopped := t.f != nil
	t.f = nil
	return stopped
}

// move moves the clock, calls what is due, and waits until it has had its effect.
func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for _, t := range c.timers {
		if t.f != nil && !t.at.After(c.now) {
			due = append(due, t.f)
			t.f = nil
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
	settle()
}

// Retention, throttles, breakers and backoff follow Config.Clock, and nothing else.
func TestConfigClockDrivesRetentionThrottlesBreakersAndBackoff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		clock := &handClock{now: time.Now()}
		at := func(uri metric.URI, v int) metric.Sample { return metric.Datapoint(uri, clock.Now(), v) }
		var throttled, kept, failing recorder
		a, b, c := throttled.impulse("throttled", "a"), kept.impulse("kept", "b"), failing.impulse("failing", "c")
		a.MinExecDelta = time.Minute
		b.Past = impulse.Past{Delta: time.Minute, Count: 1}
		c.Breaker = impulse.Breaker{Failures: 1, Pause: time.Minute}
		c.Do = func(ctx context.Context, u *impulse.Update) error { _ = failing.do(ctx, u); return io.EOF }
		p := w.joinWith("alice", func(c *actors.Config) { c.Clock = clock }, a, b, c)
		step := func(n int) {
			p.send(at("a", n), at("b", n), at("c", n))
			pass(time.Hour) // of the system's clock
		}
		for n := range 3 {
			step(n)
			clock.move(time.Second)
		}
		equal(t, "throttled, the clock stands", throttled.updates(), "a=0")
		equal(t, "kept", kept.last().views, "b:[0 1 2]")
		equal(t, "failing, with its breaker open", failing.updates(), "c=0")
		clock.move(time.Minute)
		equal(t, "throttled, a minute later", throttled.updates(), "a=0 | a=1 a=2")
		equal(t, "failing, a minute later", failing.updates(), "c=0 | c=1")
		clock.move(10 * time.Minute)
		step(3)
		equal(t, "kept, ten minutes later", kept.last().views, "b:[2 3]")
		p.net.cut()
		pass(time.Hour)
		equal(t, "state, the clock stands", p.State(), actors.StateWaiting)
		clock.move(time.Second)
		equal(t, "state, a second later", p.State(), actors.StateLive)
	})
}

// Sessions in one actor system, which also holds actors of the user's, are independent; the system outlives them.
func TestSessionsShareAnActorSystem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		share := func(c *actors.Config) { c.System = actors.WithSystem(system) }
		notices := make(chan *actors.Notice, 10)
		listener := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			if n, ok := c.Message().(*actors.Notice); ok {
				notices <- n
			}
		}))
		tell := impulse.Impulse{Name: "tell", On: impulse.URIs("a"), Do: actors.ToPID(actors.WithSystem(system), listener)}
		p, q := w.joinWith("alice", share, tell), w.joinWith("alice", share, forward("f", "a", "b"))
		system.Root.Send(actors.FromPID(q.Session), []metric.Sample{dp("a", 1)})
		settle()
		n := <-notices
		equal(t, "impulse", n.Impulse, "tell")
		equal(t, "samples", len(n.Samples), 1)
		equal(t, "history", p.history("b"), "2")
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		p.send(dp("a", 2))
		n = <-notices
		equal(t, "after the other was closed", n.Samples[0].Value.String(), "2")
		pid, ok := p.WindowPID("a")
		if !ok || !strings.Contains(pid.Id, "router") {
			t.Errorf("window actor %v, want a child of the router", pid)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := system.Root.StopFuture(listener).Wait(); err != nil {
			t.Error("the user's actor did not outlive the sessions:", err)
		}
	})
}
