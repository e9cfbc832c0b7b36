package actors

import (
	"context"
	"sync"

	"github.com/komstream/komstream/impulse"
)

// inboundCredits is how many messages may wait for the router before the reader blocks. Two full drains keep the
// router busy while the reader fills the next; more would only delay what is shown to impulses.
const inboundCredits = 128

// drainMost is how many messages the router takes at once.
const drainMost = 64

// inbound is the queue between the socket's reader and the router. The reader takes a credit for each message and
// blocks when none is left, so that back-pressure reaches the socket instead of growing a mailbox.
type inbound struct {
	wake  func()        // tells the router that there is something; called once until it has drained
	space chan struct{} // has one in it when there is room again and the reader waits

	mu       sync.Mutex
	messages []*impulse.Message // guarded by mu
	woken    bool               // guarded by mu
	old      int                // guarded by mu: messages of earlier connections, the first ones
	full     bool               // guarded by mu: the reader waits
}

func newInbound(wake func()) *inbound {
	return &inbound{space: make(chan struct{}, 1), wake: wake}
}

// put queues a message. It blocks while there is no credit, until ctx ends. One goroutine puts at a time.
func (q *inbound) put(ctx context.Context, m *impulse.Message) error {
	for !q.tryPut(m) {
		select {
		case <-q.space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// tryPut queues a message if there is a credit for it.
func (q *inbound) tryPut(m *impulse.Message) bool {
	q.mu.Lock()
	if len(q.messages) >= inboundCredits {
		q.full = true
		q.mu.Unlock()
		return false
	}
	q.messages = append(q.messages, m)
	wake := !q.woken
	q.woken = true
	q.mu.Unlock()
	if wake {
		q.wake()
	}
	return true
}

// turnPage begins a new connection: what waits now is of earlier ones. Their readers have ended.
func (q *inbound) turnPage() {
	q.mu.Lock()
	q.old = len(q.messages)
	q.mu.Unlock()
}

// take moves up to drainMost messages to dst and gives their credits back. It reports whether more are waiting; when
// not, the next put wakes the router again.
func (q *inbound) take(dst []*impulse.Message) (_ []*impulse.Message, more bool) {
	return q.takeMost(dst, drainMost)
}

// takeOld is take for messages of earlier connections only; more says whether there are further ones of them.
func (q *inbound) takeOld(dst []*impulse.Message) (_ []*impulse.Message, more bool) {
	q.mu.Lock()
	n := min(q.old, drainMost)
	q.mu.Unlock()
	if n == 0 {
		return dst, false
	}
	dst, _ = q.takeMost(dst, n)
	q.mu.Lock()
	defer q.mu.Unlock()
	return dst, q.old > 0
}

func (q *inbound) takeMost(dst []*impulse.Message, most int) (_ []*impulse.Message, more bool) {
	q.mu.Lock()
	n := min(len(q.messages), most)
	dst = append(dst, q.messages[:n]...)
	rest := copy(q.messages, q.messages[n:])
	clear(q.messages[rest:])
	q.messages = q.messages[:rest]
	q.old = max(0, q.old-n)
	q.woken = rest > 0
	room := q.full && n > 0
	q.full = q.full && !room
	q.mu.Unlock()
	if room {
		select {
		case q.space <- struct{}{}:
		default:
		}
	}
	return dst, rest > 0
}
