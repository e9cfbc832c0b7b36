package komstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// tap is a session's network that can be turned off: what the hub sends then waits.
type tap struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	mu   sync.RWMutex // held for writing while it is off
}

func (n *tap) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.dial(ctx, network, address)
	return tapped{c, n}, err
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c tapped) Read(b []byte) (int, error) {
	c.tap.mu.RLock()
	defer c.tap.mu.RUnlock()
	return c.Conn.Read(b[:min(len(b), 512)])
}

func openAs(t *testing.T, h *hubtest.Hub, user string, change func(*komstream.Config), impulses ...impulse.Impulse) *komstream.Session {
	t.Helper()
	config := komstream.Config{Hub: h.URL(), Dial: h.Dial, Username: user, Key: h.User(user)}
	if change != nil {
		change(&config)
	}
	s, err := komstream.Open(t.Context(), config, impulses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func sendAll(t *testing.T, s *komstream.Session, samples ...metric.Sample) {
	t.Helper()
	if err := errors.Join(s.Send(t.Context(), samples...), s.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func listed(t *testing.T, s *komstream.Session, prefix metric.URI) (all []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, fmt.Sprint(e.URI, " ", e.Value, " ", e.Supplies))
	}
	return all
}

// TestDataModelOverASession lists and shares a data model, and says what its texts supply.
func TestDataModelOverASession(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice, bob := openAs(t, h, "alice", nil), openAs(t, h, "bob", nil)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	samples := []metric.Sample{metric.Datasource("host.df", noon, "x").Supplying("root", "home")}
	for i := range 2500 { // three pages
		samples = append(samples, metric.Datapoint(metric.URI(fmt.Sprintf("many.m%04d", i)), noon, i))
	}
	sendAll(t, alice, samples...)
	all := listed(t, alice, "")
	if len(all) != 2501 || all[0] != "host.df  [home root]" || all[2500] != "many.m2499 2499 []" || !slices.IsSorted(all) {
		t.Errorf("%d metrics, from %q", len(all), all[:min(3, len(all))])
	}
	ctx := t.Context()
	if got := listed(t, bob, "alice:host"); len(got) != 1 || !strings.Contains(got[0], "4430/202752") {
		t.Errorf("not shared: %v", got)
	}
	if err := alice.Share(ctx, "host", "Bob"); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, bob, "alice:host"); len(got) != 1 || got[0] != "alice:host.df  [home root]" {
		t.Errorf("shared: %v", got)
	}
	given, received, err := alice.Shares(ctx)
	if err != nil || len(given) != 1 || len(received) != 0 || given[0] != (komstream.Share{URI: "alice:host", User: "bob"}) {
		t.Errorf("%v: given %v, received %v", err, given, received)
	}
	given, received, err = bob.Shares(ctx)
	if err != nil || len(given) != 0 || len(received) != 1 {
		t.Errorf("%v: given %v, received %v", err, given, received)
	}
	if err := alice.Unshare(ctx, "host", "bob"); err != nil {
		t.Error(err)
	}
	if err := alice.Unshare(ctx, "host", "bob"); !errors.Is(err, komstream.ErrNotFound) {
		t.Errorf("withdrawn twice: %v", err)
	}
	if err := alice.Share(ctx, "bob:cpu", "carol"); err == nil || !strings.Contains(err.Error(), "only the owner shares") {
		t.Errorf("another's: %v", err)
	}
	if got := listed(t, bob, "alice:host"); len(got) != 1 || !strings.Contains(got[0], "4430/202752") {
		t.Errorf("withdrawn: %v", got)
	}
}

// TestBulkSend sends many times in one call: they go in batches, and each is a message for who subscribes.
func TestBulkSend(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	const n = 3000
	done := make(chan []string, 1)
	var got []string
	count := impulse.Impulse{Name: "count", On: impulse.URIs("m"), Overload: impulse.Queue(n + 1),
		Do: func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				if got = append(got, s.Value.String()); len(got) == n {
					done <- got
				}
			}
			return nil
		}}
	alice := openAs(t, h, "alice", nil, count)
	var samples []metric.Sample
	start := time.Now().Add(-time.Minute)
	for i := range n {
		samples = append(samples, metric.Datapoint("m", start.Add(time.Duration(i)*time.Millisecond), i))
	}
	sendAll(t, alice, samples...)
	for i, v := range <-done {
		if v != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, v)
		}
	}
	if out := alice.Stats().Outbound; out.Batched != n || out.Frames > 20 {
		t.Errorf("%+v", out)
	}
}

