package window

import (
	"iter"
	"math"
	"time"

	"github.com/komstream/komstream/metric"
)

// View is what a window showed at one moment: samples of one metric, in order of time, one an instant. It is a small
// value that nobody can change, safe for concurrent use, and valid as long as it is held. Holding it keeps the
// window's memory of that moment from being freed: [View.Clone] keeps the samples alone. The zero View is empty.
type View struct {
	s state
}

// Point is one sample of a view.
type Point struct {
	// Time is the full time of the sample.
	Time metric.TimeUUID
	// Value is the number of a datapoint, ±Inf where it lies outside float64, and NaN for a text.
	Value float64
	// Text is the text of a datasource.
	Text string
}

// When returns the instant of p in UTC.
func (p Point) When() time.Time { return p.Time.Time() }

func (v View) point(s sample) Point {
	p := Point{Time: metric.TimeUUIDFromOrder(s.ticks, s.low), Value: s.value, Text: s.text}
	if v.Kind() != metric.KindDatapoint {
		p.Value = math.NaN()
	}
	return p
}

// Kind returns what the metric holds, 0 when nothing has told yet.
func (v View) Kind() metric.Kind { return v.s.holds() }

// Len returns the number of samples.
func (v View) Len() int { return v.s.len() }

// At returns sample i, 0 the oldest. Like a slice it panics unless 0 <= i < Len.
func (v View) At(i int) Point {
	if i < 0 || i >= v.s.len() {
		panic("window: index of a sample out of range")
	}
	return v.point(v.s.at(v.s.lo + i))
}

// First returns the oldest sample, false when there is none.
func (v View) First() (Point, bool) {
	if v.s.len() == 0 {
		return Point{}, false
	}
	return v.At(0), true
}

// Last returns the newest sample, false when there is none.
func (v View) Last() (Point, bool) {
	if v.s.len() == 0 {
		return Point{}, false
	}
	return v.At(v.s.len() - 1), true
}

// Between returns the samples from from to to, both inclusive. Times finer than the 100 ns of a sample are honoured.
func (v View) Between(from, to time.Time) View {
	last := metric.TicksOf(to)
	if last == metric.MinTicks && to.Before(last.Time()) {
		last--
	}
	return v.BetweenTicks(ceilTicks(from), last)
}

// Since returns the samples at or after an instant.
func (v View) Since(from time.Time) View { return v.BetweenTicks(ceilTicks(from), math.MaxInt64) }

// ceilTicks returns the first tick that is not before t.
func ceilTicks(t time.Time) metric.Ticks {
	ticks := metric.TicksOf(t)
	if t.Nanosecond()%100 != 0 || ticks == metric.MaxTicks && t.After(ticks.Time()) {
		ticks++
	}
	return ticks
}

// BetweenTicks returns the samples from from to to, both inclusive.
func (v View) BetweenTicks(from, to metric.Ticks) View {
	if from > to || v.s.lo == v.s.hi {
		return View{state{sp: v.s.sp}}
	}
	hi := v.s.hi
	if to < v.s.ticksAt(hi-1) {
		hi = v.s.search(to + 1)
	}
	return View{v.s.slice(v.s.search(from), hi)}
}

// Tail returns the newest n samples, or all when there are fewer.
func (v View) Tail(n int) View {
	return View{v.s.slice(max(v.s.lo, v.s.hi-max(n, 0)), v.s.hi)}
}

// All yields time, in UTC, and number of each sample, the oldest first. The number of a text is NaN.
func (v View) All() iter.Seq2[time.Time, float64] {
	return func(yield func(time.Time, float64) bool) {
		var clock clock
		for k := v.s.from; k < v.s.to; k++ {
			c, i, j := v.s.segment(k)
			for ; i < j; i++ {
				if !yield(clock.time(c.ticks[i]), c.number(i)) {
					return
				}
			}
		}
	}
}

// Backward is All with the newest first.
func (v View) Backward() iter.Seq2[time.Time, float64] {
	return func(yield func(time.Time, float64) bool) {
		var clock clock
		for k := v.s.to - 1; k >= v.s.from; k-- {
			c, i, j := v.s.segment(k)
			for j--; j >= i; j-- {
				if !yield(clock.time(c.ticks[j]), c.number(j)) {
					return
				}
			}
		}
	}
}

// clock makes times of ticks by adding to one made before: a third of the cost of making each anew.
type clock struct {
	ticks metric.Ticks
	base  time.Time
}

func (c *clock) time(ticks metric.Ticks) time.Time {
	const far = metric.Ticks(1 << 55) // 114 years; more might overflow a Duration
	if d := ticks - c.ticks; -far < d && d < far && !c.base.IsZero() {
		return c.base.Add(time.Duration(d) * 100)
	}
	c.ticks, c.base = ticks, ticks.Time()
	return c.base
}

// Texts yields time, in UTC, and text of each sample, the oldest first. It yields nothing for a datapoint.
func (v View) Texts() iter.Seq2[time.Time, string] {
	return func(yield func(time.Time, string) bool) {
		var clock clock
		for k := v.s.from; k < v.s.to; k++ {
			c, i, j := v.s.segment(k)
			for ; i < j && c.texts != nil; i++ {
				if !yield(clock.time(c.ticks[i]), c.texts[i]) {
					return
				}
			}
		}
	}
}

// Points yields the samples with everything known about them, the oldest first.
func (v View) Points() iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for k := v.s.from; k < v.s.to; k++ {
			c, i, j := v.s.segment(k)
			for ; i < j; i++ {
				if !yield(v.point(c.at(i))) {
					return
				}
			}
		}
	}
}

// AppendValues appends the numbers, the oldest first, to dst. It appends nothing for a datasource.
func (v View) AppendValues(dst []float64) []float64 {
	if v.Kind() != metric.KindDatapoint {
		return dst
	}
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		dst = append(dst, c.values[i:j]...)
	}
	return dst
}

// AppendTicks appends the instants, the oldest first, to dst.
func (v View) AppendTicks(dst []metric.Ticks) []metric.Ticks {
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		dst = append(dst, c.ticks[i:j]...)
	}
	return dst
}

// Clone returns a copy that shares no column with the window: keep it as long as you like, it holds no more memory
// than its own samples need.
func (v View) Clone() View {
	n := v.s.len()
	if n == 0 {
		return View{state{sp: newSpine(v.Kind(), nil, 0)}}
	}
	withLow := false
	for k := v.s.from; k < v.s.to; k++ {
		withLow = withLow || v.s.sp.spans[k].c.low != nil
	}
	clone, filled := newChunk(v.Kind(), n, withLow), 0
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		clone.copyFrom(filled, c, i, j)
		filled += j - i
	}
	return View{state{sp: newSpine(v.Kind(), []span{{first: clone.ticks[0], c: clone}}, 0), hi: n, to: 1}}
}

// number returns the number in slot i, NaN for a text.
func (c *chunk) number(i int) float64 {
	if c.texts != nil {
		return math.NaN()
	}
	return c.values[i]
}
