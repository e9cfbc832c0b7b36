// Hello is the smallest impulse: a function that runs whenever a metric is updated, and prints what arrived.
//
// An impulse names the metrics that it subscribes, and has a function. The hub tells every session that subscribes a
// metric of each update, whoever sent it. Here one session sends and subscribes; with a second program the same
// account could send from one machine and listen on another. This impulse needs no past: it looks only at
// Update.Updated, the samples that made it run.
//
//	go run ./examples/hello
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

func example(ctx context.Context, h *embed.Hub) error {
	// How the function tells the rest of the program that it has seen all. It has room for every run, so that the
	// function never waits; it may wait as long as it likes, though: it only delays itself.
	const rounds = 3
	seen := make(chan struct{}, rounds)

	hello := impulse.Impulse{
		Name: "hello",
		On:   impulse.URIs("door", "window.kitchen", "note"),
		Do: func(_ context.Context, u *impulse.Update) error {
			fmt.Printf("run at %s:\n", u.Time().Format("15:04:05"))
			for sample := range u.Updated() {
				fmt.Printf("  hello, %s %s: now %s\n", sample.Kind(), sample.URI, sample.Value)
			}
			seen <- struct{}{}
			return nil
		},
	}

	// Open returns when the hub knows the subscriptions. The metrics need not exist yet.
	session, err := komstream.Open(ctx, h.Config("alice"), hello)
	if err != nil {
		return err
	}
	defer session.Close()

	// The samples of one call that have the same time are one message, and a message is one run, however many of its
	// metrics the impulse subscribes. (Metrics that a message creates are told in one of their own; so the first
	// message here makes all there are.) The second holds a metric that the impulse does not subscribe and never sees.
	now := time.Now()
	messages := [rounds][]metric.Sample{
		{
			metric.Datapoint("door", now, 0),
			metric.Datapoint("window.kitchen", now, 0),
			metric.Datapoint("window.bath", now, 0),
			metric.Datasource("note", now, "all shut"),
		},
		{
			metric.Datapoint("window.kitchen", now.Add(time.Second), 1),
			metric.Datapoint("window.bath", now.Add(time.Second), 1),
		},
		{metric.Datapoint("door", now.Add(2*time.Second), 1)},
	}
	for _, samples := range messages {
		if err := session.Send(ctx, samples...); err != nil {
			return err
		}
	}

	for range rounds {
		select {
		case <-seen:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	fmt.Printf("%d messages made the impulse run %d times\n", rounds, session.Stats().Impulses[0].Counters.Triggered)
	return session.Close()
}
