package connection

import (
	"slices"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// Bounds of a batch. Larger ones are hardly faster, and hold up what comes behind them.
const (
	batchBytes = 256 << 10
	batchParts = 1000
)

// gather returns f, which has just left the queue, or a batch of it and those behind it that came by the same call.
// One call's only: when a hub refuses a batch its parts are sent once more, each alone and so behind what was sent
// since, which nobody else's samples shall suffer for. The lock is held.
func (o *Outbox) gather(f *frame) *frame {
	if !o.batches || !f.joins(f) {
		return f
	}
	room := min(batchBytes, o.config.WindowBytes-o.inFlight.bytes)
	var batch *frame
	for next := o.queue.head; next != nil && next.joins(f); next = o.queue.head {
		if batch == nil {
			batch = newFrame()
			batch.number, batch.irt, batch.via = f.number, f.irt, f.via
			batch.bytes = int64(headBytes + originBytes*len(f.via))
			batch.take(f)
		}
		if batch.bytes+next.bytesAsPart() > room || batch.parts.n == batchParts {
			break
		}
		o.queue.pop()
		batch.take(next)
	}
	switch {
	case batch == nil:
		return f
	case batch.parts.n == 1:
		batch.parts = frameList{}
		batch.free()
		return f
	}
	o.stats.Batched += uint64(batch.parts.n)
	return batch
}

// joins reports whether f can be in a batch with first.
func (f *frame) joins(first *frame) bool {
	return f.number == first.number && f.sent == 0 && !f.alone && f.supplies == nil
}

// bytesAsPart is an upper bound of what f adds to a batch.
func (f *frame) bytesAsPart() int64 {
	return f.bytes - int64(headBytes+originBytes*len(f.via)) + partBytes
}

// take makes g a part of the batch f.
func (f *frame) take(g *frame) {
	g.late = false
	f.parts.push(g)
	f.bytes += g.bytesAsPart()
}

// each calls do with each part of a batch, which is dissolved, or with f itself.
func (f *frame) each(do func(*frame)) {
	if f.parts.n == 0 {
		do(f)
		return
	}
	for part := f.parts.pop(); part != nil; part = f.parts.pop() {
		do(part)
	}
	f.free()
}

// all yields the samples of f and of its parts.
func (f *frame) all(yield func(*metric.Sample) bool) {
	for i := range f.samples {
		if !yield(&f.samples[i]) {
			return
		}
	}
	for part := f.parts.head; part != nil; part = part.next {
		for i := range part.samples {
			if !yield(&part.samples[i]) {
				return
			}
		}
	}
}

func (f *frame) appendBatch(b []byte) []byte {
	p := wire.BeginBatch(b, f.seq, f.irt, f.via)
	for part := f.parts.head; part != nil; part = part.next {
		p.Send(part.samples[0].Time, part.samples)
	}
	return p.End()
}

// tellSupplies queues what the acknowledged samples of f say that their datasources supply, where the hub was told
// something else before, or nothing. It returns how many frames. The lock is held.
func (o *Outbox) tellSupplies(f *frame) (n int) {
	for i := range f.samples {
		s := &f.samples[i]
		list := s.Supplies()
		if list == nil {
			continue
		}
		// A sample that was held for want of storage may be acknowledged after a later one that says otherwise.
		told, known := o.supplied[s.URI]
		if known && f.number < told.number {
			continue
		}
		if known && slices.Equal(told.list, list) {
			o.supplied[s.URI] = announced{list, f.number}
			continue
		}
		if o.supplied == nil {
			o.supplied = make(map[metric.URI]announced)
		}
		o.supplied[s.URI] = announced{list, f.number}
		info := newFrame()
		info.number, info.datasource, info.supplies = f.number, s.URI, list
		info.bytes = int64(headBytes + len(s.URI))
		for _, uri := range list {
			info.bytes += int64(len(uri) + len(`"", `))
		}
		o.queue.insert(info)
		n++
	}
	return n
}

// announced is what a hub was told that a datasource supplies, and the number of the frame that said so.
type announced struct {
	list   []metric.URI
	number uint64
}

// Forget makes the outbox tell again what a datasource supplies, with the next sample that says so: the metric was
// deleted. It names a metric of the session's user.
func (o *Outbox) Forget(uri metric.URI) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.supplied, uri.For(o.config.Username))
}
