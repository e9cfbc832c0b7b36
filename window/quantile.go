package window

import (
	"math"
	"math/bits"
	"slices"
)

// quartiles returns the quartiles of x, not empty, by linear interpolation. It changes the order of x: selecting the
// six order statistics costs a sixth of what sorting does.
func quartiles(x []float64) (p25, p50, p75 float64) {
	n := len(x)
	// The middle first: the other two then lie within a half each.
	i50, t50 := rank(n, 0.50)
	i25, t25 := rank(n, 0.25)
	i75, t75 := rank(n, 0.75)
	selectRank(x, i50)
	if i25 < i50 {
		selectRank(x[:i50], i25)
	}
	if i75 > i50 {
		selectRank(x[i50+1:], i75-i50-1)
	}
	after25 := x[i50]
	if i25+1 < i50 {
		after25 = slices.Min(x[i25+1 : i50])
	} else if i25 == i50 {
		after25 = after(x, i50)
	}
	after50 := x[i75]
	if i50+1 < i75 {
		after50 = slices.Min(x[i50+1 : i75])
	} else if i50 == i75 {
		after50 = after(x, i50)
	}
	return between(x[i25], after25, t25), between(x[i50], after50, t50), between(x[i75], after(x, i75), t75)
}

// rank returns the place of quantile q among n sorted values: between index i and the next, t of the way.
func rank(n int, q float64) (i int, t float64) {
	h := q * float64(n-1)
	i = int(h)
	return i, h - float64(i)
}

// after returns the order statistic after i, where nothing after i is less than x[i]; x[i] itself at the end.
func after(x []float64, i int) float64 {
	if i+1 == len(x) {
		return x[i]
	}
	return slices.Min(x[i+1:])
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

// selectRank puts the value that sorting would put at index k there, none greater before it and none less after it:
// Hoare's quickselect, with Hoare's partition, which copes with equal values. Input that keeps it from shrinking is
// sorted instead, so the worst case is that of sorting.
func selectRank(x []float64, k int) {
	for tries := 2 * bits.Len(uint(len(x))); len(x) > 16; tries-- {
		if tries == 0 {
			break
		}
		pivot := medianOf3(x[0], x[len(x)/2], x[len(x)-1])
		i, j := 0, len(x)-1
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for pivot < x[j] {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			x = x[:j+1]
		case k >= i:
			x, k = x[i:], k-i
		default:
			return
		}
	}
	slices.Sort(x)
}

func medianOf3(a, b, c float64) float64 {
	return max(min(a, b), min(max(a, b), c))
}
