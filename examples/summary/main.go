// Summary keeps statistics of the last hour. Whenever one of the CPU metrics is updated, an impulse with an hour of
// past describes that metric's hour and writes the table as a text: "host1.cpu.user" gets a datasource
// "host1.cpu.user.last_60min_stats" beside it.
//
// It shows windows. Past says how much of each metric the impulse wants to see; before the first run that much is
// read from the hub, so that a program which has just started knows the last hour already. View gives the window as
// it was right after the message that made the function run, and Describe what pandas would tell of it. What the
// function emits is sent as one message when it returns nil, and not at all when it fails.
//
//	go run ./examples/summary
package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice") }

var cpu = []metric.URI{"host1.cpu.user", "host1.cpu.system", "host1.cpu.iowait"}

// stats is what this is all about.
var stats = impulse.Impulse{
	Name: "last_60min_stats",
	On:   impulse.URIs(cpu...),
	Past: impulse.Past{Delta: time.Hour},
	Do: func(_ context.Context, u *impulse.Update) error {
		for sample := range u.Updated() {
			// The window keeps at least an hour before now; Since cuts it to the hour before the message.
			hour := u.View(sample.URI).Since(u.Time().Add(-time.Hour))
			u.Emit(metric.Datasource(sample.URI.Child("last_60min_stats"), u.Time(), hour.Describe().String()))
		}
		return nil
	},
}

func example(ctx context.Context, h *embed.Hub) error {
	now := time.Now()
	if err := remember(ctx, h.Config("alice"), now); err != nil {
		return err
	}

	// Somebody must look at the summaries: another impulse. It could as well live in another program.
	texts := make(chan metric.Sample, len(cpu))
	reader := impulse.Impulse{
		Name: "reader",
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				texts <- sample
			}
			return nil
		},
	}
	for _, uri := range cpu {
		reader.On = append(reader.On, impulse.Input{URI: uri.Child("last_60min_stats")})
	}
	session, err := komstream.Open(ctx, h.Config("alice"), stats, reader)
	if err != nil {
		return err
	}
	defer session.Close()

	// One new value of two of the metrics: their hour is described, the third one's is not.
	err = session.Send(ctx, metric.Datapoint(cpu[0], now, 99.5), metric.Datapoint(cpu[1], now, 7))
	if err != nil {
		return err
	}
	for range 2 {
		select {
		case text := <-texts:
			fmt.Printf("%s\n%s\n", text.URI, text.Value)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return session.Close()
}

// remember is the program that ran before: it has sent a value every 30 seconds for two hours.
func remember(ctx context.Context, config komstream.Config, now time.Time) error {
	session, err := komstream.Open(ctx, config)
	if err != nil {
		return err
	}
	defer session.Close()
	for n := 240; n > 0; n-- {
		at := now.Add(-time.Duration(n) * 30 * time.Second)
		wave := math.Sin(float64(n) / 20)
		err := session.Send(ctx,
			metric.Datapoint(cpu[0], at, 40+20*wave), metric.Datapoint(cpu[1], at, 8-4*wave), metric.Datapoint(cpu[2], at, 1))
		if err != nil {
			return err
		}
	}
	return session.Close() // flushes
}
