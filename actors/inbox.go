package actors

import (
	"context"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/window"
)

// inbox stands between the router and one impulse's actor: the queue of its triggers, and the windows that its runs
// see. The router pushes whatever the impulse does, the policy of the impulse decides what becomes of it, and the
// actor is woken when it has nothing else to do. It survives the actor.
type inbox struct {
	s       *Session
	impulse impulse.Impulse
	ctx     context.Context // of the runs; carries the mark of the impulse
	cancel  context.CancelFunc
	pid     *actor.PID  // set before the first push, as is
	mailbox *mailbox    // the actor's
	handle  int32       // the router's number for it, -1 while it has none; only the router's turn touches it
	ids     []window.ID // windows of the inputs

	mu       sync.Mutex
	pending  *impulse.Pending // guarded by mu
	awake    bool             // guarded by mu: the actor runs, or has been sent a message to
	blocked  int              // guarded by mu: above 0 while outputs wait for room in the outbound queue
	closed   bool             // guarded by mu
	timer    Timer            // guarded by mu: of the next run that has to wait
	sets     []windowSet      // guarded by mu: oldest first, the last is the present one
	router   impulse.Counters // guarded by mu: what routers have counted that are no more
	timing   RunTiming        // guarded by mu
	lastErr  error            // guarded by mu
	emitted  uint64           // guarded by mu
	foreign  uint64           // guarded by mu
	looped   uint64           // guarded by mu
	finished chan struct{}    // closed when the inbox is closed and no run is left
}

// windowSet are the windows of an impulse's inputs from a message number on. A window that was restarted begins a
// new set, so that runs of earlier messages go on seeing the old one as it was then.
type windowSet struct {
	from    uint64
	windows []*window.Window
}

func newInbox(s *Session, imp impulse.Impulse) *inbox {
	ids := make([]window.ID, len(imp.On))
	for n, in := range imp.On {
		ids[n] = s.names.add(in.URI)
	}
	ctx, cancel := context.WithCancel(impulse.NewContext(s.life, imp.Name))
	return &inbox{
		s: s, impulse: imp, ctx: ctx, cancel: cancel, handle: -1,
		ids:      ids,
		pending:  impulse.NewPending(imp),
		finished: make(chan struct{}),
	}
}

// setWindows gives the inbox the windows to be seen by runs of messages from a number on.
func (b *inbox) setWindows(from uint64, windows []*window.Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest, outstanding := b.pending.Oldest()
	for len(b.sets) > 1 && (!outstanding || b.sets[1].from <= oldest) {
		b.sets = b.sets[1:]
	}
	b.sets = append(b.sets, windowSet{from: from, windows: windows})
}

// ViewAt implements impulse.Views.
func (b *inbox) ViewAt(i int, cut uint64) window.View {
	b.mu.Lock()
	set := b.sets[0]
	for _, s := range b.sets[1:] {
		if s.from > cut {
			break
		}
		set = s
	}
	b.mu.Unlock()
	return set.windows[i].ViewAt(cut)
}

// push adds triggers, in order. It never blocks. When the actor sleeps it returns the turn that wakes it, which the
// caller owes the pool; otherwise nil.
func (b *inbox) push(triggers []impulse.Trigger) (turn func()) {
	b.mu.Lock()
	for _, t := range triggers {
		b.pending.Push(t)
	}
	if b.closed {
		discarded := b.pending.Discard()
		b.mu.Unlock()
		b.s.discarded(b.impulse.Name, uint64(discarded))
		return nil
	}
	wake := !b.awake && b.blocked <= 0 && !b.pending.Running()
	b.awake = b.awake || wake
	b.mu.Unlock()
	if !wake {
		return nil
	}
	return b.mailbox.postQuietly(runTriggers)
}

// wake has the actor look for something to run.
func (b *inbox) wake() {
	b.mu.Lock()
	wake := !b.awake && !b.closed && !b.pending.Running()
	b.awake = b.awake || wake
	b.mu.Unlock()
	if wake {
		b.send()
	}
}

func (b *inbox) send() { b.s.root.Send(b.pid, runTriggers) }

