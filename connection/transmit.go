package connection

import (
	"slices"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

var _, _ Source = (*Outbox)(nil), (*Requests)(nil)

// Attach implements [Source].
func (o *Outbox) Attach(hub Features, wake func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake = wake
	// An original hub may execute the requests of one connection in any order.
	o.maxFrames = 1
	if hub.String() != "" {
		o.maxFrames = o.config.WindowFrames
	}
	o.batches = hub.Has(wire.FeatureBatch)
}

// Next implements [Source].
func (o *Outbox) Next(b []byte) []byte {
	o.mu.Lock()
	f := o.launch()
	o.mu.Unlock()
	if f == nil {
		return b
	}
	// Without the lock: a large frame takes a while. Until the flag is down nobody else touches f, but to read it.
	b = f.append(b)
	f.encoding.Store(false)
	return b
}

// launch moves the next frame in flight, or returns nil. The lock is held.
func (o *Outbox) launch() *frame {
	f := o.queue.head
	switch {
	case f == nil || o.wake == nil || o.held.n > 0 || o.inFlight.n >= o.maxFrames:
		return nil
	case o.inFlight.n > 0 && o.inFlight.bytes+f.bytes > o.config.WindowBytes:
		return nil
	case f.late && o.inFlight.laterThan(f):
		return nil // they may replace samples of f: see dropReplaced
	}
	o.queue.pop()
	f.late = false
	if f.sent == 0 {
		f = o.gather(f)
		o.sends++
		f.sent, f.seq = o.sends, o.seqs.Next()
	} else {
		o.stats.Repeated++
	}
	o.stats.Frames++
	f.encoding.Store(true)
	o.inFlight.push(f)
	return f
}

// Answer implements [Source].
func (o *Outbox) Answer(irt Seq, r *Response) bool {
	o.mu.Lock()
	f := o.inFlight.take(irt)
	if f == nil {
		o.mu.Unlock()
		return false
	}
	number := f.number
	var rejected *Rejection
	switch r.Status {
	case wire.StatusExecuted, wire.StatusAccepted:
		o.retry.Reset()
		f.each(o.acknowledge)
	case wire.StatusUnavailable:
		o.stats.Unavailable++
		f.each(o.hold)
	default:
		rejected = o.refuse(f, r)
	}
	below := o.room()
	wake := o.wake
	o.mu.Unlock()

	if wake != nil {
		wake()
	}
	if rejected != nil {
		if o.config.Rejected != nil {
			rejected.Status, rejected.Code, rejected.Reason = r.Status, r.Code, r.Reason
			o.config.Rejected(*rejected)
		}
		// Only now: who flushes and then looks for rejections must not miss this one.
		o.mu.Lock()
		o.refusing--
		o.settled(number, 0)
		o.mu.Unlock()
	}
	for _, call := range below {
		call()
	}
	return true
}

// room admits those who wait, and returns who is to be told that the queue is within its bounds. The lock is held.
func (o *Outbox) room() (below []func()) {
	if len(o.senders) > 0 {
		o.admit()
	}
	if len(o.below) > 0 && !o.over() {
		below, o.below = o.below, nil
	}
	return below
}

// acknowledge settles a frame that was executed. The lock is held.
func (o *Outbox) acknowledge(f *frame) {
	o.stats.Acknowledged += uint64(len(f.samples))
	o.settled(f.number, o.tellSupplies(f))
	for _, list := range []*frameList{&o.held, &o.queue} {
		if list.late > 0 {
			o.dropReplaced(list, f)
		}
	}
	f.free()
}

// dropReplaced leaves out of the frames that were sent in vain, and will be sent again, what f, of a later call, has a
// newer value for. The lock is held.
func (o *Outbox) dropReplaced(list *frameList, f *frame) {
	var before, next *frame
	late := list.late // they stand near the head
	for g := list.head; g != nil && late > 0; g = next {
		next = g.next
		if g.late {
			late--
		}
		if !g.late || g.number >= f.number {
			before = g
			continue
		}
		list.count(g, -1)
		kept := slices.DeleteFunc(g.samples, f.replaces)
		o.stats.Replaced += uint64(len(g.samples) - len(kept))
		g.samples = kept
		list.count(g, 1)
		if len(kept) > 0 {
			before = g
			continue
		}
		list.cut(before, g)
		o.settled(g.number, 0)
		g.free()
	}
}

// refuse drops f and returns what is to be told, to be settled when it has been. Where it is a batch, or several
// samples of one Send, it has each part or sample sent again in a frame of its own, so that only the bad ones are
// refused. The lock is held.
func (o *Outbox) refuse(f *frame, r *Response) *Rejection {
	if f.parts.n > 0 {
		f.each(func(part *frame) {
			part.alone, part.late = true, true
			o.queue.insert(part)
		})
		return nil
	}
	defer f.free()
	if f.supplies != nil {
		if r.Status == wire.StatusNotFound {
			delete(o.supplied, f.datasource) // deleted meanwhile: who makes it anew tells again
		}
		o.refusing++
		return &Rejection{Datasource: f.datasource, Supplies: f.supplies}
	}
	if f.whole || len(f.samples) == 1 {
		o.stats.Refused += uint64(len(f.samples))
		o.refusing++
		return &Rejection{Samples: slices.Clone(f.samples)}
	}
	o.settled(f.number, len(f.samples))
	for _, s := range f.samples {
		single := newFrame()
		single.one[0] = s
		single.samples = single.one[:]
		single.bytes, single.number, single.late = headBytes+sampleBytes(&s), f.number, true
		o.queue.insert(single)
	}
	return nil
}

// hold keeps a frame for which the hub has no storage now. It was not executed: it will go as a new one, since its
// first sequence would pass for a repetition where a later one was executed. The lock is held.
func (o *Outbox) hold(f *frame) {
	if f.supplies != nil && !slices.Equal(f.supplies, o.supplied[f.datasource].list) {
		o.settled(f.number, 0) // the hub is being told something newer, which this must not replace
		f.free()
		return
	}
	f.sent, f.seq, f.late = 0, Seq{}, f.supplies == nil // what a datasource supplies replaces no samples
	o.held.push(f)
	if !o.pausing {
		o.pausing = true
		time.AfterFunc(o.retry.Failed(time.Time{}), o.endPause)
	}
}

// endPause is called when the wait for storage is over.
func (o *Outbox) endPause() {
	o.mu.Lock()
	o.pausing = false
	o.release()
	wake := o.wake
	o.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// release queues the held frames again. The lock is held.
func (o *Outbox) release() {
	for f := o.held.pop(); f != nil; f = o.held.pop() {
		o.queue.insert(f)
	}
}

// Interval implements [Source].
func (o *Outbox) Interval(Seq, *Interval) bool { return false }

// Reply implements [Source].
func (o *Outbox) Reply(Seq, *Message) bool { return false }

// Large implements [Source].
func (o *Outbox) Large() bool { return false }

// Detach implements [Source]: what was sent and not answered will be sent again, with its first sequence.
//
// A frame that replaces samples of an earlier one among them goes as a new one instead, after all others. The hub may
// have executed the later one and, having had no storage for a moment, not the earlier one: with their sequences it
// would do so now, and take the later one, whose value must stand, for a repetition.
func (o *Outbox) Detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake = nil
	o.release()
	unsure := o.inFlight
	o.inFlight = frameList{}
	for o.queue.head != nil && o.queue.head.sent > 0 { // from the loss before
		unsure.push(o.queue.pop())
	}
	type key struct {
		uri metric.URI
		t   metric.TimeUUID
	}
	seen := make(map[key]uint64, unsure.samples) // by which frame
	var again frameList
	for f := unsure.pop(); f != nil; f = unsure.pop() {
		replaces := false
		for s := range f.all {
			k := key{s.URI, s.Time}
			by := seen[k]
			replaces = replaces || by != 0 && by != f.sent
			seen[k] = f.sent
		}
		if !replaces {
			again.push(f)
			continue
		}
		f.each(func(f *frame) {
			f.sent, f.seq = 0, Seq{}
			o.queue.insert(f)
		})
	}
	again.append(o.queue)
	o.queue = again
}
