package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// turnMessage marks the messages that only the router sends, and only in its own turn. A window handles them on the
// router's goroutine, inside the Send, so that its append is visible when Send returns.
type turnMessage interface{ routersTurn() }

// turnbox is the mailbox of a window. User messages run in the router's turn only: those the router sends at once,
// those of others when the router gives the window its turn. System messages (stop, restart, watch) run on the
// dispatcher, under the lock that the router's turn takes too: a router that panics stops its windows from its
// supervisor's goroutine, and would wait for ever for children that run on its turn alone.
type turnbox struct {
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	giveTurn   func() // asks the router to send a turnMessage; never blocks

	turn      sync.Mutex // held while the actor's code runs
	suspended bool       // guarded by turn

	mu        sync.Mutex
	system    []any // guarded by mu
	posted    []any // guarded by mu: user messages of others than the router
	scheduled bool  // guarded by mu: the dispatcher will run the system messages
	started   bool  // guarded by mu

	hasSystem atomic.Bool // system is not empty: what the router's turn looks at instead of locking mu
}

func newTurnbox(giveTurn func()) actor.Mailbox { return &turnbox{giveTurn: giveTurn} }

func (b *turnbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	b.invoker, b.dispatcher = invoker, dispatcher
}

// Start handles what was posted so far, Started that is, inside Spawn and so in the router's turn: a hundred
// thousand windows start without a goroutine each.
func (b *turnbox) Start() {
	b.mu.Lock()
	b.started = true
	b.mu.Unlock()
	b.takeTurn(nil)
}

func (b *turnbox) PostUserMessage(message any) {
	if message == nil {
		return
	}
	if _, ok := message.(turnMessage); ok {
		b.takeTurn(message)
		return
	}
	b.mu.Lock()
	b.posted = append(b.posted, message)
	b.mu.Unlock()
	b.giveTurn()
}

func (b *turnbox) PostSystemMessage(message any) {
	b.mu.Lock()
	b.system = append(b.system, message)
	b.hasSystem.Store(true)
	wake := b.started && !b.scheduled
	b.scheduled = b.scheduled || wake
	b.mu.Unlock()
	if wake {
		b.dispatcher.Schedule(b.runSystem)
	}
}

// UserMessageCount returns how many messages of others than the router wait.
func (b *turnbox) UserMessageCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.posted)
}

func (b *turnbox) runSystem() {
	b.mu.Lock()
	b.scheduled = false
	b.mu.Unlock()
	b.takeTurn(nil)
	if b.UserMessageCount() > 0 {
		b.giveTurn() // a restart may have ended a suspension
	}
}

// takeTurn runs the waiting system messages and then message, the router's, and what others posted before it. A
// suspended window handles no user message: the router's is dropped, which the router notices, and the others wait.
func (b *turnbox) takeTurn(message any) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.hasSystem.Load() {
		b.drain(&b.system, b.invokeSystem)
	}
	if b.suspended || message == nil {
		return
	}
	if _, isTurn := message.(*takeTurn); isTurn {
		b.drain(&b.posted, b.invokeUser)
	} else {
		b.invokeUser(message)
	}
	if b.hasSystem.Load() {
		b.drain(&b.system, b.invokeSystem) // a panic has posted the suspension
	}
}

// drain hands the messages of a lane to invoke, one by one, until the lane is empty or the window is suspended.
func (b *turnbox) drain(lane *[]any, invoke func(any)) {
	for lane == &b.system || !b.suspended {
		b.mu.Lock()
		if len(*lane) == 0 {
			if lane == &b.system {
				b.hasSystem.Store(false)
			}
			b.mu.Unlock()
			return
		}
		message := (*lane)[0]
		if *lane = (*lane)[1:]; len(*lane) == 0 {
			*lane = nil
		}
		b.mu.Unlock()
		invoke(message)
	}
}

func (b *turnbox) invokeSystem(message any) {
	defer b.escalate(message)
	switch message.(type) {
	case *actor.SuspendMailbox:
		b.suspended = true
	case *actor.ResumeMailbox:
		b.suspended = false
	default:
		b.invoker.InvokeSystemMessage(message)
	}
}

func (b *turnbox) invokeUser(message any) {
	defer b.escalate(message)
	b.invoker.InvokeUserMessage(message)
}

// escalate is deferred around the actor's code. It suspends the window at once: the supervisor's answer comes later.
func (b *turnbox) escalate(message any) {
	if reason := recover(); reason != nil {
		b.suspended = true
		b.invoker.EscalateFailure(reason, message)
	}
}
