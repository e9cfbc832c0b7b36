package window

import "github.com/komstream/komstream/metric"

// Expire applies retention: call it now and then for windows that get no updates. What it leaves counts as the state
// after every message but those up to the last that was appended here; [Window.ViewAt] still shows these. It also
// drops the earlier states that no outstanding cut needs.
func (w *Window) Expire(now metric.Ticks) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.retained(now); p > w.lo {
		w.begin(w.message + 1)
		w.evict(p)
	}
	if w.cuts != nil {
		w.prune()
	}
	// An idle window should be small.
	if len(w.marks) == 0 {
		w.marks, w.scratch = nil, nil
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
		n := min(w.firstFreeing(w.bytes()-target), w.len()-1)
		w.counts.Limited += uint64(n)
		w.evict(w.lo + n)
		w.compact()
	}
	w.book()
	return before - w.bytes()
}

// firstFreeing returns how many samples of the first chunk must go to free about the given number of bytes: all of
// them, or fewer where their texts are enough.
func (w *Window) firstFreeing(bytes int64) int {
	c, i, j := w.segment(w.from)
	for q := i; q < j && c.texts != nil; q++ {
		if bytes -= int64(len(c.texts[q])); bytes <= 0 {
			return q - i + 1
		}
	}
	return j - i
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
	last := past - w.count
	if last <= w.lo {
		return w.lo
	}
	// Nearly always it is one of the next few.
	near := min(8, len(w.head), w.headEnd-w.lo, w.hi-w.lo)
	for n := 1; n < near; n++ {
		if w.head[n] >= cutoff {
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

// evict removes the samples before position p, which is below hi: one always stays.
func (w *Window) evict(p int) {
	if w.kind == metric.KindDatasource {
		w.changed = true
		for q := w.lo; q < p; q++ {
			w.textBytes -= int64(len(w.at(q).text))
		}
	}
	if p < w.headEnd {
		w.head = w.head[p-w.lo:]
		w.lo, w.oldest = p, w.head[0]
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
	w.focus()
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

// compact copies a first chunk that retention has passed in part, so that the passed part can be freed.
func (w *Window) compact() {
	if c, i, j := w.segment(w.from); i > 0 {
		n := j - i
		if w.from+1 == w.to {
			n = max(n, smallChunk)
		}
		small := newChunk(w.kind, n, c.low != nil)
		small.copyFrom(0, c, i, j)
		w.replace(w.from, small, nil, 0)
		w.focus()
	}
}

// fewBytes is what a small window may keep in passed chunks, to make a new spine less often.
const fewBytes = 256

// respine copies the live spans, so that the chunks of passed ones can be freed, and makes room for more.
func (w *Window) respine(extra int) {
	w.sp = newSpine(w.sp.kind, w.sp.spans[w.from:w.to], extra)
	w.from, w.to, w.dead = 0, w.to-w.from, 0
	w.changed = true
}
