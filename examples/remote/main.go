// Remote subscribes metrics of another user. Bob shares "host1.cpu" with Alice, and all below it; Alice reads the
// metrics as "bob:host1.cpu.…", live and with their past, as if they were her own. She cannot write them.
//
// The impulse has nothing of Alice's own: every metric on it is Bob's. What it emits becomes Alice's.
//
//	go run ./examples/remote
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice", "bob") }

func example(ctx context.Context, h *embed.Hub) error {
	// Done once, by Bob or by the hub's administrator. The grant covers what lies below, also what is yet to come.
	if err := h.Share(ctx, "bob", "host1.cpu", "alice"); err != nil {
		return err
	}

	// Bob's program. It knows nothing of Alice.
	bob, err := komstream.Open(ctx, h.Config("bob"))
	if err != nil {
		return err
	}
	defer bob.Close()
	now := time.Now()
	for n, value := range []float64{10, 20, 30} {
		at := now.Add(time.Duration(n-3) * time.Minute)
		err := bob.Send(ctx, metric.Datapoint("host1.cpu.user", at, value), metric.Datapoint("host1.secret", at, 42))
		if err != nil {
			return err
		}
	}
	if err := bob.Flush(ctx); err != nil {
		return err
	}

	// Alice's program.
	done := make(chan struct{}, 1)
	mean := impulse.Impulse{
		Name: "bobs_mean",
		On:   impulse.URIs("bob:host1.cpu.user"),
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				past := u.View(sample.URI)
				fmt.Printf("%s is %s now, the mean of %d values is %v\n", sample.URI, sample.Value, past.Len(), past.Mean())
				// Local drops the owner: bob:host1.cpu.user becomes Alice's bob.host1.cpu.user.mean.
				u.Emit(metric.Datapoint(metric.URI("bob").Child(string(sample.URI.Local())).Child("mean"), u.Time(), past.Mean()))
			}
			done <- struct{}{}
			return nil
		},
	}
	alice, err := komstream.Open(ctx, h.Config("alice"), mean)
	if err != nil {
		return err
	}
	defer alice.Close()

	if err := bob.Send(ctx, metric.Datapoint("host1.cpu.user", now, 60)); err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}

	// What is not shared is denied, with the hub's code, and is not told from what does not exist. Writing is refused
	// before anything is sent.
	for _, err := range alice.History(ctx, "bob:host1.secret", komstream.Range{}) {
		var refused *connection.RefusedError
		fmt.Printf("bob:host1.secret: refused %v, because: %v\n", errors.As(err, &refused), err)
	}
	fmt.Println("not sent:", alice.Send(ctx, metric.Datapoint("bob:host1.cpu.user", now, 0)))
	return errors.Join(alice.Close(), bob.Close())
}
