package window

import (
	"math"
	"math/bits"
	"slices"
)

// quartiles returns the quartiles of x, not empty, by linear interpolation. It changes the order of x: selecting the
// six order statistics costs a tenth of what sorting does.
func quartiles(x []float64) (p25, p50, p75 float64) {
	n := len(x)
	// The middle first: the other two then lie within a half each.
	i, t := rank(n, 0.50)
	a, b := selectRank(x, i)
	p50 = between(a, b, t)
	c, d := a, b
	i25, t25 := rank(n, 0.25)
	if i25 < i {
		c, d = selectRank(x[:i+1], i25)
	}
	i75, t75 := rank(n, 0.75)
	if i75 > i {
		a, b = selectRank(x[i+1:], i75-i-1)
	}
	return between(c, d, t25), p50, between(a, b, t75)
}

// rank returns the place of quantile q among n sorted values: between index i and the next, t of the way.
func rank(n int, q float64) (i int, t float64) {
	h := q * float64(n-1)
	i = int(h)
	return i, h - float64(i)
}

// between interpolates from a to b >= a, t of the way, 0 <= t < 1.
func between(a, b, t float64) float64 {
	switch d := b - a; {
	case t == 0 || a == b:
		return a
	case math.IsInf(d, 0):
		return a*(1-t) + b*t // d overflows, or one end is infinite; NaN when both are
	case t < 0.5:
		return a + d*t
	default:
		return b - d*(1-t)
	}
}

// selectRank returns the values that sorting would put at the indexes k and k+1, the same one twice at the end, and
// leaves none greater before k and none less after it.
//
// It is a quickselect whose pivots are meant to lie just beyond k, estimated from a sample as Floyd and Rivest do
// (Expected time bounds for selection, 1975), so that k ends up in a small part soon, and whose partitions do not
// branch on the values, since a processor cannot predict these: together a third of the time of Hoare's partition
// with a median of three. Input that keeps it from shrinking is sorted instead, so its worst case is that of sorting.
func selectRank(x []float64, k int) (at, next float64) {
	var above []float64 // of what is greater than x, the part that holds the least
	for tries := 2 * bits.Len(uint(len(x))); len(x) > 32 && tries > 0; tries-- {
		pivot := pivotBeyond(x, k)
		n := partition(x, pivot)
		if n == 0 { // the pivot is the least, maybe of many equal ones: these are the part then
			n = partition(x, math.Nextafter(pivot, math.Inf(1)))
			if k+1 < n {
				return pivot, pivot
			}
		}
		if n == len(x) { // all are equal and k is the last
			break
		}
		if k < n {
			x, above = x[:n], x[n:]
		} else {
			x, k = x[n:], k-n
		}
	}
	slices.Sort(x)
	switch {
	case k+1 < len(x):
		return x[k], x[k+1]
	case len(above) > 0:
		return x[k], slices.Min(above)
	}
	return x[k], x[k]
}

// partition puts the values less than pivot first and returns how many there are.
func partition(x []float64, pivot float64) (n int) {
	for i, f := range x {
		x[i] = x[n]
		x[n] = f
		n += toInt(f < pivot)
	}
	return n
}

// toInt has the one form that the compiler turns into no branch.
func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pivotBeyond returns a value of x that probably lies a little above the value of rank k where k is in the lower
// half, and a little below it otherwise: it cuts off the greater part.
func pivotBeyond(x []float64, k int) float64 {
	const size, margin = 32, 3 // of the sample; a standard deviation of a median's rank in it
	var sample [size]float64
	for i := range sample {
		f := x[(2*i+1)*len(x)/(2*size)]
		j := i
		for ; j > 0 && sample[j-1] > f; j-- {
			sample[j] = sample[j-1]
		}
		sample[j] = f
	}
	rank := k * size / len(x)
	if 2*k < len(x) {
		return sample[min(rank+margin, size-1)]
	}
	return sample[max(rank-margin, 0)]
}
