package impulse_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

func BenchmarkPending(b *testing.B) {
	m := &impulse.Message{Number: 1, Rows: make([]impulse.Row, 1)}
	b.Run("push-next", func(b *testing.B) {
		b.ReportAllocs()
		p := impulse.NewPending(impulse.Impulse{})
		for b.Loop() {
			p.Push(impulse.NewTrigger(m, 0, 1))
			p.Next(noon)
			p.Done(noon, false)
		}
	})
	for _, policy := range []impulse.Overload{0, impulse.Coalesce, impulse.DropOldest(1024)} {
		b.Run(fmt.Sprintf("push-full/policy=%v", policy), func(b *testing.B) {
			b.ReportAllocs()
			p := impulse.NewPending(impulse.Impulse{Overload: policy})
			for b.Loop() {
				p.Push(impulse.NewTrigger(m, 0, 1))
			}
		})
	}
}

func BenchmarkRun(b *testing.B) {
	const inputs = 1000
	uris := make([]metric.URI, inputs)
	for i := range uris {
		uris[i] = metric.URI(fmt.Sprintf("host%d.cpu", i))
	}
	sum := 0.0
	functions := []struct {
		name string
		do   impulse.Func
	}{
		{"noop", nothing},
		{"updated", func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				sum += s.Float()
			}
			return nil
		}},
		{"view3", func(_ context.Context, u *impulse.Update) error {
			for _, uri := range uris[:3] {
				sum += float64(u.View(uri).Len())
			}
			return nil
		}},
		{"emit", func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("x", u.Time(), 1.5))
			return nil
		}},
	}
	for _, f := range functions {
		b.Run(fmt.Sprintf("%s/uris=%d/batch=10", f.name, inputs), func(b *testing.B) {
			runner := newBench(b, f.do, uris...)
			values := map[window.ID]float64{}
			for i := range window.ID(10) {
				values[first+i] = float64(i)
			}
			trigger := all(runner.message(1, values))
			ctx := impulse.NewContext(context.Background(), "sum")
			b.ReportAllocs()
			for b.Loop() {
				runner.asked = runner.asked[:0]
				runner.Runner.Run(ctx, &trigger)
			}
		})
	}
}