// next starts the next run, or lets the actor sleep until there is one and returns nil.
func (b *inbox) next(now time.Time) *impulse.Trigger {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nextLocked(now)
}

func (b *inbox) nextLocked(now time.Time) *impulse.Trigger {
	if b.blocked > 0 || b.closed {
		b.awake = false
		return nil
	}
	t, wait := b.pending.Next(now)
	if t == nil {
		b.awake = false
		if wait > 0 {
			b.sleep(wait)
		}
	}
	return t
}

// sleep wakes the actor after a pause; the caller holds b.mu.
func (b *inbox) sleep(pause time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = b.s.config.Clock.AfterFunc(pause, b.wake)
}

// done ends a run, at a time and with what it took, and starts the next one if the turn is to go on.
func (b *inbox) done(ended time.Time, took time.Duration, err error, goOn bool) (impulse.BreakerChange, *impulse.Trigger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timing.add(took)
	if err != nil {
		b.lastErr = err
	}
	change := b.pending.Done(ended, err != nil)
	if b.closed {
		b.settle()
	}
	if !goOn {
		return change, nil
	}
	return change, b.nextLocked(ended)
}

// abandon ends a run whose actor failed, if there is one.
func (b *inbox) abandon(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending.Running() {
		b.pending.Done(now, true)
		b.settle()
	}
	b.awake = true // the restarted actor looks for something to run
}

// block holds runs back while the outbound queue is over its bound, until unblock, which may come first.
func (b *inbox) block() {
	b.mu.Lock()
	b.blocked++
	b.mu.Unlock()
}

// unblock is called when the outbound queue has room again.
func (b *inbox) unblock() {
	b.mu.Lock()
	b.blocked--
	b.mu.Unlock()
	b.wake()
}

// close discards what waits and ends the context of a run. finished is closed when no run is left.
func (b *inbox) close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	discarded := b.pending.Discard()
	b.settle()
	b.mu.Unlock()
	b.cancel()
	if discarded > 0 {
		b.s.discarded(b.impulse.Name, uint64(discarded))
	}
}

// settle announces the end of a closed inbox; the caller holds b.mu.
func (b *inbox) settle() {
	if b.closed && !b.pending.Running() {
		select {
		case <-b.finished:
		default:
			close(b.finished)
		}
	}
}

// oldest returns the least outstanding cut, if there is one.
func (b *inbox) oldest() (cut uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending.Oldest()
}

// trim gives the memory of a burst back.
func (b *inbox) trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.Trim()
}

// squeeze merges what waits into one trigger, which keeps a bounded part of its messages.
func (b *inbox) squeeze() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.Squeeze()
}

// cuts appends the outstanding cuts.
func (b *inbox) cuts(dst []uint64) []uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending.Cuts(dst)
}

// noteRouter adds what a router has counted that will not count for this impulse any more.
func (b *inbox) noteRouter(c impulse.Counters) {
	b.mu.Lock()
	b.router = b.router.Add(c)
	b.mu.Unlock()
	if c.Discarded > 0 {
		b.s.discarded(b.impulse.Name, c.Discarded)
	}
}

func (b *inbox) noteEmitted(n int) { b.count(&b.emitted, n) }
func (b *inbox) noteForeign(n int) { b.count(&b.foreign, n) }
func (b *inbox) noteLooped(n int)  { b.count(&b.looped, n) }

func (b *inbox) count(counter *uint64, n int) {
	b.mu.Lock()
	*counter += uint64(n)
	b.mu.Unlock()
}

// stats returns what became of the triggers, those that the router still counts included, and how long runs took.
func (b *inbox) stats(router impulse.Counters) ImpulseStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return ImpulseStats{
		Name:     b.impulse.Name,
		Counters: b.pending.Counters().Add(b.router).Add(router),
		Breaker:  b.pending.Breaker(),
		Timing:   b.timing,
		Emitted:  b.emitted,
		Foreign:  b.foreign,
		Looped:   b.looped,
		LastErr:  b.lastErr,
	}
}
