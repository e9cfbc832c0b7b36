package actors

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"
)

// probe is an actor that tells a test what it receives.
type probe struct {
	receive func(c actor.Context)
}

func (p *probe) Receive(c actor.Context) { p.receive(c) }

func testSystem(t *testing.T) *actor.ActorSystem {
	t.Helper()
	return newSystem(zap.NewNop()).system
}

// stopAndWait stops a root actor and waits until it is gone.
func stopAndWait(t *testing.T, system *actor.ActorSystem, pid *actor.PID) {
	t.Helper()
	gone := make(chan struct{})
	watcher := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			c.Watch(pid)
			c.Stop(pid)
		case *actor.Terminated:
			close(gone)
			c.Stop(c.Self())
		}
	}))
	_ = watcher
	<-gone
}

func TestMailboxKeepsOrderOfEachSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 8, 2000
		system, workers := testSystem(t), newPool()
		last := make([]int, senders)
		var handled int
		done := make(chan struct{})
		pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				m, ok := c.Message().([2]int)
				if !ok {
					return
				}
				if m[1] != last[m[0]]+1 {
					t.Errorf("sender %d: got message %d after %d", m[0], m[1], last[m[0]])
				}
				last[m[0]] = m[1]
				if handled++; handled == senders*each {
					close(done)
				}
			}}
		}, actor.WithMailbox(newMailbox), actor.WithDispatcher(workers)))
		for s := range senders {
			go func() {
				for i := range each {
					system.Root.Send(pid, [2]int{s, i + 1})
				}
			}()
		}
		<-done
		stopAndWait(t, system, pid)
		workers.close()
		workers.gone.Wait()
	})
}

func TestMailboxKeepsWhatWaitsWhenTheActorPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system, workers := testSystem(t), newPool()
		var restarts atomic.Int32
		var got []int
		done := make(chan struct{})
		child := actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				switch m := c.Message().(type) {
				case int:
					if m == 3 {
						panic("three")
					}
					if got = append(got, m); m == 9 {
						close(done)
					}
				}
			}}
		}, actor.WithMailbox(newMailbox), actor.WithDispatcher(workers))
		strategy := &supervisor{clock: systemClock{}, report: func(Restart) { restarts.Add(1) }}
		var pid *actor.PID
		parent := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				if _, ok := c.Message().(*actor.Started); ok {
					pid = c.Spawn(child)
					for i := range 10 {
						c.Send(pid, i)
					}
				}
			}}
		}, actor.WithSupervisor(strategy)))
		<-done
		if want := "[0 1 2 4 5 6 7 8 9]"; fmt.Sprint(got) != want {
			t.Errorf("handled %v, want %s: only the message that panicked is lost", got, want)
		}
		if restarts.Load() != 1 {
			t.Errorf("restarts = %d, want 1", restarts.Load())
		}
		stopAndWait(t, system, parent)
		workers.close()
		workers.gone.Wait()
	})
}

func TestMailboxGivesMemoryBackAfterABurst(t *testing.T) {
	m := newMailbox().(*mailbox)
	var handled int
	m.RegisterHandlers(invokerFunc(func(any) { handled++ }), actor.NewSynchronizedDispatcher(1<<30))
	m.scheduled = true // hold the turn back until the burst is in
	for i := range 100_000 {
		m.PostUserMessage(i)
	}
	if n := m.UserMessageCount(); n != 100_000 {
		t.Fatalf("UserMessageCount = %d, want 100000", n)
	}
	m.run()
	m.PostUserMessage(1)
	m.PostUserMessage(1)
	if handled != 100_002 {
		t.Errorf("handled %d messages, want 100002", handled)
	}
	if c := cap(m.user) + cap(m.drained); c > 2*keepCap {
		t.Errorf("an idle mailbox keeps room for %d messages, want at most %d", c, 2*keepCap)
	}
}

func TestSupervisorSlowsRestartsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := testSystem(t)
		var at []time.Duration
		settled := make(chan struct{})
		start := time.Now()
		child := actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				if _, ok := c.Message().(*actor.Started); ok {
					if at = append(at, time.Since(start)); len(at) < 6 {
						panic("again")
					}
					close(settled)
				}
			}}
		}, actor.WithMailbox(newMailbox))
		parent := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				if _, ok := c.Message().(*actor.Started); ok {
					c.Spawn(child)
				}
			}}
		}, actor.WithSupervisor(&supervisor{clock: systemClock{}, report: func(Restart) {}})))
		<-settled
		if want := "[0s 0s 20ms 60ms 140ms 300ms]"; fmt.Sprint(at) != want {
			t.Errorf("started at %v, want %s", at, want)
		}
		stopAndWait(t, system, parent)
	})
}

func TestPoolAddsWorkersWhenAllAreStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		const blocked = 500
		release := make(chan struct{})
		var running sync.WaitGroup
		running.Add(blocked)
		for range blocked {
			p.Schedule(func() { running.Done(); <-release })
		}
		start := time.Now()
		running.Wait() // all of them run at once, or this blocks for ever
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("%d blocking turns were all running after %s, want at most 100ms", blocked, d)
		}
		close(release)
		synctest.Wait()
		p.mu.Lock()
		workers := p.workers
		p.mu.Unlock()
		if workers > p.base {
			t.Errorf("%d workers stay when there is nothing to do, want at most %d", workers, p.base)
		}
		p.close()
		p.gone.Wait()
	})
}

// invokerFunc is an actor.MessageInvoker that only handles user messages.
type invokerFunc func(any)

func (f invokerFunc) InvokeUserMessage(m any)       { f(m) }
func (f invokerFunc) InvokeSystemMessage(any)       {}
func (f invokerFunc) EscalateFailure(reason, _ any) { panic(reason) }
