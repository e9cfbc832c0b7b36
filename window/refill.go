package window

import (
	"slices"

	"github.com/komstream/komstream/metric"
)

// StartRefill begins to remember what is appended, for a [Window.Refill] to come. Call it when the hook of the metric
// is answered and before its history is asked for. A second call starts anew.
func (w *Window) StartRefill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget()
	w.refilling = true
	w.book()
}

// AbandonRefill ends what StartRefill began; the window stays as it is.
func (w *Window) AbandonRefill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget()
	w.book()
}

func (w *Window) forget() { w.refilling, w.pushes, w.pushText = false, nil, 0 }

// remember keeps a push for the refill. The bounds of the window bound this list too, at twice as much: what is dropped
// then would not stay in the window either (unless rows with shorter texts take the place of what is kept).
func (w *Window) remember(s sample) {
	w.pushes = append(w.pushes, s)
	w.pushText += int64(len(s.text))
	w.changed = true
	if len(w.pushes) <= 2*w.maxSamples && w.pushText <= 2*int64(w.maxTextBytes) {
		return
	}
	kept := normalise(w.pushes)
	w.pushText = textBytesOf(kept)
	for len(kept) > 1 && (len(kept) > w.maxSamples || w.pushText > int64(w.maxTextBytes)) {
		w.pushText -= int64(len(kept[0].text))
		kept = kept[1:]
	}
	w.pushes = slices.Clone(kept)
}

// Refill replaces the samples from from to to, both inclusive in the order of [metric.TimeUUID], by what the hub
// has there: rows, in any order, repeated ones allowed (of one time the last given counts), and the samples
// appended since StartRefill, which win at an equal time. At an equal instant the greater time wins, as in Append.
// What the hub no longer has goes; samples outside the range stay; rows outside it are ignored. Then retention is
// applied. The rows are not kept.
//
// The result is the state of the message with the given number, and no longer remembers what is appended. Refill
// reports whether the window now shows anything else than it did with retention applied.
//
// Rows of another kind than the window's empty it as in Append, unless something was appended since StartRefill,
// which then is the newer truth: the rows of another kind are ignored.
func (w *Window) Refill(number uint64, from, to metric.TimeUUID, rows []Row, now metric.Ticks) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(number)
	kind := w.kind
	if len(rows) > 0 && (kind == 0 || len(w.pushes) == 0) {
		kind = rows[0].Value.Kind()
	}
	pushes := w.pushes
	w.forget()
	if kind == 0 {
		w.book()
		return false
	}
	w.retain(now)
	before := w.state
	if w.kind != kind {
		w.become(kind)
	}
	r := timeRange{from.Ticks(), from.LowOrder(), to.Ticks(), to.LowOrder()}
	fresh := merge(normalise(w.samplesOf(rows, kind, r)), normalise(r.filter(pushes)))
	w.rebuild(fresh, r)
	w.retain(now)
	w.limit()
	w.book()
	return !same(before, w.state)
}

// timeRange is an inclusive range of full times.
type timeRange struct {
	from    metric.Ticks
	fromLow uint64
	to      metric.Ticks
	toLow   uint64
}

func (r *timeRange) holds(s *sample) bool {
	return s.compare(r.from, r.fromLow) >= 0 && s.compare(r.to, r.toLow) <= 0
}

func (r *timeRange) filter(samples []sample) []sample {
	return slices.DeleteFunc(samples, func(s sample) bool { return !r.holds(&s) })
}

// samplesOf returns the rows of the given kind within r.
func (w *Window) samplesOf(rows []Row, kind metric.Kind, r timeRange) []sample {
	samples := make([]sample, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		s := sample{ticks: row.Time.Ticks(), low: row.Time.LowOrder()}
		if row.Value.Kind() != kind || !r.holds(&s) {
			continue
		}
		if kind == metric.KindDatapoint {
			s.value = row.Value.Float()
		} else {
			s.text = row.Value.String()
		}
		samples = append(samples, s)
	}
	return samples
}

// rebuild replaces what lies within r by fresh, which is in order.
func (w *Window) rebuild(fresh []sample, r timeRange) {
	b := builder{kind: w.kind, capacity: capacityFor(max(1, w.len()+len(fresh)), w.textBytes+textBytesOf(fresh))}
	old := newCursor(w.state)
	next := 0
	for {
		s, ok := old.peek()
		if ok && r.holds(&s) {
			old.pass()
			continue
		}
		switch {
		case !ok && next == len(fresh):
			w.install(&b)
			return
		case !ok || next < len(fresh) && fresh[next].ticks < s.ticks:
			b.add(&fresh[next])
			next++
		case next < len(fresh) && fresh[next].ticks == s.ticks:
			// One of them is just outside the range: the greater time stays.
			if fresh[next].low > s.low {
				s = fresh[next]
			}
			b.add(&s)
			next++
			old.pass()
		default:
			b.add(&s)
			old.pass()
		}
	}
}

// install makes what b built the newest state.
func (w *Window) install(b *builder) {
	w.clear(b.kind)
	if b.n == 0 {
		return
	}
	w.state = b.state()
	w.held, w.textBytes = b.bytes(), b.textBytes
	w.newest = w.ticksAt(w.hi - 1)
	w.focus()
}

func textBytesOf(samples []sample) (n int64) {
	for i := range samples {
		n += int64(len(samples[i].text))
	}
	return n
}

// normalise sorts samples, given in order of arrival, by time, and keeps one of each instant: the greatest, and of
// equal times the last to arrive. It works in place.
func normalise(samples []sample) []sample {
	compare := func(a, b sample) int { return a.compare(b.ticks, b.low) }
	if !slices.IsSortedFunc(samples, compare) {
		// The hub's pages come newest first. Equal times then swap: turn them back.
		if slices.IsSortedFunc(samples, func(a, b sample) int { return compare(b, a) }) {
			slices.Reverse(samples)
			for i := 0; i < len(samples); {
				j := i + 1
				for j < len(samples) && compare(samples[i], samples[j]) == 0 {
					j++
				}
				slices.Reverse(samples[i:j])
				i = j
			}
		} else {
			slices.SortStableFunc(samples, compare)
		}
	}
	n := 0
	for i := range samples {
		if n > 0 && samples[n-1].ticks == samples[i].ticks {
			n--
		}
		samples[n] = samples[i]
		n++
	}
	return samples[:n]
}

// merge merges two normalised lists; at an equal time the sample of b counts.
func merge(a, b []sample) []sample {
	if len(b) == 0 {
		return a
	}
	merged := make([]sample, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].ticks < b[0].ticks:
			merged, a = append(merged, a[0]), a[1:]
		case b[0].ticks < a[0].ticks:
			merged, b = append(merged, b[0]), b[1:]
		case b[0].low >= a[0].low:
			merged, a, b = append(merged, b[0]), a[1:], b[1:]
		default:
			merged, a, b = append(merged, a[0]), a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}
