package actors

import (
	"context"
	"errors"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
	"go.uber.org/zap"
)

// Notice is what [ToPID] sends: a run's samples, to keep.
type Notice struct {
	// Impulse is the name of the impulse, Number and Cause the run's.
	Impulse string
	Number  uint64
	Cause   impulse.Cause
	// Samples are those that updated the impulse, in order. Never nil, possibly empty for a refill.
	Samples []metric.Sample
}

// ToPID returns the function of an impulse that sends each update to an actor of the user's, as a [*Notice]. It does
// not wait for the actor: an actor with a mailbox of its own choice decides itself what becomes of what it cannot
// take.
func ToPID(system *System, pid *actor.PID) impulse.Func {
	return func(_ context.Context, u *impulse.Update) error {
		system.system.Root.Send(pid, &Notice{
			Impulse: u.Impulse(), Number: u.Number(), Cause: u.Cause(),
			Samples: slices.AppendSeq([]metric.Sample{}, u.Updated()),
		})
		return nil
	}
}

// SendResult is the answer to samples sent to the actor of [FromPID].
type SendResult struct{ Err error }

// FromPID spawns an actor in the session's system that queues the samples it is sent: metric.Sample or
// []metric.Sample. Whoever requests instead of sending gets a [*SendResult]; for others an error is logged. While the
// outbound queue is full its mailbox grows: request, and wait for the answer, where that matters. The actor stops
// with the session.
func FromPID(s *Session) *actor.PID {
	pid := s.root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		var samples []metric.Sample
		switch m := c.Message().(type) {
		case metric.Sample:
			samples = []metric.Sample{m}
		case []metric.Sample:
			samples = m
		default:
			return
		}
		err := s.Send(s.life, samples...)
		switch {
		case c.Sender() != nil:
			c.Respond(&SendResult{Err: err})
		case err != nil && !errors.Is(err, ErrClosed):
			s.config.Logger.Warn("samples sent by message were refused", zap.Error(err))
		}
	}, actor.WithMailbox(newMailbox)))
	context.AfterFunc(s.life, func() { s.root.Stop(pid) })
	return pid
}

// WindowPID returns the actor of a metric's window, to be sent a [*WindowQuery], and whether the metric is
// subscribed. The PID is good until the router restarts or the last impulse on the metric is unbound.
func (s *Session) WindowPID(uri metric.URI) (*actor.PID, bool) {
	id, known := s.names.find(uri)
	if !known {
		return nil, false
	}
	reply := make(chan *actor.PID, 1)
	s.root.Send(s.routerPID, &askWindow{id: id, reply: reply})
	select {
	case pid := <-reply:
		return pid, pid != nil
	case <-s.stopped:
		return nil, false
	}
}

// askWindow, to the router from WindowPID: answered on reply, which has room for it.
type askWindow struct {
	late
	id    window.ID
	reply chan<- *actor.PID
}
