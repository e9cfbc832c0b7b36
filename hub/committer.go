package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

// job is something that changes data models and is stored.
type job interface {
	// execute runs on the committer's goroutine: it checks, changes the models in memory, and notes in the group
	// what is to be stored and how to undo the change.
	execute(g *group)
	// finish runs on the committer's goroutine after the sync, or with its error: it answers and notifies.
	finish(g *group, err error)
	// fail replaces finish's nil error where execute has panicked, and its changes have been undone.
	fail()
}

// committer executes the jobs of some owners, one after the other, and stores them in groups.
type committer struct {
	hub *Hub

	mu      sync.Mutex
	wake    sync.Cond
	queue   []job
	stopped bool

	// repair is records that a failed sync may have left in the store although memory went back: they are written
	// once more, as memory has them, with the next group. For run only.
	repair []store.Record

	// begun and synced count groups. Whoever read the store while group n was under way waits for n.
	begun, synced uint64
	lastErr       error // of the newest group
	done          sync.Cond
}

// groupJobs and groupBytes bound a group, so that the first of a long queue are not answered with the last.
const (
	groupJobs  = 4096
	groupBytes = 16 << 20 // of frames
)

// group is the jobs that share a sync.
type group struct {
	hub   *Hub
	now   time.Time
	jobs  []job
	batch store.Batch
	undo  []func()
	// touched are the outboxes that got something and are to be woken.
	touched []*outbox
}

func newCommitter(h *Hub) *committer {
	c := &committer{hub: h}
	c.wake.L, c.done.L = &c.mu, &c.mu
	return c
}

// submit queues a job. It reports false, and drops the job, after stop.
func (c *committer) submit(j job) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	c.queue = append(c.queue, j)
	c.wake.Signal()
	return true
}

// stop lets run return once the queue is empty.
func (c *committer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.wake.Signal()
}

// barrier waits until everything that the models and the store showed when it was called has been synced. It returns
// the error of a sync that failed meanwhile: what was seen may then be undone.
func (c *committer) barrier() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.begun; c.synced < last; {
		c.done.Wait()
		if c.synced >= last {
			return c.lastErr
		}
	}
	return nil
}

// run executes groups until stop.
func (c *committer) run() {
	g := &group{hub: c.hub}
	for c.take(g) {
		for _, j := range g.jobs {
			g.execute(j)
		}
		err := c.commit(g)
		if err != nil {
			g.undoTo(0)
			c.hub.uncount(g.batch.Arrivals)
			c.noteRepair(g)
		}
		c.mu.Lock()
		c.synced, c.lastErr = c.begun, err
		c.done.Broadcast()
		c.mu.Unlock()
		for i, j := range g.jobs {
			g.finish(j, err)
			if i%startEvery == startEvery-1 {
				g.start()
			}
		}
		if err == nil {
			g.publish()
		}
		g.reset()
	}
}

// startEvery is after how many jobs the writing of what they queued is set off, so that the answers of a large group
// do not wait for each other's fan-out.
const startEvery = 64

// execute executes a job. One that panics, by a fault of ours that some frame has found, leaves nothing behind and
// ends nobody else's work.
func (g *group) execute(j job) {
	before := g.mark()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		g.hub.log.Error("a request panicked", zap.Any("panic", p), zap.Stack("stack"))
		g.backTo(before)
		j.fail()
	}()
	j.execute(g)
}

// finish finishes a job. One that panics costs its socket, which then asks again what it got no answer to.
func (g *group) finish(j job, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		g.hub.log.Error("an answer panicked", zap.Any("panic", p), zap.Stack("stack"))
		if r, ok := j.(*request); ok && r.conn != nil {
			r.conn.cut()
			r.conn.landed(r.size)
		}
	}()
	j.finish(g, err)
}

// mark is how far a group has come.
type mark struct{ undo, records, samples, drop, arrivals, cuts int }

func (g *group) mark() mark {
	b := &g.batch
	return mark{len(g.undo), len(b.Records), len(b.Samples), len(b.Drop), len(b.Arrivals), len(b.Cuts)}
}

// backTo undoes what was done since, in memory and in what is to be stored.
func (g *group) backTo(m mark) {
	b := &g.batch
	g.undoTo(m.undo)
	g.hub.uncount(b.Arrivals[m.arrivals:])
	b.Records, b.Samples, b.Drop = b.Records[:m.records], b.Samples[:m.samples], b.Drop[:m.drop]
	b.Arrivals, b.Cuts = b.Arrivals[:m.arrivals], b.Cuts[:m.cuts]
}

// undoTo undoes the changes from the newest back to the n-th.
func (g *group) undoTo(n int) {
	for i := len(g.undo) - 1; i >= n; i-- {
		g.undo[i]()
	}
	g.undo = g.undo[:n]
}

// start sets off the writing of what was queued.
func (g *group) start() {
	for _, o := range g.touched {
		o.start()
	}
	clear(g.touched)
	g.touched = g.touched[:0]
}

// take waits for jobs and begins a group with them.
func (c *committer) take(g *group) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.stopped {
			return false
		}
		c.wake.Wait()
	}
	n, bytes := 0, 0
	for n < len(c.queue) && n < groupJobs && bytes < groupBytes {
		if r, ok := c.queue[n].(*request); ok {
			bytes += r.size
		}
		n++
	}
	g.jobs = append(g.jobs, c.queue[:n]...)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	g.now = c.hub.config.now()
	c.begun++
	return true
}

func (c *committer) commit(g *group) error {
	if g.batch.Empty() {
		return nil
	}
	if len(c.repair) > 0 {
		g.batch.Records = append(append([]store.Record{}, c.repair...), g.batch.Records...)
	}
	started := time.Now()
	err := c.hub.store.Commit(context.Background(), &g.batch)
	c.hub.measured.commit(len(g.jobs), time.Since(started))
	if err != nil {
		c.hub.log.Error("the store does not take writes", zap.Error(err))
		return err
	}
	c.repair = nil
	return nil
}

// noteRepair notes what the records of a failed group are in memory, now that it has gone back.
func (c *committer) noteRepair(g *group) {
	c.repair = c.repair[:0]
	noted := map[string]bool{}
	for _, r := range g.batch.Records {
		key := string(rune(r.Table)) + r.Key
		if !noted[key] {
			noted[key] = true
			c.repair = append(c.repair, c.hub.recordNow(r.Table, r.Key))
		}
	}
}

// reset makes g ready for the next group, after everything that was queued has been set off.
func (g *group) reset() {
	g.start()
	clear(g.jobs)
	clear(g.undo[:cap(g.undo)])
	g.jobs, g.undo = g.jobs[:0], g.undo[:0]
	if len(g.batch.Samples) > 64<<10 {
		g.batch = store.Batch{}
	}
	g.batch.Reset()
}

// call is a job for the Go API and the hub's own chores: a change, and a channel that gets its error.
type call struct {
	change func(g *group) error
	err    error
	done   chan error
}

func (c *call) execute(g *group) { c.err = c.change(g) }

func (c *call) fail() { c.err = errInternal }

var errInternal = errors.New("hub: internal error")

func (c *call) finish(_ *group, err error) {
	if c.err == nil {
		c.err = err
	}
	c.done <- c.err
}

// do runs a change on the committer of an owner and waits until it is stored. The change is made even where ctx ends
// before it is: the error then says only that nobody waited.
func (h *Hub) do(ctx context.Context, owner *user, change func(g *group) error) error {
	j := &call{change: change, done: make(chan error, 1)}
	if !h.committerOf(owner).submit(j) {
		return ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
