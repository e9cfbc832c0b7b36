package komstream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Open checks all that it is given before it does anything, and tells every fault.
func ExampleOpen() {
	h, key := startHub("alice")
	defer h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // for Open, not for the session
	defer cancel()

	idle := impulse.Impulse{Name: "idle", On: impulse.URIs("cpu..user")}
	_, err := komstream.Open(ctx, komstream.Config{Dial: h.DialContext, Username: "alice"}, idle)
	fmt.Println(err)

	session, err := komstream.Open(ctx, komstream.Config{
		Dial: h.DialContext, Username: "alice", Key: key, // instead of Dial, mostly: Hub: "https://hub.example.org"
		Events: komstream.Events{
			Rejected: func(r komstream.Rejection) { log.Println(r) },
			Failed:   func(f komstream.RunFailure) { log.Println(f) },
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	fmt.Println("session is", session.State())
	// Output:
	// komstream: config: Key nil must be set; see connection.LoadOrCreateKey
	// impulse: impulse "idle": On[0].URI "cpu..user" must be a uri: metric: uri "cpu..user" must be levels of A-Z a-z 0-9 _ - joined by single dots, with at most one owner and colon before them
	// impulse: impulse "idle": Do nil must be a function
	// session is live
}

// A hub that does not know the key denies access, and Open says so instead of trying for ever.
func ExampleOpen_denied() {
	h, key := startHub("alice")
	defer h.Close()
	_, err := komstream.Open(context.Background(), komstream.Config{Dial: h.DialContext, Username: "mallory", Key: key})
	fmt.Println("denied:", errors.Is(err, komstream.ErrAccessDenied))
	// Output:
	// denied: true
}

// Send queues; Flush waits for the hub. Samples of one call that have the same time are one message.
func ExampleSession_Send() {
	session, end := openSession()
	defer end()
	ctx := context.Background()

	err := session.Send(ctx,
		metric.Datapoint("cpu.user", noon, 14.63),
		metric.Datapoint("memory.free", noon, uint64(1)<<40),
		metric.Datapoint("price", "2026-01-01T13:00:00+01:00", "1.50"), // the same time; digits are kept
		metric.Datasource("df", noon, "/dev/sda1 41G 53G"),
	)
	fmt.Println("queued:", err == nil)
	if err := session.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("on the hub's disk:", session.Stats().Outbound.Acknowledged)

	// One bad sample, and nothing of the call is queued.
	err = session.Send(ctx, metric.Datapoint("cpu.user", noon, 1), metric.Datapoint("cpu.system", noon, "much"))
	var invalid *metric.InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.Field, invalid.Value, invalid.Rule)
	}
	// Output:
	// queued: true
	// on the hub's disk: 4
	// number "much" must be a decimal number
}

// History yields the newest sample first. Both ends of the range belong to it, and the loop may stop early.
func ExampleSession_History() {
	session, end := openSession()
	defer end()
	ctx := context.Background()
	for minute := range 60 {
		at := noon.Add(time.Duration(minute) * time.Minute)
		if err := session.Send(ctx, metric.Datapoint("cpu.user", at, minute)); err != nil {
			log.Fatal(err)
		}
	}
	if err := session.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	between := komstream.Range{From: noon.Add(10 * time.Minute), To: noon.Add(20 * time.Minute), Last: 3}
	for sample, err := range session.History(ctx, "cpu.user", between) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sample.When().Format("15:04"), sample.Value)
	}
	for _, err := range session.History(ctx, "cpu.usr", komstream.Range{}) {
		fmt.Println("not found:", errors.Is(err, komstream.ErrNotFound))
	}
	// Output:
	// 12:20 20
	// 12:19 19
	// 12:18 18
	// not found: true
}

