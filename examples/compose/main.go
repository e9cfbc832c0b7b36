// Compose chains impulses through metrics: what one emits makes the next one run.
//
//	oven.raw ──▶ smooth ──▶ oven.smooth ──▶ alert ──▶ oven.alert ──▶ cool ──┐
//	    ▲                                                                   │
//	    └───────────────────────────────────────────────────────────────────┘
//
// The impulses know nothing of each other. They could live in three programs on three machines, and each is tested
// by itself. The last one closes a circle: it writes the metric that the first one reads. Left alone such a circle
// never stops. It stops here because the hub passes on which impulses a sample descends from, and an impulse does not
// run on what descends from itself: the value that cool writes back is stored and seen by everybody, but smooth lets
// it pass, and counts it as skipped. An impulse that wants the circle says AllowLoops; after 16 impulses it ends even
// so, with an event.
//
//	go run ./examples/compose
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice") }

// smooth writes the mean of the last three raw values.
var smooth = impulse.Impulse{
	Name: "smooth",
	On:   impulse.URIs("oven.raw"),
	Past: impulse.Past{Count: 3},
	Do: func(_ context.Context, u *impulse.Update) error {
		u.Emit(metric.Datapoint("oven.smooth", u.Time(), u.View("oven.raw").Tail(3).Mean()))
		return nil
	},
}

// alert says so when the smoothed value crosses the limit upwards, and nothing while it stays above.
var alert = impulse.Impulse{
	Name: "alert",
	On:   impulse.URIs("oven.smooth"),
	Do: func(_ context.Context, u *impulse.Update) error {
		const limit = 220
		past := u.View("oven.smooth")
		if n := past.Len(); n >= 2 && past.At(n-1).Value > limit && past.At(n-2).Value <= limit {
			u.Emit(metric.Datasource("oven.alert", u.Time(), fmt.Sprintf("%.1f is over %d", past.At(n-1).Value, limit)))
		}
		return nil
	},
}

// cool answers an alert: it opens the door, which the sensor would tell as a lower raw value a little later.
var cool = impulse.Impulse{
	Name: "cool",
	On:   impulse.URIs("oven.alert"),
	Do: func(_ context.Context, u *impulse.Update) error {
		u.Emit(metric.Datapoint("oven.raw", u.Time().Add(500*time.Millisecond), 180))
		return nil
	},
}

func example(ctx context.Context, h *embed.Hub) error {
	// A bystander tells what comes by. It emits nothing, so it is in no circle.
	seen := make(chan metric.Sample, 64)
	show := impulse.Impulse{
		Name: "show",
		On:   impulse.URIs("oven.raw", "oven.smooth", "oven.alert"),
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				seen <- sample
			}
			return nil
		},
	}
	session, err := komstream.Open(ctx, h.Config("alice"), smooth, alert, cool, show)
	if err != nil {
		return err
	}
	defer session.Close()

	now := time.Now()
	raw := []int{200, 205, 210, 235, 240}
	for second, value := range raw {
		at := now.Add(time.Duration(second-len(raw)) * time.Second)
		if err := session.Send(ctx, metric.Datapoint("oven.raw", at, value)); err != nil {
			return err
		}
	}

	// Five raw values, five smoothed ones, one alert, and the value that comes back: twelve in all.
	for range 2*len(raw) + 2 {
		select {
		case sample := <-seen:
			fmt.Printf("%-11s %s\n", sample.URI, sample.Value)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, s := range session.Stats().Impulses {
		fmt.Printf("%-6s was triggered %d times and skipped %d of them\n", s.Name, s.Counters.Triggered, s.Counters.Skipped)
	}
	return session.Close()
}
