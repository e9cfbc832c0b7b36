package actors

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// eventsMost is how many events may wait for the callbacks.
const eventsMost = 4096

// eventQueue hands events to the callbacks, in order, on one goroutine that lives only while there are some.
type eventQueue struct {
	log *zap.Logger

	mu      sync.Mutex
	waiting []func()      // guarded by mu
	running chan struct{} // guarded by mu: nil while nothing is handed over, closed when all is
	dropped uint64        // guarded by mu
}

func newEventQueue(log *zap.Logger) *eventQueue { return &eventQueue{log: log} }

// post logs an event and queues its callback. It never blocks and may be called with any lock held that callbacks
// do not take.
func post[E fmt.Stringer](q *eventQueue, level zapcore.Level, callback func(E), event E) {
	if entry := q.log.Check(level, event.String()); entry != nil {
		entry.Write()
	}
	if callback == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= eventsMost {
		q.dropped++
		return
	}
	q.waiting = append(q.waiting, func() { callback(event) })
	if q.running == nil {
		q.running = make(chan struct{})
		go q.run()
	}
}

func (q *eventQueue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		batch := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		for _, call := range batch {
			q.call(call)
		}
		q.mu.Lock()
	}
	close(q.running)
	q.running = nil
}

// call keeps a panic of the user's callback from ending the process.
func (q *eventQueue) call(callback func()) {
	defer func() {
		if reason := recover(); reason != nil {
			q.log.Error("an event callback panicked", zap.Any("reason", reason), zap.Stack("stack"))
		}
	}()
	callback()
}

// flush waits until every event posted before has been handed over, or ctx ends: a callback may take its time, or be
// the one that closes the session.
func (q *eventQueue) flush(ctx context.Context) {
	q.mu.Lock()
	running := q.running
	q.mu.Unlock()
	if running == nil {
		return
	}
	select {
	case <-running:
	case <-ctx.Done():
	}
}

func (q *eventQueue) droppedEvents() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