// TestMissedIsReadAgain lets a hub leave out what a session does not take, and then take it: the windows must become
// whole, by one run with cause Refilled, and no run may see them with a gap.
func TestMissedIsReadAgain(t *testing.T) {
	const n = 3000
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 32 << 10})
	network := &tap{dial: h.Dial}
	missed, whole := make(chan komstream.Missed, 100), make(chan struct{})
	var mu sync.Mutex
	refilled, gaps, closed := 0, 0, false
	watch := impulse.Impulse{Name: "watch", On: impulse.URIs("m"), Past: impulse.Past{Delta: time.Hour, Count: n + 1},
		Do: func(_ context.Context, u *impulse.Update) error {
			mu.Lock()
			defer mu.Unlock()
			if u.Cause() == impulse.Refilled {
				refilled++
			}
			next := 0.0
			for _, v := range u.View("m").All() {
				if v != next {
					gaps++
				}
				next++
			}
			if next == n+1 && !closed {
				closed = true
				close(whole)
			}
			return nil
		}}
	slow := openAs(t, h, "alice", func(c *komstream.Config) {
		c.Dial = network.Dial
		c.Events.Missed = func(m komstream.Missed) { missed <- m }
	}, watch)
	writer := openAs(t, h, "alice", nil)
	start := time.Now().Add(-time.Minute)
	at := func(i int) metric.Sample {
		return metric.Datapoint("m", start.Add(time.Duration(i)*time.Millisecond), i)
	}
	network.mu.Lock()
	for i := 0; i < n; i += 100 {
		var samples []metric.Sample
		for j := range 100 {
			samples = append(samples, at(i+j))
		}
		sendAll(t, writer, samples...)
	}
	network.mu.Unlock()
	m := <-missed
	sendAll(t, writer, at(n))
	select {
	case <-whole:
	case <-time.After(30 * time.Second):
		t.Fatalf("the window did not become whole after %v", m)
	}
	mu.Lock()
	defer mu.Unlock()
	if stats := slow.Stats(); refilled == 0 || gaps != 0 || m.Samples == 0 || stats.Missed == 0 || stats.Connects != 1 {
		t.Errorf("%d refilled, %d gaps seen, %v, %+v", refilled, gaps, m, stats)
	}
}

// TestSinceEndToEnd reads the log of arrivals over a connection of its own.
func TestSinceEndToEnd(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice := openAs(t, h, "alice", nil)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sendAll(t, alice, metric.Datapoint("a", noon, 1))
	sendAll(t, alice, metric.Datapoint("a", noon, 2)) // overwrites
	cookie, err := connection.Login(t.Context(), connection.LoginConfig{
		URL: h.URL() + "/login", Username: "alice", Key: h.User("alice"), Dial: h.Dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connection.Dial(t.Context(), connection.DialConfig{URL: h.URL() + "/", Cookie: cookie, Dial: h.Dial})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	requests, ended := connection.NewRequests(), make(chan error, 1)
	go func() { ended <- conn.Run(ctx, deaf{}, requests) }()
	type answer struct {
		log connection.Log
		err error
	}
	answers := make(chan answer, 1)
	requests.Since(ctx, "", 0, 1, func(log connection.Log, err error) { answers <- answer{log, err} })
	a := <-answers
	if a.err != nil || len(a.log.Messages) != 1 || a.log.Messages[0].Items[0].Value.String() != "1" || !a.log.More || !a.log.Complete {
		t.Errorf("%v: %+v", a.err, a.log)
	}
	requests.Since(ctx, "alice", a.log.Next, 0, func(log connection.Log, err error) { answers <- answer{log, err} })
	a = <-answers
	if a.err != nil || len(a.log.Messages) != 1 || a.log.Messages[0].Items[0].Value.String() != "2" || a.log.More || a.log.Messages[0].Pos != 2 {
		t.Errorf("%v: %+v", a.err, a.log)
	}
	cancel()
	<-ended
}

// deaf is a handler of a connection that subscribes nothing.
type deaf struct{}

func (deaf) Notification(*connection.Notification, connection.Seq) {}
func (deaf) Response(*connection.Response, connection.Seq)         {}
func (deaf) Interval(*connection.Interval, connection.Seq)         {}
func (deaf) Missed([]connection.Missed)                            {}
func (deaf) Malformed(error)                                       {}
