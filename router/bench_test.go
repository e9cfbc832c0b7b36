package router_test

import (
	"fmt"
	"testing"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"github.com/komstream/komstream/window"
)

// BenchmarkRouter routes messages of batch rows, 16 to a Flush. "each" impulses have a uri of their own, "group"ed ones
// the uris of a message, and "all" of them every uri.
func BenchmarkRouter(b *testing.B) {
	shapes := []struct {
		name                  string
		uris, impulses, batch int
	}{
		{"fanout", 1, 1000, 1},
		{"each", 1000, 1000, 10},
		{"each", 10_000, 10_000, 10},
		{"group", 1000, 100, 10},
		{"all", 1000, 100, 10},
	}
	for _, s := range shapes {
		b.Run(fmt.Sprintf("%s/uris=%d/impulses=%d/batch=%d", s.name, s.uris, s.impulses, s.batch), func(b *testing.B) {
			var r router.Router
			for h := range s.impulses {
				r.Add(int32(h), router.Subscription{Windows: subscribed(s.name, h, s.uris, s.batch), Origin: origin(h)})
			}
			messages := make([]*impulse.Message, max(1, s.uris/s.batch))
			for i := range messages {
				messages[i] = message(nil)
				for k := range s.batch {
					messages[i].Rows = append(messages[i].Rows, impulse.Row{ID: window.ID((i*s.batch + k) % s.uris)})
				}
			}
			triggers, next, updates := 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				for range 16 {
					r.Route(messages[next])
					next = (next + 1) % len(messages)
				}
				updates += 16 * s.batch
				r.Flush(func(_ int32, given []impulse.Trigger) { triggers += len(given) })
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(triggers), "ns/trigger")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(updates), "ns/update")
		})
	}
}

func subscribed(name string, handle, uris, batch int) (ids []window.ID) {
	switch name {
	case "each":
		return []window.ID{window.ID(handle % uris)}
	case "group":
		for k := range batch {
			ids = append(ids, window.ID((handle*batch+k)%uris))
		}
	default:
		for k := range uris {
			ids = append(ids, window.ID(k))
		}
	}
	return ids
}

func BenchmarkEcho(b *testing.B) {
	var e router.Echo
	s := sample(1, "14.63")
	for n := range router.EchoEntries {
		e.Sent([]metric.Sample{sample(n, "14.63")}, nil, noon)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.AppendVia(nil, s.URI, s.Time, s.Value, noon)
	}
}
