package actors

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/metric"
)

// FailConnection makes the session's connection actor panic.
func FailConnection(s *Session, reason string) {
	s.root.Send(s.connectionPID, &failConnection{reason: reason})
}

// FailRouter makes the session's router panic.
func FailRouter(s *Session, reason string) { s.root.Send(s.routerPID, &failRouter{reason: reason}) }

// FailWindow makes the actor of a metric's window panic, in the router's turn: it is asked for its state by somebody
// whose mailbox panics. It reports whether there is such a window.
func FailWindow(s *Session, uri metric.URI, reason string) bool {
	pid, ok := s.WindowPID(uri)
	if ok {
		asker, _ := s.system.ProcessRegistry.Add(panicProcess{reason}, s.system.ProcessRegistry.NextId())
		s.root.RequestWithCustomSender(pid, &WindowQuery{}, asker)
	}
	return ok
}

// panicProcess panics when it is sent to.
type panicProcess struct{ reason string }

func (p panicProcess) SendUserMessage(*actor.PID, any) { panic(p.reason) }
func (panicProcess) SendSystemMessage(*actor.PID, any) {}
func (panicProcess) Stop(*actor.PID)                   {}

// WindowOf returns the state of a metric's window.
func WindowOf(s *Session, uri metric.URI) (state WindowState, ok bool) {
	pid, ok := s.WindowPID(uri)
	if !ok {
		return WindowState{}, false
	}
	answer := make(chan *WindowState, 1)
	asker, _ := s.system.ProcessRegistry.Add(answerProcess(answer), s.system.ProcessRegistry.NextId())
	defer s.system.ProcessRegistry.Remove(asker)
	s.root.RequestWithCustomSender(pid, &WindowQuery{}, asker)
	return *<-answer, true
}

// answerProcess passes an answer on.
type answerProcess chan *WindowState

func (p answerProcess) SendUserMessage(_ *actor.PID, message any) {
	_, message, _ = actor.UnwrapEnvelope(message)
	p <- message.(*WindowState)
}
func (answerProcess) SendSystemMessage(*actor.PID, any) {}
func (answerProcess) Stop(*actor.PID)                   {}
