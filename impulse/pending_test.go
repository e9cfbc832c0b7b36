package impulse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

func push(p *Pending, numbers ...uint64) {
	for _, n := range numbers {
		p.Push(triggerOf(message(n, nil, 1)))
	}
}

// start wants a run of exactly these messages to start.
func start(t *testing.T, p *Pending, now time.Time, want ...uint64) {
	t.Helper()
	next, wait := p.Next(now)
	if next == nil {
		t.Fatalf("no run of %v, wait %v", want, wait)
	}
	if got := numbers(next); !slices.Equal(got, want) || next.Cut != want[len(want)-1] {
		t.Fatalf("run of %v with cut %d, want %v", got, next.Cut, want)
	}
}

func wait(t *testing.T, p *Pending, now time.Time, want time.Duration) {
	t.Helper()
	if next, wait := p.Next(now); next != nil || wait != want {
		t.Fatalf("got %v, run %v; want to wait %v", wait, next, want)
	}
}

func counted(t *testing.T, p *Pending, want Counters) {
	t.Helper()
	if got := p.Counters(); got != want || !got.Balanced() {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryTriggerIsARunOfItsOwn(t *testing.T) {
	p := NewPending(Impulse{})
	push(p, 1, 2, 3)
	for n := uint64(1); n <= 3; n++ {
		start(t, p, epoch, n)
		wait(t, p, epoch, 0) // one at a time
		p.Done(epoch, n == 2)
	}
	wait(t, p, epoch, 0)
	counted(t, p, Counters{Triggered: 3, Ran: 3, Failed: 1})
}

func TestFullQueueMergesTheOldest(t *testing.T) {
	p := NewPending(Impulse{Overload: Queue(3)})
	push(p, 1)
	start(t, p, epoch, 1)
	push(p, 2, 3, 4, 5, 6)
	if got := p.Cuts(nil); !slices.Equal(got, []uint64{1, 4, 5, 6}) {
		t.Errorf("cuts %v", got)
	}
	if got, ok := p.Oldest(); got != 1 || !ok {
		t.Errorf("oldest %d", got)
	}
	p.Done(epoch, false)
	start(t, p, epoch, 2, 3, 4)
	p.Done(epoch, false)
	start(t, p, epoch, 5)
	counted(t, p, Counters{Triggered: 6, Ran: 2, Running: 1, Coalesced: 2, Pending: 1})
}

func TestCoalesceMergesAllThatWait(t *testing.T) {
	p := NewPending(Impulse{Overload: Coalesce})
	push(p, 1)
	start(t, p, epoch, 1)
	push(p, 2, 3, 4)
	p.Done(epoch, false)
	start(t, p, epoch, 2, 3, 4)
	p.Done(epoch, false)
	counted(t, p, Counters{Triggered: 4, Ran: 2, Coalesced: 2})
}

func TestDropOldestDropsAndCounts(t *testing.T) {
	p := NewPending(Impulse{Overload: DropOldest(2)})
	push(p, 1, 2, 3, 4)
	start(t, p, epoch, 3)
	p.Done(epoch, false)
	start(t, p, epoch, 4)
	counted(t, p, Counters{Triggered: 4, Ran: 1, Running: 1, Dropped: 2})
}

func TestMergedTriggersAreCountedOneByOne(t *testing.T) {
	held := triggerOf(message(1, nil, 1))
	held.Merge(triggerOf(message(2, nil, 1)))
	held.Merge(Refill(3))
	p := NewPending(Impulse{})
	p.Push(held)
	counted(t, p, Counters{Triggered: 3, Coalesced: 2, Pending: 1})
}

func TestMinExecDeltaMergesWhatComesInTheInterval(t *testing.T) {
	p := NewPending(Impulse{MinExecDelta: 10 * time.Second})
	push(p, 1)
	start(t, p, at(0), 1)
	p.Done(at(0.5), false)
	for n := uint64(2); n < 10; n++ {
		push(p, n)
		wait(t, p, at(float64(n)), time.Duration(10-n)*time.Second)
	}
	start(t, p, at(10), 2, 3, 4, 5, 6, 7, 8, 9)
	p.Done(at(11), false)
	wait(t, p, at(25), 0)
	push(p, 10, 11, 12) // the interval is over: the first runs alone, the others wait for the end of its own
	start(t, p, at(25), 10)
	p.Done(at(26), false)
	push(p, 13)
	wait(t, p, at(26), 9*time.Second)
	start(t, p, at(35), 11, 12, 13)
	counted(t, p, Counters{Triggered: 13, Ran: 3, Running: 1, Throttled: 9})
}

func TestMinExecDeltaMergesWhatComesDuringALongRun(t *testing.T) {
	p := NewPending(Impulse{MinExecDelta: time.Second})
	push(p, 1)
	start(t, p, at(0), 1)
	push(p, 2, 3, 4)
	p.Done(at(60), false)
	start(t, p, at(60), 2, 3, 4)
	counted(t, p, Counters{Triggered: 4, Ran: 1, Running: 1, Throttled: 2})
}

func TestMinExecDeltaDropsNothingWhateverThePolicy(t *testing.T) {
	p := NewPending(Impulse{MinExecDelta: 10 * time.Second, Overload: DropOldest(1)})
	push(p, 1)
	start(t, p, at(0), 1)
	p.Done(at(1), false)
	push(p, 2)
	wait(t, p, at(1), 9*time.Second)
	push(p, 3, 4)
	start(t, p, at(10), 2, 3, 4)
	counted(t, p, Counters{Triggered: 4, Ran: 1, Running: 1, Throttled: 2})
}

func TestClockSetBackDoesNotStopTheImpulse(t *testing.T) {
	p := NewPending(Impulse{MinExecDelta: 10 * time.Second})
	push(p, 1)
	start(t, p, at(3600), 1)
	p.Done(at(3600), false)
	push(p, 2)
	wait(t, p, at(0), 10*time.Second)
	wait(t, p, at(9), time.Second)
	start(t, p, at(10), 2)
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	p := NewPending(Impulse{Breaker: Breaker{Failures: 2, Pause: time.Second, MaxPause: 3 * time.Second}})
	run := func(now time.Time, failed bool) BreakerChange {
		t.Helper()
		push(p, 1)
		if next, wait := p.Next(now); next == nil {
			t.Fatalf("no run, wait %v", wait)
		}
		return p.Done(now, failed)
	}
	if c := run(at(0), true); c.Changed() || c.Failures != 1 {
		t.Fatalf("%+v", c)
	}
	if c := run(at(0), false); c.Changed() || c.Failures != 0 { // not in a row
		t.Fatalf("%+v", c)
	}
	run(at(0), true)
	if c, want := run(at(0), true), (BreakerChange{BreakerClosed, BreakerOpen, 2, time.Second}); c != want {
		t.Fatalf("got %+v, want %+v", c, want)
	}
	push(p, 5, 6)
	wait(t, p, at(0.25), 750*time.Millisecond)
	if c, want := run(at(1), true), (BreakerChange{BreakerHalfOpen, BreakerOpen, 3, 2 * time.Second}); c != want {
		t.Fatalf("got %+v, want %+v", c, want)
	}
	if c, want := run(at(3), true), (BreakerChange{BreakerHalfOpen, BreakerOpen, 4, 3 * time.Second}); c != want {
		t.Fatalf("got %+v, want %+v", c, want)
	}
	if c, want := run(at(6), false), (BreakerChange{BreakerHalfOpen, BreakerClosed, 0, 0}); c != want {
		t.Fatalf("got %+v, want %+v", c, want)
	}
	if got := p.Counters(); got.Pending != 2 || !got.Balanced() { // nothing was lost meanwhile
		t.Fatalf("%+v", got)
	}
}

func TestBreakerDefaults(t *testing.T) {
	p := NewPending(Impulse{})
	now := epoch
	var change BreakerChange
	for range 5 {
		push(p, 1)
		p.Next(now)
		change = p.Done(now, true)
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		pause := want * time.Second
		if change.To != BreakerOpen || change.Pause != pause {
			t.Fatalf("got %+v, want a pause of %v", change, pause)
		}
		push(p, 1)
		wait(t, p, now, pause)
		now = now.Add(pause)
		start(t, p, now, 1)
		change = p.Done(now, true)
	}
	never := NewPending(Impulse{Breaker: Breaker{Failures: -1}})
	for range 100 {
		push(never, 1)
		start(t, never, now, 1)
		never.Done(now, true)
	}
}

func TestClockSetBackDoesNotLengthenThePause(t *testing.T) {
	p := NewPending(Impulse{Breaker: Breaker{Failures: 1}})
	push(p, 1, 2)
	start(t, p, at(3600), 1)
	p.Done(at(3600), true)
	wait(t, p, at(0), time.Second)
	start(t, p, at(1), 2)
}

func TestDiscardCountsWhatWaits(t *testing.T) {
	p := NewPending(Impulse{})
	push(p, 1, 2, 3)
	start(t, p, epoch, 1)
	if n := p.Discard(); n != 2 {
		t.Errorf("discarded %d", n)
	}
	counted(t, p, Counters{Triggered: 3, Running: 1, Discarded: 2})
	p.Done(epoch, false)
	push(p, 4)
	start(t, p, epoch, 4)
	counted(t, p, Counters{Triggered: 4, Ran: 1, Running: 1, Discarded: 2})
}

func TestSqueezeMergesWhatWaits(t *testing.T) {
	p := NewPending(Impulse{})
	push(p, 1, 2, 3, 4)
	start(t, p, epoch, 1)
	p.Squeeze()
	p.Done(epoch, false)
	start(t, p, epoch, 2, 3, 4)
	counted(t, p, Counters{Triggered: 4, Ran: 1, Running: 1, Coalesced: 2})
}

func TestShedMessagesAreCounted(t *testing.T) {
	p := NewPending(Impulse{Overload: Coalesce})
	for n := uint64(1); n <= 3; n++ {
		m := message(n, nil)
		m.Rows = make([]Row, MaxMergedRows/2)
		p.Push(triggerOf(m))
	}
	counted(t, p, Counters{Triggered: 3, Coalesced: 2, Pending: 1, Shed: 1})
}

func TestDoneWithoutRunPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewPending(Impulse{}).Done(epoch, false)
}

func TestIdlePendingHoldsNothing(t *testing.T) {
	p := NewPending(Impulse{})
	if _, ok := p.Oldest(); ok || len(p.Cuts(nil)) != 0 || p.Len() != 0 || p.Running() {
		t.Error("an idle queue has outstanding cuts")
	}
}

func TestCoalescingDoesNotAllocateInTheSteadyState(t *testing.T) {
	p := NewPending(Impulse{Overload: Coalesce})
	m := message(1, nil, 1)
	cycle := func() {
		for range 10 {
			p.Push(NewTrigger(m, 0, 1))
		}
		p.Next(epoch)
		p.Done(epoch, false)
	}
	cycle()
	if n := testing.AllocsPerRun(100, cycle); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// model is Pending done slowly: a list of lists, one rule after the other.
type model struct {
	impulse  Impulse
	queue    [][]uint64 // 0 stands for a refill
	running  []uint64
	started  *time.Time
	together bool // MinExecDelta: what waits is to be one run
	failures int
	openTill time.Time
	pause    time.Duration
	probing  bool
	c        Counters
}

func (m *model) merge(i int) {
	m.queue[i] = append(slices.Clone(m.queue[i]), m.queue[i+1]...)
	m.queue = slices.Delete(m.queue, i+1, i+2)
}

func (m *model) push(trigger []uint64) {
	m.c.Triggered += uint64(len(trigger))
	m.c.Coalesced += uint64(len(trigger) - 1)
	m.queue = append(m.queue, trigger)
	delta := m.impulse.MinExecDelta > 0
	if delta && len(m.queue) > 1 && (m.running != nil || m.together) {
		m.merge(0)
		m.c.Throttled++
	}
	if delta && m.running != nil {
		m.together = true
	}
	if len(m.queue) <= m.impulse.Overload.limit() {
		return
	}
	if m.impulse.Overload.drops() {
		m.queue = m.queue[1:]
		m.c.Dropped++
		return
	}
	m.merge(0)
	m.c.Coalesced++
}

func (m *model) next(now time.Time) (trigger []uint64, wait time.Duration, ok bool) {
	if m.running != nil || len(m.queue) == 0 {
		return nil, 0, false
	}
	throttle := func() {
		m.together = true
		for len(m.queue) > 1 {
			m.merge(0)
			m.c.Throttled++
		}
	}
	delta := m.impulse.MinExecDelta
	if delta > 0 && m.started != nil && now.Before(m.started.Add(delta)) {
		wait = m.started.Add(delta).Sub(now)
		throttle()
	}
	if m.pause > 0 && now.Before(m.openTill) {
		wait = max(wait, m.openTill.Sub(now))
	}
	if wait > 0 {
		return nil, wait, false
	}
	m.probing = m.pause > 0
	m.running, m.queue = m.queue[0], m.queue[1:]
	m.started, m.together = &now, false
	if delta > 0 && len(m.queue) > 0 {
		throttle()
	}
	return m.running, 0, true
}

func (m *model) done(now time.Time, failed bool) {
	m.running = nil
	m.c.Ran++
	b := m.impulse.Breaker
	switch {
	case !failed:
		m.failures, m.pause = 0, 0
	case m.probing:
		m.c.Failed++
		m.pause = min(2*m.pause, b.MaxPause)
		m.openTill = now.Add(m.pause)
	default:
		m.c.Failed++
		if m.failures++; m.failures == b.Failures {
			m.pause, m.openTill = b.Pause, now.Add(b.Pause)
		}
	}
	m.probing = false
}

func (m *model) counters() Counters {
	c := m.c
	c.Pending = uint64(len(m.queue))
	if m.running != nil {
		c.Running = 1
	}
	return c
}

// listed returns what a trigger stands for as the model writes it, and refills apart, since a trigger does not say
// where between its messages they came.
func listed(trigger []uint64) (messages []uint64, refills int) {
	for _, n := range trigger {
		if n == 0 {
			refills++
		} else {
			messages = append(messages, n)
		}
	}
	return messages, refills
}

// TestPendingAgainstModel drives queues of every policy at random and compares each answer with the model's.
func TestPendingAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		i := Impulse{
			Overload:     []Overload{0, Coalesce, Queue(2), Queue(5), DropOldest(1), DropOldest(3)}[rng.IntN(6)],
			MinExecDelta: []time.Duration{0, 0, 3 * time.Second, 10 * time.Second}[rng.IntN(4)],
			Breaker:      Breaker{Failures: 1 + rng.IntN(3), Pause: time.Second, MaxPause: 5 * time.Second},
		}
		name := fmt.Sprintf("seed %d, %v, MinExecDelta %v", seed, i.Overload, i.MinExecDelta)
		drive(t, name, rng, i)
	}
}

