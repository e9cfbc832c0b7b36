package impulse_test

import (
	"context"
	"testing"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

func TestRunsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps the compiler from inlining sequences")
	}
	sum := 0.0
	tests := []struct {
		name string
		do   impulse.Func
		most float64
	}{
		{"no-op", nothing, 0.1},
		{"reading", func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				sum += s.Float() + float64(u.View(s.URI).Len())
			}
			for range u.Others() {
				sum++
			}
			return nil
		}, 0.1},
		{"emitting", func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("x", u.Time(), 1))
			return nil
		}, 1.1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, test.do, "a", "b")
			trigger := all(b.message(1, map[window.ID]float64{100: 1}))
			ctx := impulse.NewContext(context.Background(), "sum")
			if n := testing.AllocsPerRun(1000, func() {
				b.asked = b.asked[:0]
				b.Runner.Run(ctx, &trigger)
			}); n > test.most {
				t.Errorf("%v allocations a run", n)
			}
		})
	}
}
