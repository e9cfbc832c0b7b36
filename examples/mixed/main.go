// Mixed compares a metric of one's own with the same metric of a friend: one impulse subscribes both, and runs when
// either is updated.
//
// Each run sees both metrics at one moment, that of the message which made it run: everything up to it and nothing
// later, even if more has arrived meanwhile. A metric has one name for each reader: what is "cpu" to its owner is
// "bob:cpu" to everybody else, and an impulse may spell its own either way.
//
//	go run ./examples/mixed
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice", "bob") }

// The two metrics as Alice names them.
const (
	mine metric.URI = "cpu"
	bobs metric.URI = "bob:cpu"
)

func example(ctx context.Context, h *embed.Hub) error {
	if err := h.Share(ctx, "bob", "cpu", "alice"); err != nil {
		return err
	}
	bob, err := komstream.Open(ctx, h.Config("bob"))
	if err != nil {
		return err
	}
	defer bob.Close()

	const rounds = 4
	ran := make(chan struct{}, rounds)
	compare := impulse.Impulse{
		Name: "compare",
		On:   []impulse.Input{{URI: mine}, {URI: bobs, Past: impulse.Past{Count: 10}}}, // an input may have its own past
		Do: func(_ context.Context, u *impulse.Update) error {
			defer func() { ran <- struct{}{} }()
			for sample := range u.Updated() {
				fmt.Printf("%-7s is %s now: ", sample.URI, sample.Value)
			}
			own, first := u.View(mine).Last()
			other, second := u.View(bobs).Last()
			if !first || !second {
				fmt.Println("the other one has no value yet")
				return nil
			}
			fmt.Printf("I am at %v, Bob is at %v\n", own.Value, other.Value)
			u.Emit(metric.Datapoint("cpu.ahead_of_bob", u.Time(), own.Value-other.Value))
			return nil
		},
	}
	alice, err := komstream.Open(ctx, h.Config("alice"), compare)
	if err != nil {
		return err
	}
	defer alice.Close()

	// They take turns. Flush waits for the hub, which has then put the message on the way to its subscribers; without
	// it Alice's and Bob's messages, of two connections, could come in another order than they were sent.
	now := time.Now()
	for round := range rounds {
		who, value := alice, 10*(round+1)
		if round%2 == 1 {
			who = bob
		}
		err := who.Send(ctx, metric.Datapoint("cpu", now.Add(time.Duration(round)*time.Second), value))
		if err == nil {
			err = who.Flush(ctx)
		}
		if err != nil {
			return err
		}
	}
	for range rounds {
		select {
		case <-ran:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(alice.Close(), bob.Close())
}
