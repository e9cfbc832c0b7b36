package connection

import (
	"slices"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

var _, _ Source = (*Outbox)(nil), (*Requests)(nil)

// Attach implements [Source].
func (o *Outbox) Attach(hub wire.Features, wake func()) {
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
func (o *Outbox) Answer(irt wire.Seq, r *wire.Response) bool {
	o.mu.Lock()
	f := o.inFlight.take(irt)
	if f == nil {
		o.mu.Unlock()
		return false
	}
	var rejected []metric.Sample
	switch r.Status {
	case wire.StatusExecuted, wire.StatusAccepted:
		o.acknowledge(f)
	case wire.StatusUnavailable:
		o.hold(f)
	default:
		rejected = o.refuse(f)
	}
	o.resume()
	below := o.room()
	wake := o.wake
	o.mu.Unlock()

	if wake != nil {
		wake()
	}
	if len(rejected) > 0 && o.config.Rejected != nil {
		o.config.Rejected(Rejection{Samples: rejected, Status: r.Status, Code: r.Code, Reason: r.Reason})
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
	o.executed = max(o.executed, f.sent)
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

// refuse drops f and returns its samples, or, where they are several of one Send, has each sent again in a frame of
// its own, so that only the bad ones are refused. The lock is held.
func (o *Outbox) refuse(f *frame) (rejected []metric.Sample) {
	defer f.free()
	if f.whole || len(f.samples) == 1 {
		o.stats.Refused += uint64(len(f.samples))
		o.settled(f.number, 0)
		return slices.Clone(f.samples)
	}
	o.settled(f.number, len(f.samples))
	for _, s := range f.samples {
		single := newFrame()
		single.one[0] = s
		single.samples = single.one[:]
		single.bytes, single.number, single.late = headBytes+sampleBytes(&s), f.number, true
		o.held.push(single)
	}
	return nil
}

// hold keeps a frame for which the hub has no storage now. The lock is held.
func (o *Outbox) hold(f *frame) {
	o.stats.Unavailable++
	f.late = true
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
	o.resume()
	wake := o.wake
	o.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// resume queues the held frames again when the wait is over, if there is one, and the answers to all others are in:
// only then it is known which of their samples have been replaced. The lock is held.
func (o *Outbox) resume() {
	if o.held.n > 0 && !o.pausing && o.inFlight.n == 0 {
		o.requeue(&o.held)
	}
}

// requeue takes the frames of a list, which were sent, back to the queue. The lock is held.
func (o *Outbox) requeue(list *frameList) {
	var again frameList
	for f := list.pop(); f != nil; f = list.pop() {
		if f.sent < o.executed {
			// With its first sequence it would pass for a repetition, since a later one was executed.
			f.sent, f.seq = 0, wire.Seq{}
		}
		if f.sent == 0 {
			o.queue.insert(f)
		} else {
			again.insert(f)
		}
	}
	// Whatever else has a sequence was sent, and so is in one of the lists that are requeued together.
	again.append(o.queue)
	o.queue = again
}

// Interval implements [Source].
func (o *Outbox) Interval(wire.Seq, *wire.Interval) bool { return false }

// Large implements [Source].
func (o *Outbox) Large() bool { return false }

// Detach implements [Source]: what was sent and not answered will be sent again.
func (o *Outbox) Detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wake = nil
	sent := o.inFlight
	o.inFlight = frameList{}
	sent.append(o.held)
	o.held = frameList{}
	o.requeue(&sent)
}
