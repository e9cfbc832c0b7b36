package connection_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/metric"
)

// fragile is a connection that breaks after so many written bytes.
type fragile struct {
	net.Conn
	left atomic.Int64
}

func (f *fragile) Write(b []byte) (int, error) {
	if f.left.Add(-int64(len(b))) < 0 {
		f.Conn.Close()
		return 0, net.ErrClosed
	}
	return f.Conn.Write(b)
}

// TestSamplesReachARealHubOverABadLine sends overlapping samples while the connection breaks again and again, and
// reads them back.
func TestSamplesReachARealHubOverABadLine(t *testing.T) {
	seed := rand.Uint64()
	random, line := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
	h := hubtest.New(t)
	key := h.User("alice")
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := h.Dial(ctx, network, address)
		f := &fragile{Conn: c}
		f.left.Store(2000 + line.Int64N(60_000))
		return f, err
	}
	cookie, err := connection.Login(t.Context(), connection.LoginConfig{
		URL: h.URL() + "/login", Username: "alice", Key: key, Dial: h.Dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	outbox := connection.NewOutbox(connection.OutboxConfig{
		Username: "alice", MaxSamples: 500,
		Rejected: func(r connection.Rejection) { t.Errorf("rejected %+v", r) },
	})
	requests := connection.NewRequests()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		losses := 0
		defer func() { ended <- losses }()
		for ; ctx.Err() == nil; losses++ {
			c, err := connection.Dial(ctx, connection.DialConfig{URL: h.URL(), Cookie: cookie, Dial: dial})
			if err != nil {
				continue // broke in the handshake
			}
			c.Run(ctx, handler{}, requests, outbox)
		}
	}()

	const metrics, times, calls = 5, 40, 3000
	want := map[string]string{}
	for i := range calls {
		uri := metric.URI(fmt.Sprintf("m%d", random.IntN(metrics)))
		at := time.Unix(int64(1_700_000_000+random.IntN(times)), 0)
		if err := outbox.Send(ctx, []metric.Sample{metric.Datapoint(uri, at, i)}); err != nil {
			t.Fatal(err)
		}
		want[fmt.Sprint(uri, at.UTC())] = fmt.Sprint(i)
	}
	if err := outbox.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range metrics {
		uri := metric.URI(fmt.Sprintf("m%d", i))
		for done := make(chan error, 1); ; {
			requests.Data(ctx, connection.Query{URI: uri}, func(p connection.Page) {
				for _, r := range p.Rows {
					got[fmt.Sprint(uri, r.Time.Time())] = r.Value.String()
				}
			}, func(err error) { done <- err })
			if <-done == nil { // otherwise the connection broke meanwhile
				break
			}
		}
	}
	cancel()
	losses := <-ended
	for at, value := range want {
		if got[at] != value {
			t.Errorf("seed %d: hub has %s = %q, want %q", seed, at, got[at], value)
		}
	}
	if s := outbox.Stats(); len(got) != len(want) || losses < 5 || s.Repeated == 0 || s.Acknowledged != calls {
		t.Errorf("seed %d: %d values of %d, %d losses, %+v", seed, len(got), len(want), losses, s)
	}
}
