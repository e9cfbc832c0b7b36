package connection

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// sender is one call of Send that waits for room.
type sender struct {
	batch    batch
	admitted chan error // buffered; nil when the batch was queued
}

// batch is one call's samples, ready to be queued.
type batch struct {
	frames      frameList
	replaced    int             // samples left out for a later one of their metric and time
	overwritten []metric.Sample // found while it was queued; for the callback
}

// Send queues samples of the session's own metrics. It blocks while the queue is full, until ctx ends; a call that
// alone is greater than the queue waits until that is empty. All samples are checked first: where one is bad the
// error is a [*SampleError] and none is queued.
//
// Samples with the same time share a message, and times go in ascending order. Where one metric has several samples
// of one time, the last counts. Send copies what it keeps; the texts are shared. After [Outbox.Close] the error is
// [ErrClosed].
func (o *Outbox) Send(ctx context.Context, samples []metric.Sample) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	b, err := o.pack(samples, Seq{}, nil, false)
	if err != nil {
		return err
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		b.frames.free()
		return ErrClosed
	}
	if len(o.senders) > 0 || !o.fits(&b.frames) {
		o.mu.Unlock()
		return o.sendLater(ctx, b)
	}
	o.push(&b)
	wake := o.wake
	o.mu.Unlock()
	o.pushed(&b, wake)
	return nil
}

// sendLater is Send where there is no room.
func (o *Outbox) sendLater(ctx context.Context, b batch) error {
	s := &sender{batch: b, admitted: make(chan error, 1)}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return ErrClosed
	}
	o.senders = append(o.senders, s)
	o.admit() // there may be room since
	o.mu.Unlock()
	var err error
	select {
	case err = <-s.admitted:
	case <-ctx.Done():
		o.mu.Lock()
		i := slices.Index(o.senders, s)
		if i >= 0 {
			o.senders = slices.Delete(o.senders, i, i+1)
			o.admit() // who waited behind may fit
		}
		o.mu.Unlock()
		if i >= 0 {
			s.batch.frames.free()
			return context.Cause(ctx)
		}
		err = <-s.admitted // it was queued in the last moment
	}
	if err != nil {
		return err
	}
	o.mu.Lock()
	wake := o.wake
	o.mu.Unlock()
	o.pushed(&s.batch, wake)
	return nil
}

// Emit queues the outputs of an impulse's run. It never blocks: they are admitted above the bounds of the queue.
// Then waiting is true, and below is called, once and from another goroutine, when the queue is within its bounds
// again, or closed. Irt is the sequence of the message that caused the run, zero for none, and via the impulses by
// which the samples are derived, at most 16; the slice must not be changed afterwards. What the hub refuses of a
// run, it refuses a message at a time.
//
// The errors, and the rest, are those of [Outbox.Send].
func (o *Outbox) Emit(samples []metric.Sample, irt Seq, via []metric.Origin, below func()) (waiting bool, err error) {
	if len(via) > wire.MaxVia {
		return false, fmt.Errorf("connection: via of %d impulses must have at most %d", len(via), wire.MaxVia)
	}
	b, err := o.pack(samples, irt, via, true)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		b.frames.free()
		return false, ErrClosed
	}
	o.push(&b)
	if waiting = o.over(); waiting && below != nil {
		o.below = append(o.below, below)
	}
	wake := o.wake
	o.mu.Unlock()
	o.pushed(&b, wake)
	return waiting, nil
}

// fits reports whether frames can be queued now. The lock is held.
func (o *Outbox) fits(frames *frameList) bool {
	load := o.load()
	return load == 0 || load+frames.samples <= o.config.MaxSamples && o.size()+frames.bytes <= o.config.MaxBytes
}

// over reports whether the queue is above its bounds. The lock is held.
func (o *Outbox) over() bool { return o.load() > o.config.MaxSamples || o.size() > o.config.MaxBytes }

// push queues a batch. The lock is held; afterwards the caller must call pushed without it.
func (o *Outbox) push(b *batch) {
	o.number++
	for f := b.frames.head; f != nil; f = f.next {
		f.number = o.number
		for i := range f.samples {
			if o.recent.note(&f.samples[i]) {
				o.stats.Overwritten++
				if o.config.Overwrote != nil {
					b.overwritten = append(b.overwritten, f.samples[i])
				}
			}
		}
	}
	o.stats.Replaced += uint64(b.replaced)
	o.queue.append(b.frames)
}

// pushed does what follows a push without the lock.
func (o *Outbox) pushed(b *batch, wake func()) {
	if wake != nil {
		wake()
	}
	for _, s := range b.overwritten {
		o.config.Overwrote(s)
	}
}

