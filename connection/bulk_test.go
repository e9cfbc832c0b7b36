package connection_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// pinned is an outbox that sees other features of the hub than it has.
type pinned struct {
	*connection.Outbox
	hub connection.Features
}

func (p pinned) Attach(_ connection.Features, wake func()) { p.Outbox.Attach(p.hub, wake) }

// ignore is a handler of a connection that subscribes nothing.
type ignore struct{}

func (ignore) Notification(*connection.Notification, connection.Seq) {}
func (ignore) Response(*connection.Response, connection.Seq)         {}
func (ignore) Interval(*connection.Interval, connection.Seq)         {}
func (ignore) Missed([]connection.Missed)                            {}
func (ignore) Malformed(error)                                       {}

// BenchmarkBulk sends many times of one metric in one call to a real hub that stores on disk, in batches and with a
// frame for each time.
func BenchmarkBulk(b *testing.B) {
	const n = 20_000
	for _, features := range []wire.Features{wire.FeaturesOf(wire.FeatureVia, wire.FeaturePos), wire.OwnFeatures()} {
		b.Run("batches="+strconv.FormatBool(features.Has(wire.FeatureBatch)), func(b *testing.B) {
			h := hubtest.New(b)
			cookie, err := connection.Login(b.Context(), connection.LoginConfig{
				URL: h.URL() + "/login", Username: "alice", Key: h.User("alice"), Dial: h.Dial,
			})
			if err != nil {
				b.Fatal(err)
			}
			c, err := connection.Dial(b.Context(), connection.DialConfig{URL: h.URL() + "/", Cookie: cookie, Dial: h.Dial})
			if err != nil {
				b.Fatal(err)
			}
			o := connection.NewOutbox(connection.OutboxConfig{Username: "alice"})
			defer o.Close()
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx, ignore{}, pinned{o, features}) }()
			samples := make([]metric.Sample, n)
			start := time.Unix(1_700_000_000, 0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range samples {
					start = start.Add(time.Millisecond)
					samples[i] = metric.Datapoint("host.cpu.user", start, float64(i)/4)
				}
				if err := o.Send(ctx, samples); err != nil {
					b.Fatal(err)
				}
				if err := o.Flush(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
			cancel()
			<-ended
		})
	}
}
