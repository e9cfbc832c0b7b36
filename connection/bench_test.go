package connection

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/pipe"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// BenchmarkOutbox is a sample's way through the queue: checked, queued, encoded, acknowledged.
func BenchmarkOutbox(b *testing.B) {
	for _, c := range []struct {
		name  string
		batch int
		times int
	}{
		{"batch=1", 1, 1},
		{"batch=100/times=1", 100, 1},
		{"batch=100/times=100", 100, 100},
		{"batch=1000/times=1", 1000, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := NewOutbox(OutboxConfig{Username: "alice"})
			o.Attach(wire.OwnFeatures(), func() {})
			start := time.Unix(1_700_000_000, 0)
			batch := make([]metric.Sample, c.batch)
			for i := range batch {
				uri := metric.URI(fmt.Sprintf("host%d.cpu.system", i))
				batch[i] = metric.Datapoint(uri, start.Add(time.Duration(i%c.times)*time.Second), float64(i)+0.25)
			}
			answer := wire.Response{Status: wire.StatusExecuted}
			var frame []byte
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				for {
					if frame = o.Next(frame[:0]); len(frame) == 0 {
						break
					}
					if !o.Answer(o.inFlight.head.seq, &answer) {
						b.Fatal("not in flight")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.batch), "ns/sample")
		})
	}
}

type discard struct{ n int }

func (d *discard) Notification(n *wire.Notification, _ wire.Seq) { d.n += len(n.Items) }
func (*discard) Response(*wire.Response, wire.Seq)               {}
func (*discard) Interval(*wire.Interval, wire.Seq)               {}
func (*discard) Missed([]wire.Missed)                            {}
func (*discard) Malformed(err error)                             { panic(err) }

// BenchmarkRead is the way of a notification from the socket, an in-memory one, to the handler.
func BenchmarkRead(b *testing.B) {
	for _, items := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("items=%d", items), func(b *testing.B) {
			l := pipe.Listen("hub")
			sockets := make(chan *websocket.Conn, 1)
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				up := websocket.Upgrader{WriteBufferSize: 64 << 10}
				ws, err := up.Upgrade(w, r, nil)
				if err != nil {
					b.Error(err)
				}
				sockets <- ws
			})}
			go server.Serve(l)
			defer server.Close()
			c, err := Dial(b.Context(), DialConfig{URL: "ws://hub/", Dial: l.DialContext})
			if err != nil {
				b.Fatal(err)
			}
			ws := <-sockets
			var list []wire.RequestItem
			for i := range items {
				v, _ := metric.NumberOf(float64(i) + 0.25)
				list = append(list, wire.RequestItem{URI: metric.URI(fmt.Sprintf("host%d.cpu.system", i)), Kind: 'p', Value: v})
			}
			frame := wire.AppendNotification(nil, hubSeqs.Next(), metric.NewTimeUUID(0, metric.PlainLow), nil, 1, "", list)
			message, err := websocket.NewPreparedMessage(websocket.TextMessage, frame)
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan error, 1)
			h := new(discard)
			go func() { done <- c.Run(b.Context(), h) }()
			b.ReportAllocs()
			for b.Loop() {
				if err := ws.WritePreparedMessage(message); err != nil {
					b.Fatal(err)
				}
			}
			ws.Close()
			<-done // everything was read
			if h.n != b.N*items {
				b.Fatalf("read %d items of %d", h.n, b.N*items)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*items), "ns/sample")
		})
	}
}
