// Stacked runs one function on two groups of metrics. An impulse is a plain value: With copies it under another name
// and with other metrics, as often as you like.
//
// The function adds up the newest values of its group, whichever of them was updated, and writes the total and how
// far up in the stack each level reaches. It shows Others: an update seldom holds all the metrics of a group, and the
// views of the others give their values as of the same moment. It also shows what a function knows about itself:
// which impulse runs it, and which metrics that one has.
//
//	go run ./examples/stacked
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

// stack is the function with no metrics yet.
var stack = impulse.Impulse{
	Past: impulse.Past{Count: 1}, // the newest value of each, however old
	Do: func(_ context.Context, u *impulse.Update) error {
		total := 0.0
		for _, uri := range u.URIs() { // in the order declared, so that the stack keeps its order
			if newest, ok := u.View(uri).Last(); ok {
				total += newest.Value
				u.Emit(metric.Datapoint(uri.Child("stacked"), u.Time(), total))
			}
		}
		u.Emit(metric.Datapoint(metric.URI(u.Impulse()).Child("total"), u.Time(), total))

		others := 0
		for range u.Others() {
			others++
		}
		fmt.Printf("%-6s %6.1f, with %d of %d values from before\n", u.Impulse(), total, others, len(u.URIs()))
		return nil
	},
}

func example(ctx context.Context, h *embed.Hub) error {
	cpu := stack.With("cpu", impulse.URIs("host1.cpu.user", "host1.cpu.system", "host1.cpu.iowait")...)
	memory := stack.With("memory", impulse.URIs("host1.memory.used", "host1.memory.cache")...)

	// Who wants to know what an impulse has written subscribes that, like everybody else.
	totals := make(chan metric.Sample, 16)
	watch := impulse.Impulse{
		Name: "watch",
		On:   impulse.URIs("cpu.total", "memory.total", "host1.cpu.iowait.stacked"),
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				totals <- sample
			}
			return nil
		},
	}
	session, err := komstream.Open(ctx, h.Config("alice"), cpu, memory, watch)
	if err != nil {
		return err
	}
	defer session.Close()

	now := time.Now()
	messages := [][]metric.Sample{
		{metric.Datapoint("host1.cpu.user", now, 12.5), metric.Datapoint("host1.cpu.system", now, 4), metric.Datapoint("host1.cpu.iowait", now, 0.5)},
		{metric.Datapoint("host1.memory.used", now, 5100), metric.Datapoint("host1.memory.cache", now, 2200)},
		{metric.Datapoint("host1.cpu.user", now.Add(time.Second), 50)},
	}
	for _, samples := range messages {
		if err := session.Send(ctx, samples...); err != nil {
			return err
		}
	}

	// Each run of cpu writes cpu.total and the top of its stack, which are the same; memory writes its total.
	last := map[metric.URI]metric.Value{}
	for range 5 {
		select {
		case sample := <-totals:
			last[sample.URI] = sample.Value
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	fmt.Printf("cpu.total %s, host1.cpu.iowait.stacked %s, memory.total %s\n",
		last["cpu.total"], last["host1.cpu.iowait.stacked"], last["memory.total"])
	return session.Close()
}