// Bind adds an impulse to a running session. Its window holds the past before its first run.
func ExampleSession_Bind() {
	session, end := openSession()
	defer end()
	ctx := context.Background()
	if err := session.Send(ctx, metric.Datapoint("cpu.user", noon, 10)); err != nil {
		log.Fatal(err)
	}
	if err := session.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	counted := make(chan int, 1)
	binding, err := session.Bind(ctx, impulse.Impulse{
		Name: "count",
		On:   impulse.URIs("cpu.user"),
		Do: func(_ context.Context, u *impulse.Update) error {
			counted <- u.View("cpu.user").Len()
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Send(ctx, metric.Datapoint("cpu.user", noon.Add(time.Second), 20)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("samples in the window:", <-counted)

	// After Unbind the function does not run any more, and the figures are final.
	if err := binding.Unbind(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("runs:", binding.Stats()[0].Counters.Ran)
	// Output:
	// samples in the window: 2
	// runs: 1
}

// Deleting a metric is how its kind is changed.
func ExampleSession_Delete() {
	session, end := openSession()
	defer end()
	ctx := context.Background()
	if err := session.Send(ctx, metric.Datapoint("status", noon, 200)); err != nil {
		log.Fatal(err)
	}
	if err := session.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	// It held numbers and is to hold texts.
	if err := session.Delete(ctx, "status", metric.KindDatasource); err != nil {
		log.Fatal(err)
	}
	if err := session.Send(ctx, metric.Datasource("status", noon, "all is well")); err != nil {
		log.Fatal(err)
	}
	if err := session.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	for sample, err := range session.History(ctx, "status", komstream.Range{}) {
		fmt.Println(sample.Kind(), sample.Value, err)
	}
	err := session.Delete(ctx, "statuses", 0)
	fmt.Println("not found:", errors.Is(err, komstream.ErrNotFound))
	// Output:
	// datasource all is well <nil>
	// not found: true
}

// Shutdown delivers what is queued, within the limit of its context.
func ExampleSession_Shutdown() {
	session, end := openSession()
	defer end()
	if err := session.Send(context.Background(), metric.Datapoint("cpu.user", noon, 14.63)); err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := session.Shutdown(ctx)
	var left *komstream.ShutdownError
	if errors.As(err, &left) {
		fmt.Println(len(left.Undelivered), "samples not delivered")
	}
	<-session.Done()
	fmt.Println("acknowledged:", session.Stats().Outbound.Acknowledged)
	fmt.Println("closed:", errors.Is(session.Err(), komstream.ErrClosed), session.State())
	// Output:
	// acknowledged: 1
	// closed: true closed
}

// Metrics of another user are named with their owner, and are read like one's own once they are shared.
func Example_remoteMetrics() {
	h, key := startHub("alice")
	defer h.Close()
	ctx := context.Background()
	bob, err := komstream.Open(ctx, komstream.Config{Dial: h.DialContext, Username: "bob", Key: addUser(h, "bob")})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	arrived := make(chan metric.Sample)
	friend := impulse.Impulse{
		Name: "friend",
		On:   impulse.URIs("bob:host1.cpu.user"),
		Do: func(_ context.Context, u *impulse.Update) error {
			for sample := range u.Updated() {
				arrived <- sample
			}
			return nil
		},
	}
	config := komstream.Config{Dial: h.DialContext, Username: "alice", Key: key}
	_, err = komstream.Open(ctx, config, friend)
	var refused *connection.RefusedError
	if errors.As(err, &refused) {
		fmt.Println("not shared:", refused.URI, refused.Status, refused.Code)
	}

	// A share covers what lies below it, existing or not.
	if err := h.Share(ctx, "bob", "host1", "alice"); err != nil {
		log.Fatal(err)
	}
	alice, err := komstream.Open(ctx, config, friend)
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	if err := bob.Send(ctx, metric.Datapoint("host1.cpu.user", noon, 14.63)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-arrived)
	// Output:
	// not shared: bob:host1.cpu.user 4430 52411
	// bob:host1.cpu.user 2026-01-01T12:00:00Z "14.63"
}
