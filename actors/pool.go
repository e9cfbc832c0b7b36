package actors

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// pool is the dispatcher of the impulses: long-lived workers, one for each processor. User code may block in a run,
// so when nothing has been taken from the queue for stuckAfter the pool adds workers, and lets them go when the
// queue is empty: a thousand impulses that wait for a slow service delay nobody.
type pool struct {
	base int // workers that stay

	mu      sync.Mutex
	wake    sync.Cond
	turns   []func() // guarded by mu: a queue, head first
	head    int      // guarded by mu
	workers int      // guarded by mu: alive
	idle    int      // guarded by mu: waiting for a turn
	taken   uint64   // guarded by mu: turns ever taken; standing still means stuck
	watched bool     // guarded by mu: a stuck check is due
	closed  bool     // guarded by mu
	gone    sync.WaitGroup

	busy atomic.Int64 // workers that do not wait: above 0 while any turn runs
}

// stuckAfter is how long a queued turn waits before the pool adds workers. Short enough that blocking code delays
// others unnoticeably, long enough that a burst of short runs is not taken for it.
const stuckAfter = time.Millisecond

// maxWorkers bounds the goroutines of one session's pool.
const maxWorkers = 16384

func newPool() *pool {
	p := &pool{base: runtime.GOMAXPROCS(0)}
	p.wake.L = &p.mu
	return p
}

func (p *pool) Throughput() int { return 64 }

// Schedule queues a turn. It never blocks.
func (p *pool) Schedule(turn func()) {
	p.mu.Lock()
	p.turns = append(p.turns, turn)
	switch {
	case p.idle > 0:
		p.mu.Unlock()
		p.wake.Signal()
		return
	case p.workers < p.base || p.closed:
		p.addWorker()
	default:
		p.watch()
	}
	p.mu.Unlock()
}

// scheduleAll queues many turns at once.
func (p *pool) scheduleAll(turns []func()) {
	if len(turns) == 0 {
		return
	}
	p.mu.Lock()
	p.turns = append(p.turns, turns...)
	wake := min(p.idle, len(turns))
	for p.workers < p.base && p.workers-p.idle+wake < len(turns) {
		p.addWorker()
	}
	if p.idle == wake && len(turns) > wake {
		p.watch()
	}
	p.mu.Unlock()
	for range wake {
		p.wake.Signal()
	}
}

// addWorker starts a worker; the caller holds p.mu.
func (p *pool) addWorker() {
	p.workers++
	p.busy.Add(1)
	p.gone.Add(1)
	go p.work()
}

// watch has the queue looked at after stuckAfter; the caller holds p.mu.
func (p *pool) watch() {
	if p.watched {
		return
	}
	p.watched = true
	taken := p.taken
	time.AfterFunc(stuckAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watched = false
		waiting := len(p.turns) - p.head
		if waiting == 0 {
			return
		}
		if p.taken == taken && p.idle == 0 {
			// Grow by an eighth, so that a thousand blocked workers take milliseconds, not a second.
			for range min(waiting, 1+p.workers/8, maxWorkers-p.workers) {
				p.addWorker()
			}
		}
		p.watch()
	})
}

// close lets the workers end when the queue is empty. Turns scheduled later still run.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake.Broadcast()
}

func (p *pool) work() {
	ended := false
	defer func() {
		if !ended {
			go p.work() // a turn ended the goroutine, as t.FailNow in an impulse's function does
			return
		}
		p.gone.Done()
	}()
	for {
		turn := p.take()
		if turn == nil {
			ended = true
			return
		}
		turn()
	}
}

// take waits for a turn and returns it, or nil when the worker is to end.
func (p *pool) take() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head == len(p.turns) {
		if p.closed || p.workers > p.base {
			p.workers--
			p.busy.Add(-1)
			return nil
		}
		p.idle++
		p.busy.Add(-1)
		p.wake.Wait()
		p.busy.Add(1)
		p.idle--
	}
	turn := p.turns[p.head]
	p.turns[p.head] = nil
	p.head++
	p.taken++
	if p.head == len(p.turns) {
		p.turns, p.head = p.turns[:0], 0
		if cap(p.turns) > keepCap*16 {
			p.turns = nil
		}
	} else if p.head > keepCap && p.head > len(p.turns)/2 {
		p.turns = append(p.turns[:0], p.turns[p.head:]...)
		p.head = 0
	}
	return turn
}
