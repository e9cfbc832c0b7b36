package window

import "github.com/komstream/komstream/metric"

// splice puts s at position p, before the sample there or in its place, by a copy of its chunk: whoever views the
// old one keeps it. (A side run of late samples, merged into chunks now and then, copies about as much for each
// late sample and costs every reader a merge.)
func (w *Window) splice(s *sample, p int, replace bool) {
	k := w.find(p)
	c, i, j := w.segment(k)
	at := p - w.sp.spans[k].base
	rest, n, shift := at, j-i+1, 1
	if replace {
		w.textBytes -= int64(len(w.at(p).text))
		rest, n, shift = at+1, j-i, 0
	}
	w.textBytes += int64(len(s.text))
	if k+1 == w.to && at-i >= tailChunk && j-at < tailChunk/2 {
		w.cutTail(s, p, rest, shift)
		return
	}
	capacity := n
	if k+1 == w.to {
		capacity = max(n, len(c.ticks)) // it goes on growing
	}
	fresh := newChunk(w.sp.kind, capacity, c.low != nil || s.low != metric.PlainLowOrder)
	fresh.copyFrom(0, c, i, at)
	fresh.put(at-i, s)
	fresh.copyFrom(at-i+1, c, rest, j)
	if n < maxSplice {
		w.replace(k, fresh, nil, shift)
	} else {
		a := newChunk(w.sp.kind, n/2, fresh.low != nil)
		a.copyFrom(0, fresh, 0, n/2)
		b := newChunk(w.sp.kind, n-n/2, fresh.low != nil)
		b.copyFrom(0, fresh, n/2, n)
		w.replace(k, a, b, shift)
	}
}

// cutTail is splice for the end of a long last chunk: it copies this end only, to a small chunk that becomes the
// last. What stays of the long one is seen where it is.
func (w *Window) cutTail(s *sample, p, rest, shift int) {
	c, _, j := w.segment(w.to - 1)
	fresh := newChunk(w.sp.kind, tailChunk, c.low != nil || s.low != metric.PlainLowOrder)
	fresh.put(0, s)
	fresh.copyFrom(1, c, rest, j)
	w.held += fresh.bytes()
	w.respine(1)
	w.sp.spans[w.to] = span{first: s.ticks, base: p, c: fresh}
	w.to++
	w.hi += shift
}

// joinTail copies a full last chunk, and the one before whose end it has taken (cutTail), into one with room again, if
// they fit. It reports whether there is room now.
func (w *Window) joinTail() bool {
	if w.to-w.from < 2 {
		return false
	}
	last, prev := &w.sp.spans[w.to-1], &w.sp.spans[w.to-2]
	cut := last.base-prev.base < len(prev.c.ticks)
	a, i, j := w.segment(w.to - 2)
	n := j - i + w.hi - last.base
	if !cut || n > maxChunk-tailChunk/2 {
		return false
	}
	b := last.c
	w.retire(a.bytes() + b.bytes())
	joined := newChunk(w.sp.kind, maxChunk, a.low != nil || b.low != nil)
	joined.copyFrom(0, a, i, j)
	joined.copyFrom(j-i, b, 0, w.hi-last.base)
	w.held += joined.bytes()
	base := max(w.lo, prev.base)
	w.to--
	w.respine(0)
	w.sp.spans[w.to-1] = span{first: joined.ticks[0], base: base, c: joined}
	return true
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
