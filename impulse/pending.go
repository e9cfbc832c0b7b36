package impulse

import "time"

// Pending is the queue of triggers of one impulse: it decides what runs next and when, and counts what becomes of
// each trigger. It is a value without goroutine, clock or lock: one caller at a time, which passes the time.
//
// The caller pushes what the router gives it, asks Next, runs what Next returns, says Done, and asks Next again.
// Everything is amortised O(1) and nothing blocks.
type Pending struct {
	queue    ring
	limit    int
	drops    bool
	minDelta time.Duration
	breaker  breaker

	running   bool
	run       Trigger
	started   time.Time // of the newest run, where minDelta says that it matters
	throttled bool      // what waits has to wait for minDelta, and is one trigger
	spare     *merged   // memory of the last merged trigger that ran
	counters  Counters
}

// NewPending returns the queue of an impulse, whose Overload, MinExecDelta and Breaker it obeys. They must have passed
// [Impulse.Check].
func NewPending(i Impulse) *Pending {
	return &Pending{
		limit:    i.Overload.limit(),
		drops:    i.Overload.drops(),
		minDelta: i.MinExecDelta,
		breaker:  breaker{config: i.Breaker.withDefaults()},
	}
}

// Push adds a trigger, which came after all pushed before. Where the queue is full the overload policy decides.
func (p *Pending) Push(t Trigger) {
	n := uint64(t.Count())
	p.counters.Triggered += n
	p.counters.Coalesced += n - 1
	p.counters.Shed += uint64(t.Shed())
	if p.minDelta > 0 && p.running {
		p.throttled = true // it has to wait for the run, and then for the interval if that is longer
	}
	switch {
	case p.throttled && p.queue.n > 0:
		p.mergeInto(p.queue.at(0), t)
		p.counters.Throttled++
		return
	case p.queue.n < p.limit:
	case p.drops:
		p.queue.pop()
		p.counters.Dropped++
	case p.limit == 1:
		p.mergeInto(p.queue.at(0), t)
		p.counters.Coalesced++
		return
	default:
		p.mergeOldest()
		p.counters.Coalesced++
	}
	p.queue.push(t)
}

// mergeOldest makes one of the two oldest that wait.
func (p *Pending) mergeOldest() {
	oldest := p.queue.pop()
	next := p.queue.at(0)
	p.mergeInto(&oldest, *next)
	*next = oldest
}

func (p *Pending) mergeInto(t *Trigger, newer Trigger) {
	before := t.Shed() + newer.Shed()
	spare := p.spare
	if t.many == nil {
		p.spare = nil
	}
	t.merge(newer, spare)
	p.counters.Shed += uint64(t.Shed() - before)
}

// Next starts the next run, if one may start now: it returns its trigger, and the caller owes a Done. Else it
// returns nil and how long to wait before asking again, or 0 when only a Push or a Done can change the answer. The
// trigger is valid until Done.
func (p *Pending) Next(now time.Time) (t *Trigger, wait time.Duration) {
	if p.running || p.queue.n == 0 {
		return nil, 0
	}
	if p.minDelta == 0 && p.breaker.state == BreakerClosed {
		p.queue.popTo(&p.run)
		p.running = true
		return &p.run, 0
	}
	throttle := p.throttle(now)
	if throttle > 0 {
		p.unify()
	}
	if wait := max(throttle, p.breaker.wait(now)); wait > 0 {
		return nil, wait
	}
	p.breaker.start()
	p.queue.popTo(&p.run)
	p.running = true
	p.throttled = false
	if p.minDelta > 0 {
		p.started = now
		if p.queue.n > 0 {
			p.unify()
		}
	}
	return &p.run, 0
}

// throttle returns how much of the interval since the newest run's start is left.
func (p *Pending) throttle(now time.Time) time.Duration {
	if p.minDelta <= 0 || p.counters.Ran == 0 {
		return 0
	}
	if now.Before(p.started) {
		p.started = now // the clock was set back: that must not stop the impulse for as long
	}
	return p.started.Add(p.minDelta).Sub(now)
}

// unify makes one trigger of all that wait: they wait for the interval.
func (p *Pending) unify() {
	p.throttled = true
	for p.queue.n > 1 {
		p.mergeOldest()
		p.counters.Throttled++
	}
}

// Done ends the run that Next started. It returns what that did to the breaker, for an event.
func (p *Pending) Done(now time.Time, failed bool) BreakerChange {
	if !p.running {
		panic("impulse: Pending.Done without a run: every Done answers one Next")
	}
	p.running = false
	p.counters.Ran++
	if failed {
		p.counters.Failed++
	}
	if m := p.run.many; m != nil && m.reset() {
		p.spare = m
	}
	p.run = Trigger{}
	return p.breaker.done(now, failed)
}

// Discard empties the queue and returns how many triggers waited in it. A run goes on.
func (p *Pending) Discard() int {
	n := p.queue.n
	p.queue = ring{}
	p.spare, p.throttled = nil, false
	p.counters.Discarded += uint64(n)
	return n
}

// Squeeze merges all that wait into one trigger: how a session that is short of memory frees what merged triggers
// may not keep. The breaker, the throttle and the run are as before.
func (p *Pending) Squeeze() {
	for p.queue.n > 1 {
		p.mergeOldest()
		p.counters.Coalesced++
	}
}

// Trim gives the memory back that the queue needs no more, if nothing waits. A queue in use does so by itself.
func (p *Pending) Trim() {
	if p.queue.n == 0 && len(p.queue.buf) > smallestRing {
		p.queue = ring{}
	}
}

// Len returns how many triggers wait.
func (p *Pending) Len() int { return p.queue.n }

// Running reports whether a run was started and not yet done.
func (p *Pending) Running() bool { return p.running }

// Breaker returns the state of the breaker.
func (p *Pending) Breaker() BreakerState { return p.breaker.state }

// Counters returns what became of the triggers so far.
func (p *Pending) Counters() Counters {
	c := p.counters
	c.Pending = uint64(p.queue.n)
	if p.running {
		c.Running = 1
	}
	return c
}

// Cuts appends the outstanding cuts to dst, ascending, of the run and of what waits: a window must be able to show
// them. A cut may stand there twice.
func (p *Pending) Cuts(dst []uint64) []uint64 {
	if p.running {
		dst = append(dst, p.run.Cut)
	}
	for i := range p.queue.n {
		dst = append(dst, p.queue.at(i).Cut)
	}
	return dst
}

// Oldest returns the least outstanding cut, and false when there is none.
func (p *Pending) Oldest() (cut uint64, ok bool) {
	switch {
	case p.running:
		return p.run.Cut, true
	case p.queue.n > 0:
		return p.queue.at(0).Cut, true
	}
	return 0, false
}
