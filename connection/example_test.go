package connection_test

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
)

// An agent that sends one number a second and survives its hub.
func Example() {
	ctx := context.Background()
	key, err := connection.LoadOrCreateKey("key.priv")
	if err != nil {
		log.Fatal(err)
	}
	outbox := connection.NewOutbox(connection.OutboxConfig{
		Username: "alice",
		Rejected: func(r connection.Rejection) { log.Print(r.Samples, r.Code, r.Reason) },
	})
	go func() {
		for now := range time.Tick(time.Second) {
			sample := metric.Datapoint("clock.second", now, now.Second())
			if err := outbox.Send(ctx, []metric.Sample{sample}); err != nil {
				log.Print(err)
			}
		}
	}()

	retry := connection.NewRetry(connection.RetryConfig{})
	var cookie connection.Cookie
	for {
		if cookie.IsZero() {
			cookie, err = connection.Login(ctx, connection.LoginConfig{
				URL: "https://hub.example.org/login", Username: "alice", Key: key,
			})
		}
		var conn *connection.Conn
		if err == nil {
			conn, err = connection.Dial(ctx, connection.DialConfig{URL: "https://hub.example.org/", Cookie: cookie})
		}
		if err == nil {
			retry.Connected(time.Now())
			err = conn.Run(ctx, handler{}, outbox)
		}
		log.Print(err)
		if errors.Is(err, connection.ErrAccessDenied) {
			cookie = connection.Cookie{}
		}
		err = nil
		<-time.After(retry.Failed(time.Now()))
	}
}

// handler is the handler of an agent that subscribes nothing.
type handler struct{}

func (handler) Notification(*connection.Notification, connection.Seq) {}
func (handler) Response(*connection.Response, connection.Seq)         {}
func (handler) Interval(*connection.Interval, connection.Seq)         {}
func (handler) Missed([]connection.Missed)                            {}
func (handler) Malformed(err error)                                   { log.Print(err) }
