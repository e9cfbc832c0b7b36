// Send-datapoints sends numbers: once one at a time, and once many together.
//
// A number can have any integer or float type, or be decimal text, whose digits are kept: "1.50" stays "1.50". The
// samples of one call of Send that have the same time travel in one message. They are stored together, and an
// impulse that subscribes several of them runs once for all and not once for each: send together what belongs
// together. Samples of other times in the same call are messages of their own.
//
//	go run ./examples/send-datapoints
package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice") }

func example(ctx context.Context, h *embed.Hub) error {
	session, err := komstream.Open(ctx, h.Config("alice"))
	if err != nil {
		return err
	}
	defer session.Close()

	// One sample with the time of now, which is kept to the millisecond.
	if err := session.Send(ctx, metric.Datapoint("host1.cpu.user", time.Now(), 14.63)); err != nil {
		return err
	}

	// Several metrics that were measured together, as one message. Every kind of number is welcome.
	now := time.Now().Truncate(time.Millisecond) // as the hub keeps it
	err = session.Send(ctx,
		metric.Datapoint("host1.memory.free", now, uint64(6_283_186_176)),
		metric.Datapoint("host1.memory.used_percent", now, float32(63.5)),
		metric.Datapoint("host1.price.kwh", now, "0.30"),
	)
	if err != nil {
		return err
	}

	// A backlog: one value a minute for the last ten hours, times in the past. Send queues them and returns; the
	// queue is bounded, and when it is full Send waits until there is room, or until ctx ends.
	const hours = 10
	var backlog []metric.Sample
	for minute := range hours * 60 {
		at := now.Add(-time.Duration(minute) * time.Minute)
		backlog = append(backlog, metric.Datapoint("host1.temperature", at, 20+5*math.Sin(float64(minute)/60)))
	}
	if err := session.Send(ctx, backlog...); err != nil {
		return err
	}
	if err := session.Flush(ctx); err != nil {
		return err
	}
	out := session.Stats().Outbound
	fmt.Printf("the hub has acknowledged %d samples and refused %d\n", out.Acknowledged, out.Refused)

	// History yields the newest first, and fetches more as the loop goes on. Both ends of a range belong to it.
	count := 0
	for _, err := range session.History(ctx, "host1.temperature", komstream.Range{From: now.Add(-time.Hour)}) {
		if err != nil {
			return err
		}
		count++
	}
	fmt.Printf("the last hour of host1.temperature, ends included, holds %d samples\n", count)
	for price, err := range session.History(ctx, "host1.price.kwh", komstream.Range{Last: 1}) {
		if err != nil {
			return err
		}
		fmt.Printf("the price is %s, as a float64 %v\n", price.Value, price.Float())
	}
	return session.Close()
}
