package window

import (
	"math"

	"github.com/komstream/komstream/metric"
)

// Outcome says what came of an appended sample; 0 is the usual: it is the window's newest.
type Outcome uint8

// The flags of an Outcome.
const (
	// Late: a newer sample was there before.
	Late Outcome = 1 << iota
	// Overwrote: it took the place of a sample of the same instant.
	Overwrote
	// Ignored: a sample of the same instant with a greater TimeUUID is there; the window did not change.
	Ignored
	// KindChanged: the window held samples of another kind, since the metric was deleted and made anew; they are gone.
	KindChanged
	// Limited: MaxSamples or MaxTextBytes removed the oldest samples.
	Limited
	// Infinite: the number lies outside float64 and is shown as ±Inf.
	Infinite
)

// Has reports whether any of the given flags is set.
func (o Outcome) Has(flags Outcome) bool { return o&flags != 0 }

// Append puts a sample of the message with the given number into the window. Numbers never decrease; several appends
// with one number form one state. Retention is applied before: a sample older than all that is kept is visible until
// the next Append or Expire. At an equal instant the greater TimeUUID wins, and of equal ones the newer arrival. A
// zero Value is ignored. It does not allocate but for new chunks, one in 256 samples of a large window; a late or
// overwriting sample costs a copy of its chunk.
func (w *Window) Append(number uint64, t metric.TimeUUID, v metric.Value, now metric.Ticks) Outcome {
	s := sample{ticks: t.Ticks(), low: t.LowOrder()}
	kind := v.Kind()
	switch kind {
	case metric.KindDatapoint:
		s.value = v.Float()
	case metric.KindDatasource:
		s.text = v.String()
	default:
		return Ignored
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var o Outcome
	w.advance(number)
	if math.IsInf(s.value, 0) {
		o |= Infinite
		w.counts.Infinite++
	}
	if w.sp == nil || w.sp.kind != kind {
		o |= w.become(kind)
	}
	w.retain(now)
	o |= w.insert(&s)
	if w.limit() > 0 {
		o |= Limited
	}
	if w.refilling {
		w.remember(s)
	}
	w.counts.Appended++
	if w.changed {
		w.book()
	}
	return o
}

// Expire applies retention: call it now and then for windows that get no updates. It also drops the earlier states
// that no outstanding cut needs.
func (w *Window) Expire(now metric.Ticks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.retained(now); p > w.lo {
		// What the last message left behind stays visible to a cut at it.
		w.advance(w.number + 1)
		w.evict(p)
	}
	if w.cuts != nil {
		w.prune()
	}
	// An idle window should be small.
	if len(w.marks) == 0 {
		w.marks = nil
	}
	if w.dead > 0 {
		w.respine(1)
	}
	w.book()
}

// DropOldest frees memory: it removes the oldest samples, though retention would keep them, until about the given
// number of bytes is free or one sample is left. Earlier states that no outstanding cut needs go first. It returns
// the bytes freed; views that someone still holds keep their chunks from being collected none the less.
func (w *Window) DropOldest(bytes int64) (freed int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.bytes()
	if w.cuts != nil {
		w.prune()
	}
	target := before - bytes
	for w.bytes() > target && w.len() > 1 {
		_, i, j := w.segment(w.from)
		n := j - i
		if w.kind() == metric.KindDatasource {
			n = 1
		}
		if n >= w.len() {
			n = w.len() - 1
		}
		w.counts.Limited += uint64(n)
		w.evict(w.lo + n)
		w.compact()
	}
	w.book()
	return before - w.bytes()
}

// become empties the window for samples of another kind.
func (w *Window) become(kind metric.Kind) Outcome {
	if w.sp == nil {
		w.clear(kind)
		return 0
	}
	w.clear(kind)
	w.pushes, w.pushText = w.pushes[:0], 0
	w.counts.KindChanges++
	return KindChanged
}

// clear empties the window.
func (w *Window) clear(kind metric.Kind) {
	w.retire(w.held)
	w.textBytes, w.dead = 0, 0
	w.state = state{sp: newSpine(kind, nil, 1)}
}

// retained returns the position of the first sample to keep: the first at or after now − Delta, or the Count-th
// newest at or before now, whichever is earlier.
func (w *Window) retained(now metric.Ticks) int {
	cutoff := now - w.delta
	if w.oldest >= cutoff || w.lo == w.hi {
		return w.lo
	}
	past := w.hi
	if w.newest > now {
		past = w.search(now + 1)
	}
	last := past - w.past.Count
	if last <= w.lo {
		return w.lo
	}
	// Nearly always it is one of the next few.
	c, i, j := w.segment(w.from)
	for n := 1; n < 8 && i+n < j; n++ {
		if c.ticks[i+n] >= cutoff {
			return min(w.lo+n, last)
		}
	}
	return min(w.search(cutoff), last)
}

func (w *Window) retain(now metric.Ticks) {
	if p := w.retained(now); p > w.lo {
		w.evict(p)
	}
}

// evict removes the samples before position p.
func (w *Window) evict(p int) {
	if w.kind() == metric.KindDatasource {
		w.changed = true
		for q := w.lo; q < p; q++ {
			w.textBytes -= int64(len(w.at(q).text))
		}
	}
	if p >= w.hi {
		w.clear(w.kind())
		return
	}
	w.lo = p
	spans := w.sp.spans
	for w.from+1 < w.to && spans[w.from+1].base <= p {
		n := spans[w.from].c.bytes()
		w.retire(n)
		w.dead += n
		w.from++
	}
	if 32*w.dead > w.held && w.dead > fewBytes {
		w.respine(1)
	}
	first := &w.sp.spans[w.from]
	w.oldest = first.c.ticks[p-first.base]
}

// fewBytes is what a small window may keep in passed chunks, to make a new spine less often.
const fewBytes = 256

// respine copies the live spans, so that the chunks of passed ones can be freed, and makes room for more.
func (w *Window) respine(extra int) {
	w.sp = newSpine(w.sp.kind, w.sp.spans[w.from:w.to], extra)
	w.from, w.to, w.dead = 0, w.to-w.from, 0
	w.changed = true
}

// compact copies a first chunk that retention has passed in part, so that the passed part can be freed.
func (w *Window) compact() {
	if c, i, j := w.segment(w.from); i > 0 {
		n := j - i
		if w.from+1 == w.to {
			n = max(n, smallChunk)
		}
		small := newChunk(w.kind(), n, c.low != nil)
		small.copyFrom(0, c, i, j)
		w.replace(w.from, small, nil, 0)
	}
}

// limit enforces MaxSamples and MaxTextBytes and returns how many samples went.
func (w *Window) limit() (gone int) {
	if n := w.len() - w.maxSamples; n > 0 {
		gone = n
	}
	if w.textBytes > int64(w.maxTextBytes) {
		left := w.textBytes
		for p := w.lo; p < w.hi-1 && (left > int64(w.maxTextBytes) || p-w.lo < gone); p++ {
			left -= int64(len(w.at(p).text))
			gone = max(gone, p-w.lo+1)
		}
	}
	if gone > 0 {
		w.counts.Limited += uint64(gone)
		w.evict(w.lo + gone)
	}
	return gone
}

// insert puts s in its place.
func (w *Window) insert(s *sample) Outcome {
	if w.lo == w.hi || s.ticks > w.newest {
		w.push(s)
		return 0
	}
	var o Outcome
	if s.ticks < w.newest {
		o = Late
	}
	p := w.search(s.ticks)
	old := w.at(p)
	if old.ticks == s.ticks {
		if old.low > s.low {
			w.counts.Ignored++
			return o | Ignored
		}
		o |= Overwrote
		w.counts.Overwrote++
	}
	if o.Has(Late) {
		w.counts.Late++
	}
	w.splice(s, p, o.Has(Overwrote))
	return o
}

// push appends the newest sample in place, beyond what any view sees.
func (w *Window) push(s *sample) {
	if w.from == w.to || w.full() {
		w.grow(s)
	}
	last := &w.sp.spans[w.to-1]
	if s.low != metric.PlainLowOrder && last.c.low == nil {
		c := last.c.withLow(w.hi - last.base)
		w.held += 8 * int64(len(c.low))
		w.respine(0)
		last = &w.sp.spans[w.to-1]
		last.c = c
	}
	last.c.put(w.hi-last.base, s)
	if w.lo == w.hi {
		w.oldest = s.ticks
	}
	w.hi++
	w.newest = s.ticks
	if len(s.text) > 0 {
		w.textBytes += int64(len(s.text))
		w.changed = true
	}
}

func (w *Window) full() bool {
	last := &w.sp.spans[w.to-1]
	return w.hi-last.base == len(last.c.ticks)
}

// grow adds a chunk, whose first sample s will be.
func (w *Window) grow(s *sample) {
	withLow := s.low != metric.PlainLowOrder || w.to > w.from && w.sp.spans[w.to-1].c.low != nil
	c := newChunk(w.sp.kind, capacityFor(max(w.len(), 1), w.textBytes+int64(len(s.text))), withLow)
	if int(w.to) == len(w.sp.spans) {
		w.respine(1)
	}
	w.sp.spans[w.to] = span{first: s.ticks, base: w.hi, c: c}
	w.to++
	w.held += c.bytes()
	w.changed = true
}

// splice puts s at position p, before the sample there or in its place, by a copy of its chunk: whoever views the
// old one keeps it. (A side run of late samples, merged into chunks now and then, copies about as much for each
// late sample and costs every reader a merge.)
func (w *Window) splice(s *sample, p int, replace bool) {
	k := w.find(p)
	c, i, j := w.segment(k)
	at := p - w.sp.spans[k].base
	rest, n := at, j-i+1
	if replace {
		w.textBytes -= int64(len(w.at(p).text))
		rest, n = at+1, j-i
	}
	capacity := n
	if k+1 == w.to {
		capacity = max(n, len(c.ticks)) // it goes on growing
	}
	fresh := newChunk(w.sp.kind, capacity, c.low != nil || s.low != metric.PlainLowOrder)
	fresh.copyFrom(0, c, i, at)
	fresh.put(at-i, s)
	fresh.copyFrom(at-i+1, c, rest, j)
	w.textBytes += int64(len(s.text))
	shift := 1
	if replace {
		shift = 0
	}
	if n < maxSplice {
		w.replace(k, fresh, nil, shift)
	} else {
		a := newChunk(w.sp.kind, n/2, fresh.low != nil)
		a.copyFrom(0, fresh, 0, n/2)
		b := newChunk(w.sp.kind, n-n/2, fresh.low != nil)
		b.copyFrom(0, fresh, n/2, n)
		w.replace(k, a, b, shift)
	}
	if p == w.lo {
		w.oldest = s.ticks
	}
}

// replace puts chunk a, and b after it unless nil, in the place of span k, whose visible samples they hold and shift
// more.
func (w *Window) replace(k int32, a, b *chunk, shift int) {
	old := w.sp.spans[k]
	w.retire(old.c.bytes())
	w.held += a.bytes()
	extra := 1
	if b != nil {
		extra = 2
		w.held += b.bytes()
	}
	k -= w.from
	w.respine(extra)
	spans := w.sp.spans
	base := max(w.lo, old.base)
	spans[k] = span{first: a.ticks[0], base: base, c: a}
	if b != nil {
		copy(spans[k+2:w.to+1], spans[k+1:w.to])
		spans[k+1] = span{first: b.ticks[0], base: base + len(a.ticks), c: b}
		w.to++
		k++
	}
	for i := k + 1; i < w.to; i++ {
		spans[i].base += shift
	}
	w.hi += shift
}
