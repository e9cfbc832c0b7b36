package actors

import (
	"github.com/asynkron/protoactor-go/actor"
)

// supervisorActor is a session's root: it spawns the connection, the router and the impulses, and restarts them when
// they fail.
type supervisorActor struct {
	s        *Session
	spawned  chan struct{} // closed when connection and router exist
	stopping bool
	gone     int // how many of the two are gone
}

func supervisorProps(s *Session, spawned chan struct{}) *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return &supervisorActor{s: s, spawned: spawned} },
		actor.WithMailbox(newMailbox),
		actor.WithSupervisor(&supervisor{clock: s.config.Clock, report: s.restarted}),
	)
}

// Receive implements actor.Actor.
func (a *supervisorActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.s.routerPID = a.spawn(c, routerProps(a.s, newPlan(a.s)), "router")
		a.s.connectionPID = a.spawn(c, connectionProps(a.s, newBook(a.s.config)), "connection")
		c.Send(a.s.connectionPID, &retryConnect{})
		close(a.spawned)
	case *actor.Stopping:
		a.stopping = true
	case *spawnImpulses:
		if a.stopping {
			return // nobody would stop them
		}
		for _, box := range m.binding.boxes {
			box.pid = a.spawn(c, impulseProps(box), "impulse-"+box.impulse.Name+"-")
		}
		close(m.done)
	case *stopImpulses:
		if a.stopping {
			return // they are being stopped
		}
		for _, box := range m.binding.boxes {
			c.Stop(box.pid)
		}
	case *actor.Terminated:
		a.terminated(m.Who)
	case *actor.Stopped:
		close(a.s.gone)
	}
}

// terminated notes that a child is gone.
func (a *supervisorActor) terminated(who *actor.PID) {
	if who.Equal(a.s.routerPID) || who.Equal(a.s.connectionPID) {
		if a.gone++; a.gone == 2 {
			close(a.s.stopped)
		}
	}
}

// spawn spawns a child under a name that tells what it is. An impulse may be bound again while an earlier one of its
// name stops, so every name ends in a number.
func (a *supervisorActor) spawn(c actor.Context, props *actor.Props, name string) *actor.PID {
	return c.SpawnPrefix(props, name)
}