func drive(t *testing.T, name string, rng *rand.Rand, i Impulse) {
	p, m := NewPending(i), &model{impulse: i}
	now, number, order := epoch, uint64(0), uint64(0)
	for step := range 400 {
		now = now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
		switch op := rng.IntN(10); {
		case op < 4:
			trigger, list := random(rng, &number)
			p.Push(trigger)
			m.push(list)
		case op < 7:
			got, wait := p.Next(now)
			ok := got != nil
			list, wantWait, wantOK := m.next(now)
			if ok != wantOK || wait != wantWait {
				t.Fatalf("%s, step %d: next %v %v, want %v %v", name, step, ok, wait, wantOK, wantWait)
			}
			messages, _ := listed(list)
			if ok && (!slices.Equal(numbers(got), messages) || got.Count() != len(list)) {
				t.Fatalf("%s, step %d: run of %v, want %v", name, step, numbers(got), list)
			}
			if ok && got.Cut < order {
				t.Fatalf("%s, step %d: cut %d after %d", name, step, got.Cut, order)
			}
			if ok {
				order = got.Cut
			}
		case op < 9:
			if m.running != nil {
				failed := rng.IntN(3) == 0
				p.Done(now, failed)
				m.done(now, failed)
			}
		case rng.IntN(20) == 0:
			m.c.Discarded += uint64(len(m.queue))
			if n := p.Discard(); n != len(m.queue) {
				t.Fatalf("%s, step %d: discarded %d of %d", name, step, n, len(m.queue))
			}
			m.queue, m.together = nil, false
		}
		if got, want := p.Counters(), m.counters(); got != want || !got.Balanced() {
			t.Fatalf("%s, step %d:\ngot  %+v\nwant %+v", name, step, got, want)
		}
		cuts := p.Cuts(nil)
		if oldest, ok := p.Oldest(); !slices.IsSorted(cuts) || ok != (len(cuts) > 0) || ok && oldest != cuts[0] {
			t.Fatalf("%s, step %d: cuts %v, oldest %d", name, step, cuts, oldest)
		}
	}
}

// random returns a trigger: a message, a refill, or some of them merged, and what it stands for.
func random(rng *rand.Rand, number *uint64) (trigger Trigger, list []uint64) {
	for n := range 1 + max(0, rng.IntN(8)-5) {
		*number++
		next, id := triggerOf(message(*number, nil, 1)), *number
		if rng.IntN(10) == 0 {
			next, id = Refill(*number), 0
		}
		list = append(list, id)
		if n == 0 {
			trigger = next
			continue
		}
		trigger.Merge(next)
	}
	return trigger, list
}
