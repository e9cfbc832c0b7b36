package actors

import (
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
)

// turnTest is a router's message in the tests: it adds its number to what the child has seen.
type turnTest struct{ n int }

func (*turnTest) routersTurn() {}

// TestTurnboxRunsInTheRoutersTurnOnly: while others post to the child all the time, each Send of its parent returns
// after the child has handled the message, and what the others posted waits until the parent gives the child a turn.
func TestTurnboxRunsInTheRoutersTurnOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := testSystem(t)
		var seen, foreign int // written by the child: in the parent's turn, or it is a race
		childPID := make(chan *actor.PID, 1)
		done := make(chan struct{})
		var pid, parent *actor.PID
		child := actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				switch m := c.Message().(type) {
				case *turnTest:
					seen = m.n
				case string:
					foreign++
				}
			}}
		}, actor.WithMailbox(func() actor.Mailbox {
			return newTurnbox(func() { system.Root.Send(parent, "give a turn") })
		}))
		parent = system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				switch m := c.Message().(type) {
				case int:
					if pid == nil {
						pid = c.Spawn(child)
						childPID <- pid
					}
					for i := range 100 {
						before := foreign
						c.Send(pid, &turnTest{n: m*100 + i})
						if seen != m*100+i {
							t.Errorf("after Send %d the child had seen %d", m*100+i, seen)
						}
						if foreign != before {
							t.Errorf("a message of others was handled outside a turn given to it")
						}
					}
				case string:
					c.Send(pid, &takeTurn{})
					if foreign == 1000 {
						close(done)
						foreign++ // once
					}
				}
			}}
		}, actor.WithMailbox(newMailbox)))
		system.Root.Send(parent, 0)
		to := <-childPID
		go func() {
			for i := range 1000 {
				system.Root.Send(to, "hello")
				if i%10 == 0 {
					system.Root.Send(parent, i)
				}
			}
		}()
		<-done
		stopAndWait(t, system, parent)
	})
}

// TestTurnboxStopsWithoutTheRoutersTurn: the children of a router that hangs in its turn, or has failed, stop all
// the same.
func TestTurnboxStopsWithoutTheRoutersTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := testSystem(t)
		var incarnations, stopped int
		restarted := make(chan struct{})
		child := actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				switch c.Message().(type) {
				case *actor.Stopped:
					stopped++
				}
			}}
		}, actor.WithMailbox(func() actor.Mailbox { return newTurnbox(func() {}) }),
			actor.WithDispatcher(actor.NewSynchronizedDispatcher(1)))
		router := actor.PropsFromProducer(func() actor.Actor {
			incarnations++
			return &probe{func(c actor.Context) {
				switch c.Message().(type) {
				case *actor.Started:
					if incarnations == 2 {
						close(restarted)
						return
					}
					for range 1000 {
						c.Spawn(child)
					}
					c.Send(c.Self(), "fail")
				case string:
					panic("a bug in the router")
				}
			}}
		}, actor.WithMailbox(newMailbox))
		root := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				if _, ok := c.Message().(*actor.Started); ok {
					c.Spawn(router)
				}
			}}
		}, actor.WithSupervisor(&supervisor{clock: systemClock{}, report: func(Restart) {}})))
		<-restarted
		if stopped != 1000 {
			t.Errorf("%d of 1000 children stopped before their parent started anew", stopped)
		}
		stopAndWait(t, system, root)
	})
}

// TestTurnboxSuspendsAfterAPanic: the message that panics is lost, later ones of the router are dropped until the
// supervisor has restarted the child, and the parent's turn goes on.
func TestTurnboxSuspendsAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		system := testSystem(t)
		var seen []int
		child := actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				if m, ok := c.Message().(*turnTest); ok {
					if m.n == 1 {
						panic("one")
					}
					seen = append(seen, m.n)
				}
			}}
		}, actor.WithMailbox(func() actor.Mailbox { return newTurnbox(func() {}) }))
		var pid *actor.PID
		turn := make(chan int)
		over := make(chan struct{})
		parent := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
			return &probe{func(c actor.Context) {
				switch m := c.Message().(type) {
				case *actor.Started:
					pid = c.Spawn(child)
				case string:
					for i := range turn {
						c.Send(pid, &turnTest{n: i})
					}
					over <- struct{}{}
				default:
					_ = m
				}
			}}
		}, actor.WithMailbox(newMailbox), actor.WithSupervisor(&supervisor{clock: systemClock{}, report: func(Restart) {}})))
		send := func(numbers ...int) {
			system.Root.Send(parent, "turn")
			for _, n := range numbers {
				turn <- n
			}
			close(turn)
			<-over
			turn = make(chan int)
			synctest.Wait()
		}
		send(0, 1, 2, 3)
		send(4, 5)
		if want := []int{0, 4, 5}; len(seen) != 3 || seen[0] != 0 || seen[1] != 4 || seen[2] != 5 {
			t.Errorf("handled %v, want %v", seen, want)
		}
		stopAndWait(t, system, parent)
	})
}
