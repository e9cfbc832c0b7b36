package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is the mailbox of every actor but the windows: two lanes, system messages before user messages, each a
// slice under one mutex that is swapped for an empty one when the actor drains it. Compared with protoactor's own
// it never starts a goroutine for a message, gives its memory back after a burst, and counts exactly.
//
// The actor runs on the dispatcher, on one goroutine at a time. After a panic the failure is escalated and the user
// lane stands still until the supervisor has decided; what is queued stays queued.
type mailbox struct {
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	turn       func() // m.run, made once: a method value allocates each time it is taken

	mu        sync.Mutex
	system    []any // guarded by mu
	user      []any // guarded by mu
	scheduled bool  // guarded by mu: a turn is queued or running

	// Owned by the running turn.
	drained   []any // user messages taken from the lane, not all of them invoked yet
	next      int   // index in drained of the next one
	suspended bool

	hasSystem atomic.Bool // system is not empty: read between user messages without the mutex
}

// keepCap is the capacity, in messages, above which an emptied lane is given back.
const keepCap = 1024

func newMailbox() actor.Mailbox {
	m := &mailbox{}
	m.turn = m.run
	return m
}

func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher = invoker, dispatcher
}

func (m *mailbox) Start() {}

func (m *mailbox) PostUserMessage(message any) {
	if message == nil {
		return // protoactor's invoker would spin on it
	}
	m.mu.Lock()
	m.user = append(m.user, message)
	m.schedule()
}

// postQuietly queues a user message and returns the turn that the caller then owes the dispatcher, or nil when one is
// queued or running already: whoever wakes many actors at once gives their turns to the dispatcher together.
func (m *mailbox) postQuietly(message any) (turn func()) {
	m.mu.Lock()
	m.user = append(m.user, message)
	wake := !m.scheduled
	m.scheduled = true
	m.mu.Unlock()
	if !wake {
		return nil
	}
	return m.turn
}

func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	m.hasSystem.Store(true)
	m.schedule()
}

// schedule releases m.mu, which the caller holds.
func (m *mailbox) schedule() {
	wake := !m.scheduled
	m.scheduled = true
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.turn)
	}
}

// UserMessageCount returns how many user messages wait.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.user)
}

// run is one turn: it handles what is queued, at most Throughput user messages, and ends or queues another turn.
func (m *mailbox) run() {
	budget := m.dispatcher.Throughput()
	for m.step(&budget) {
	}
}

// step invokes messages until there is none, the budget is used up or one panics. It reports whether to go on.
func (m *mailbox) step(budget *int) (more bool) {
	var message any
	ended := false
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, message)
			more = true
		} else if !ended {
			m.dispatcher.Schedule(m.turn) // the actor's code ended the goroutine: go on with another
		}
	}()
	more = m.invokeAll(budget, &message)
	ended = true
	return more
}

// invokeAll is step without the care for what panics; message is what is being invoked.
func (m *mailbox) invokeAll(budget *int, message *any) (more bool) {
	for {
		if m.hasSystem.Load() {
			for *message = range m.takeSystem {
				m.invokeSystem(*message)
			}
			continue
		}
		if m.suspended || m.next == len(m.drained) {
			if m.fetch() {
				return false
			}
			continue
		}
		if *budget == 0 {
			m.dispatcher.Schedule(m.turn)
			return false
		}
		*budget--
		*message = m.drained[m.next]
		m.drained[m.next] = nil
		m.next++
		m.invoker.InvokeUserMessage(*message)
	}
}

// takeSystem yields the system messages one by one, so that a panic in one loses no other.
func (m *mailbox) takeSystem(yield func(any) bool) {
	for {
		m.mu.Lock()
		if len(m.system) == 0 {
			m.system = nil
			m.hasSystem.Store(false)
			m.mu.Unlock()
			return
		}
		message := m.system[0]
		m.system = m.system[1:]
		m.mu.Unlock()
		if !yield(message) {
			return
		}
	}
}

func (m *mailbox) invokeSystem(message any) {
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

// fetch takes the user messages that wait, by swapping the lane for the drained slice, or ends the turn where there
// is nothing to do, which it reports.
func (m *mailbox) fetch() (parked bool) {
	empty := m.drained[:0]
	if cap(empty) > keepCap {
		empty = nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case len(m.system) > 0:
		return false
	case m.suspended || len(m.user) == 0:
		m.scheduled = false
		return true
	}
	m.drained, m.user = m.user, empty
	m.next = 0
	return false
}
