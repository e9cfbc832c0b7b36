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
	if w.kind != kind {
		o |= w.become(kind)
	}
	w.retain(now)
	if s.ticks > w.newest && len(w.ticks) > 0 && s.low == metric.PlainLowOrder {
		// Nearly always: the next free slot, beyond what any view sees.
		w.ticks[0], w.values[0] = s.ticks, s.value
		w.ticks, w.values = w.ticks[1:], w.values[1:]
		w.hi++
		w.newest = s.ticks
	} else {
		o |= w.insert(&s)
		w.focus()
	}
	if (w.len() > w.maxSamples || w.textBytes > int64(w.maxTextBytes)) && w.limit() > 0 {
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

// become empties the window for samples of another kind.
func (w *Window) become(kind metric.Kind) Outcome {
	known := w.kind != 0
	w.clear(kind)
	if !known {
		return 0
	}
	w.pushes, w.pushText = w.pushes[:0], 0
	w.counts.KindChanges++
	return KindChanged
}

// clear empties the window.
func (w *Window) clear(kind metric.Kind) {
	w.retire(w.held)
	w.textBytes, w.dead = 0, 0
	w.state, w.kind = state{sp: newSpine(kind, nil, 1)}, kind
	w.focus()
}

// focus copies what the next append needs of the first and the last chunk. It follows every change but an append in
// place.
func (w *Window) focus() {
	w.head, w.headEnd, w.ticks, w.values = nil, math.MaxInt, nil, nil
	if w.from == w.to {
		return
	}
	spans := w.sp.spans
	first, last := &spans[w.from], &spans[w.to-1]
	w.head = first.c.ticks[w.lo-first.base:]
	w.oldest = w.head[0]
	if w.from+1 < w.to {
		w.headEnd = spans[w.from+1].base
	}
	if free := w.hi - last.base; last.c.low == nil && last.c.texts == nil {
		w.ticks, w.values = last.c.ticks[free:], last.c.values[free:]
	}
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

// push appends the newest sample in place, where Append cannot.
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

// grow makes room for s at the end, by a chunk whose first sample s will be, nearly always.
func (w *Window) grow(s *sample) {
	if w.joinTail() {
		return
	}
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
