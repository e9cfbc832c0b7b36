package window

import (
	"math"

	"github.com/komstream/komstream/metric"
)

// Count returns the number of samples, as Len does.
func (v View) Count() int { return v.s.len() }

// Sum returns the sum of the numbers: 0 for an empty view, NaN for texts.
func (v View) Sum() float64 {
	if v.Kind() == metric.KindDatasource {
		return math.NaN()
	}
	var total float64
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		total += sum(c.values[i:j])
	}
	return total
}

// sum uses four accumulators: one alone waits for each addition before the next (1.25 µs instead of 3.5 for an hour).
func sum(x []float64) float64 {
	var a, b, c, d float64
	for len(x) >= 4 {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
		x = x[4:]
	}
	for _, f := range x {
		a += f
	}
	return (a + b) + (c + d)
}

// Mean returns the arithmetic mean, NaN for an empty view and for texts.
func (v View) Mean() float64 {
	n := v.s.len()
	if n == 0 {
		return math.NaN()
	}
	return v.Sum() / float64(n)
}

// Min returns the least number, NaN for an empty view and for texts.
func (v View) Min() float64 {
	least := math.NaN()
	if v.s.len() == 0 || v.Kind() != metric.KindDatapoint {
		return least
	}
	least = math.Inf(1)
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		for _, f := range c.values[i:j] {
			if f < least {
				least = f
			}
		}
	}
	return least
}

// Max returns the greatest number, NaN for an empty view and for texts.
func (v View) Max() float64 {
	greatest := math.NaN()
	if v.s.len() == 0 || v.Kind() != metric.KindDatapoint {
		return greatest
	}
	greatest = math.Inf(-1)
	for k := v.s.from; k < v.s.to; k++ {
		c, i, j := v.s.segment(k)
		for _, f := range c.values[i:j] {
			if f > greatest {
				greatest = f
			}
		}
	}
	return greatest
}

// Rate returns the change per second from the first sample to the last: (last − first) / (their distance in time).
// It is NaN for fewer than two samples and for texts.
func (v View) Rate() float64 {
	if v.s.len() < 2 || v.Kind() != metric.KindDatapoint {
		return math.NaN()
	}
	first, last := v.s.at(v.s.lo), v.s.at(v.s.hi-1)
	return (last.value - first.value) / (float64(last.ticks-first.ticks) / float64(metric.TicksPerSecond))
}
