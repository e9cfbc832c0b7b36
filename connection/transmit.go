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
	var rejected []metric.Sample
	switch r.Status {
	case wire.StatusExecuted, wire.StatusAccepted:
		o.acknowledge(f)
	case wire.StatusUnavailable:
		o.hold(f)
	default:
		rejected = o.refuse(f)
	}
	below := o.room()
	wake := o.wake
	o.mu.Unlock()

	if wake != nil {
		wake()
	}
	if len(rejected) > 0 {
		if o.config.Rejected != nil {
			o.config.Rejected(Rejection{Samples: rejected, Status: r.Status, Code: r.Code, Reason: r.Reason})
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
	o.retry.Reset()
	o.settled(f.number, 0)
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

// refuse drops f and returns its samples, to be settled when their refusal has been told. Where they are several of
// one Send it has each sent again in a frame of its own, so that only the bad ones are refused. The lock is held.
func (o *Outbox) refuse(f *frame) (rejected []metric.Sample) {
	defer f.free()
	if f.whole || len(f.samples) == 1 {
		o.stats.Refused += uint64(len(f.samples))
		o.refusing++
		return slices.Clone(f.samples)
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
	o.stats.Unavailable++
	f.sent, f.seq, f.late = 0, Seq{}, true
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
	seen := make(map[key]struct{}, unsure.samples)
	var again frameList
	for f := unsure.pop(); f != nil; f = unsure.pop() {
		before := len(seen)
		for _, s := range f.samples {
			seen[key{s.URI, s.Time}] = struct{}{}
		}
		if len(seen) == before+len(f.samples) {
			again.push(f)
			continue
		}
		f.sent, f.seq = 0, Seq{}
		o.queue.insert(f)
	}
	again.append(o.queue)
	o.queue = again
}
