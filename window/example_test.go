package window_test

import (
	"fmt"
	"time"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// An hour of a metric, described as pandas does.
func Example() {
	w := window.New(window.Config{Past: window.Past{Delta: time.Hour}})
	start := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for i := range 120 {
		s := metric.Datapoint("host1.cpu.system", start.Add(time.Duration(i)*time.Minute), i)
		w.Append(uint64(i+1), s.Time, s.Value, s.Time.Ticks())
	}
	fmt.Println(w.View().Describe())

	last, _ := w.View().Last()
	fmt.Println("last 10 minutes:", w.View().Since(last.When().Add(-10*time.Minute)).Mean())
	// Output:
	// count     61.000000
	// mean      89.000000
	// std       17.752934
	// min       59.000000
	// 25%       74.000000
	// 50%       89.000000
	// 75%      104.000000
	// max      119.000000
	// last 10 minutes: 114
}

// The state after an earlier message, while the window has moved on.
func ExampleWindow_ViewAt() {
	outstanding := func(dst []uint64) ([]uint64, uint64) {
		return append(dst, 2), 100 // an impulse has yet to run for message 2
	}
	w := window.New(window.Config{Cuts: outstanding})
	for n := range 10 {
		s := metric.Datapoint("queue.length", time.Unix(int64(n), 0), n)
		w.Append(uint64(n), s.Time, s.Value, s.Time.Ticks())
	}
	then, _ := w.ViewAt(2).Last()
	now, _ := w.View().Last()
	fmt.Println(then.Value, now.Value)
	// Output: 2 9
}
