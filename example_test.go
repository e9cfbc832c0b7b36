package komstream_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// A program that sends numbers, and an impulse that answers each with the mean of the last 60.
func Example() {
	h, key := startHub("alice") // in this process; see connection.LoadOrCreateKey for a key of your own
	defer h.Close()
	ctx := context.Background()

	means := make(chan float64)
	mean := impulse.Impulse{
		Name: "mean",
		On:   impulse.URIs("cpu.user"),
		Past: impulse.Past{Count: 60},
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				mean := u.View(sample.URI).Tail(60).Mean()
				u.Emit(metric.Datapoint(sample.URI.Child("mean"), u.Time(), mean))
				means <- mean
			}
			return nil
		},
	}
	config := komstream.Config{Hub: h.URL(), Dial: h.DialContext, Username: "alice", Key: key}
	session, err := komstream.Open(ctx, config, mean)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	for second, value := range []float64{10, 20, 60} {
		at := noon.Add(time.Duration(second) * time.Second)
		if err := session.Send(ctx, metric.Datapoint("cpu.user", at, value)); err != nil {
			log.Fatal(err)
		}
		fmt.Println("cpu.user", value, "mean", <-means)
	}
	// Output:
	// cpu.user 10 mean 10
	// cpu.user 20 mean 15
	// cpu.user 60 mean 30
}
