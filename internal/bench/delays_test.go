package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestDelaysTellQuantiles(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		var d delays
		var all []float64
		for range 1 + random.IntN(500) {
			delay := time.Duration(math.Exp(random.Float64() * 25))
			d.add(delay)
			all = append(all, float64(delay)/1000)
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.99, 1} {
			want := all[int(math.Ceil(q*float64(len(all))))-1]
			if got := d.micros(q); got < want || got > want*1.04+0.001 {
				t.Fatalf("seed %d: quantile %v of %d: %v, want %v", seed, q, len(all), got, want)
			}
		}
	}
	var none delays
	none.add(-time.Second)
	if none.micros(1) != 0 || new(delays).micros(0.5) != 0 {
		t.Error("what is early has no delay, and nothing has none")
	}
}

func TestBucketsCoverEverything(t *testing.T) {
	last := -1
	for n := time.Duration(1); n > 0; n *= 2 {
		for _, delay := range []time.Duration{n - 1, n, n + n/3} {
			if b := bucket(delay); b < last || b >= len(delays{}.counts) || upper(b) < delay {
				t.Fatalf("%d: bucket %d after %d, up to %d", delay, b, last, upper(b))
			} else {
				last = b
			}
		}
	}
}
