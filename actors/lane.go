package actors

import "sync"

// lane is a dispatcher with one goroutine of its own: the router's. Turns run in the order they are scheduled.
type lane struct {
	mu     sync.Mutex
	wake   sync.Cond
	turns  []func() // guarded by mu
	closed bool     // guarded by mu
	done   chan struct{}
}

func newLane() *lane {
	l := &lane{done: make(chan struct{})}
	l.wake.L = &l.mu
	go l.work()
	return l
}

func (l *lane) Throughput() int { return 256 }

// Schedule queues a turn. It never blocks. After close a turn gets a goroutine of its own, so that an actor can still
// be stopped.
func (l *lane) Schedule(turn func()) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		go turn()
		return
	}
	l.turns = append(l.turns, turn)
	l.mu.Unlock()
	l.wake.Signal()
}

// close ends the goroutine once what is queued has run.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake.Signal()
}

func (l *lane) work() {
	defer close(l.done)
	var batch []func()
	for {
		l.mu.Lock()
		for len(l.turns) == 0 {
			if l.closed {
				l.mu.Unlock()
				return
			}
			l.wake.Wait()
		}
		batch, l.turns = l.turns, batch[:0]
		l.mu.Unlock()
		for i, turn := range batch {
			batch[i] = nil
			turn()
		}
	}
}
