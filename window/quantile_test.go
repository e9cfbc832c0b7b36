package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// shapes are the kinds of series that selection may find hard.
var shapes = map[string]func(r *rand.Rand, i, n int) float64{
	"uniform":    func(r *rand.Rand, _, _ int) float64 { return r.Float64() },
	"normal":     func(r *rand.Rand, _, _ int) float64 { return r.NormFloat64() },
	"ascending":  func(_ *rand.Rand, i, _ int) float64 { return float64(i) },
	"descending": func(_ *rand.Rand, i, _ int) float64 { return float64(-i) },
	"organ pipe": func(_ *rand.Rand, i, n int) float64 { return float64(min(i, n-i)) },
	"constant":   func(_ *rand.Rand, _, _ int) float64 { return 7 },
	"two values": func(r *rand.Rand, _, _ int) float64 { return float64(r.IntN(2)) },
	"few values": func(r *rand.Rand, _, _ int) float64 { return float64(r.IntN(5)) },
	"saw":        func(_ *rand.Rand, i, _ int) float64 { return float64(i % 37) },
	"heavy tail": func(r *rand.Rand, _, _ int) float64 { return math.Exp(20 * r.NormFloat64()) },
	"infinite": func(r *rand.Rand, _, _ int) float64 {
		return []float64{math.Inf(-1), -1, 0, math.MaxFloat64, math.Inf(1)}[r.IntN(5)]
	},
	"zeros of both signs": func(r *rand.Rand, _, _ int) float64 { return math.Copysign(0, float64(r.IntN(2))-0.5) },
}

func TestSelectRankPutsWhatSortingWould(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for name, shape := range shapes {
		for _, n := range []int{1, 2, 3, 5, 32, 33, 34, 100, 1000, 3600} {
			x := make([]float64, n)
			for i := range x {
				x[i] = shape(r, i, n)
			}
			sorted := slices.Sorted(slices.Values(x))
			for range 10 {
				k := r.IntN(n)
				y := slices.Clone(x)
				at, next := selectRank(y, k)
				if y[k] != sorted[k] || at != sorted[k] || next != sorted[min(k+1, n-1)] {
					t.Fatalf("seed %d, %s, %d values: rank %d is %v, %v and %v follow, want %v and %v",
						seed, name, n, k, y[k], at, next, sorted[k], sorted[min(k+1, n-1)])
				}
				if k > 0 && slices.Max(y[:k]) > y[k] || slices.Min(y[k:]) < y[k] {
					t.Fatalf("seed %d, %s, %d values: rank %d does not part the others", seed, name, n, k)
				}
				slices.Sort(y)
				if !slices.Equal(y, sorted) {
					t.Fatalf("seed %d, %s, %d values: rank %d loses values", seed, name, n, k)
				}
			}
		}
	}
}

func TestQuartilesInterpolateBetweenSortedValues(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for name, shape := range shapes {
		for n := 1; n < 300; n++ {
			x := make([]float64, n)
			for i := range x {
				x[i] = shape(r, i, n)
			}
			sorted := slices.Sorted(slices.Values(x))
			quantile := func(q float64) float64 {
				i, t := rank(n, q)
				return between(sorted[i], sorted[min(i+1, n-1)], t)
			}
			a, b, c := quartiles(slices.Clone(x))
			for i, pair := range [][2]float64{{a, quantile(0.25)}, {b, quantile(0.5)}, {c, quantile(0.75)}} {
				if pair[0] != pair[1] && !(math.IsNaN(pair[0]) && math.IsNaN(pair[1])) {
					t.Fatalf("seed %d, %s, %d values: quartile %d is %v, want %v", seed, name, n, i+1, pair[0], pair[1])
				}
			}
		}
	}
}

func TestBetweenStaysFiniteWhereItsEndsAre(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct{ a, b, t, want float64 }{
		{1, 3, 0, 1}, {1, 3, 0.25, 1.5}, {1, 3, 0.75, 2.5}, {5, 5, 0.5, 5},
		{-math.MaxFloat64, math.MaxFloat64, 0.5, 0},
		{1, inf, 0.25, inf}, {1, inf, 0, 1}, {-inf, 1, 0.75, -inf}, {inf, inf, 0.5, inf}, {-inf, inf, 0.5, math.NaN()},
	} {
		if got := between(c.a, c.b, c.t); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("between(%v, %v, %v) = %v, want %v", c.a, c.b, c.t, got, c.want)
		}
	}
}
