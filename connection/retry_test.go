package connection

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestRetryDoublesToItsMaximumWithoutEnd(t *testing.T) {
	r := NewRetry(RetryConfig{Rand: func() float64 { return 0.5 }}) // no jitter
	now := time.Unix(0, 0)
	want := DefaultRetryInitial
	for i := range 200 {
		got := r.Failed(now)
		if got != want {
			t.Fatalf("wait %d is %v, want %v", i, got, want)
		}
		want = min(2*want, DefaultRetryMax)
		now = now.Add(got + time.Hour) // no elapsed time ends it
	}
}

func TestRetryStartsAgainOnlyAfterAStableConnection(t *testing.T) {
	r := NewRetry(RetryConfig{Initial: time.Second, Max: 8 * time.Second, Stable: time.Minute, Rand: func() float64 { return 0.5 }})
	now := time.Unix(0, 0)
	for i, step := range []struct{ lived, want time.Duration }{
		{-1, time.Second}, // not connected at all
		{-1, 2 * time.Second},
		{0, 4 * time.Second}, // accepted and dropped at once
		{59 * time.Second, 8 * time.Second},
		{time.Minute, time.Second},
		{-1, 2 * time.Second},
		{-1, 4 * time.Second},
	} {
		if step.lived >= 0 {
			r.Connected(now)
			now = now.Add(step.lived)
		}
		if got := r.Failed(now); got != step.want {
			t.Errorf("step %d: wait %v, want %v", i, got, step.want)
		}
	}
	r.Reset()
	if got := r.Failed(now); got != time.Second {
		t.Errorf("after Reset: wait %v", got)
	}
}

func TestRetryJitterStaysWithinHalfTheWait(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	a, b := NewRetry(RetryConfig{Rand: random.Float64}), NewRetry(RetryConfig{Rand: rand.New(rand.NewPCG(seed, 0)).Float64})
	mean := DefaultRetryInitial
	for range 100 {
		got := a.Failed(time.Time{})
		if got < mean/2 || got > mean*3/2 || got > 30*time.Second {
			t.Errorf("seed %d: wait %v around %v", seed, got, mean)
		}
		if other := b.Failed(time.Time{}); other != got {
			t.Errorf("seed %d: waits %v and %v of one source", seed, got, other)
		}
		mean = min(2*mean, DefaultRetryMax)
	}
}