// admit queues the batches of those who wait, as far as there is room. The lock is held.
func (o *Outbox) admit() {
	n := 0
	for ; n < len(o.senders) && o.fits(&o.senders[n].batch.frames); n++ {
		o.push(&o.senders[n].batch)
		o.senders[n].admitted <- nil
	}
	o.senders = slices.Delete(o.senders, 0, n)
}

// pack checks the samples of a call and makes frames of them.
func (o *Outbox) pack(samples []metric.Sample, irt Seq, via []metric.Origin, whole bool) (batch, error) {
	p := packer{irt: irt, via: via, whole: whole}
	if len(samples) == 1 {
		f := newFrame()
		f.one[0] = samples[0]
		if err := o.check(0, &f.one[0]); err != nil {
			f.free()
			return batch{}, err
		}
		f.samples = f.one[:]
		p.add(f)
		return p.batch, nil
	}
	sorted := slices.Clone(samples)
	ascending := true
	byTime := func(a, b metric.Sample) int { return a.Time.Compare(b.Time) }
	for i := range sorted {
		if err := o.check(i, &sorted[i]); err != nil {
			return batch{}, err
		}
		// Equal times are the rule, and much cheaper to tell than their order.
		ascending = ascending && (i == 0 || sorted[i-1].Time == sorted[i].Time || byTime(sorted[i-1], sorted[i]) < 0)
	}
	if !ascending {
		slices.SortStableFunc(sorted, byTime)
	}
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Time == sorted[0].Time {
			n++
		}
		p.group(sorted[:n:n])
		sorted = sorted[n:]
	}
	return p.batch, nil
}

// check returns what forbids to send a sample, and makes its URI local: the hub takes alice's "cpu" and "alice:cpu"
// for one metric.
func (o *Outbox) check(index int, s *metric.Sample) error {
	if err := s.Check(); err != nil {
		return &SampleError{Index: index, URI: s.URI, Err: err}
	}
	if s.URI.IsLocal() {
		return nil
	}
	if s.URI.Owner() != o.config.Username {
		return &SampleError{Index: index, URI: s.URI, Err: &metric.InvalidError{
			Field: "uri", Value: fmt.Sprintf("%.80q", string(s.URI)),
			Rule: "must be a metric of the session's own user, " + o.config.Username,
		}}
	}
	s.URI = s.URI.Local()
	return nil
}

// packer makes the frames of one call.
type packer struct {
	batch
	irt   Seq
	via   []metric.Origin
	whole bool
}

// group makes frames of samples that have one time. It may overwrite the slice, and keeps it.
func (p *packer) group(samples []metric.Sample) {
	samples = p.lastOnly(samples)
	for len(samples) > 0 {
		n, bytes := 0, int64(headBytes+originBytes*len(p.via))
		for ; n < len(samples); n++ {
			more := sampleBytes(&samples[n])
			if n > 0 && bytes+more > maxFrameBytes {
				break
			}
			bytes += more
		}
		f := newFrame()
		f.samples, f.bytes = samples[:n:n], bytes
		p.add(f)
		samples = samples[n:]
	}
}

// add ends a frame.
func (p *packer) add(f *frame) {
	f.irt, f.via, f.whole = p.irt, p.via, p.whole
	if f.bytes == 0 {
		f.bytes = headBytes + originBytes*int64(len(p.via)) + sampleBytes(&f.samples[0])
	}
	p.frames.push(f)
}

// lastOnly leaves out the samples that have a later one of the same metric, in place.
func (p *packer) lastOnly(samples []metric.Sample) []metric.Sample {
	if len(samples) == 1 {
		return samples
	}
	set := uriSets.Get().(*uriSet)
	set.resize(len(samples))
	defer func() {
		clear(set.slots) // it must not keep the caller's strings either
		uriSets.Put(set)
	}()
	kept := len(samples)
	for i := len(samples) - 1; i >= 0; i-- { // from the end, where the one stands that counts
		if !set.add(samples[i].URI) {
			p.replaced++
			continue
		}
		if kept--; kept != i {
			samples[kept] = samples[i]
		}
	}
	return samples[kept:]
}

// uriSet is a set of URIs that is used again without allocating; a map costs three times as much here.
type uriSet struct {
	slots []metric.URI // open addressing; a power of two, at most half full
}

var uriSets = sync.Pool{New: func() any { return new(uriSet) }}

var uriSeed = maphash.MakeSeed()

// resize makes room for n URIs in an empty set.
func (s *uriSet) resize(n int) {
	size := 1 << bits.Len(uint(2*n-1))
	if size > cap(s.slots) {
		s.slots = make([]metric.URI, size)
	}
	s.slots = s.slots[:size]
}

// add adds a URI and reports whether it is new.
func (s *uriSet) add(uri metric.URI) bool {
	mask := uint64(len(s.slots) - 1)
	for i := maphash.String(uriSeed, string(uri)) & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case "":
			s.slots[i] = uri
			return true
		case uri:
			return false
		}
	}
}
