package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// flaky is a store whose commits fail while bad is set; with leaks they are made all the same.
type flaky struct {
	store.Store
	bad   atomic.Bool
	leaks bool
}

func (f *flaky) Commit(ctx context.Context, b *store.Batch) error {
	if !f.bad.Load() {
		return f.Store.Commit(ctx, b)
	}
	if f.leaks {
		_ = f.Store.Commit(ctx, b)
	}
	return fmt.Errorf("%w: the disk is full", store.ErrUnavailable)
}

// direct executes requests of one session of alice without a socket.
type direct struct {
	t    *testing.T
	hub  *Hub
	conn *conn
	seqs *wire.SeqSource
}

func newDirect(t *testing.T, s store.Store) *direct { return newDirectAt(t, s, time.Now) }

func newDirectAt(t *testing.T, s store.Store, now func() time.Time) *direct {
	t.Helper()
	h := start(t, Config{store: s, now: now})
	if err := h.AddUser(context.Background(), "alice"); err != nil {
		t.Fatal(err)
	}
	id, err := h.AddAgent(context.Background(), "alice", testKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	a := h.directory.agents[id]
	c := h.newConn(nil, h.features)
	c.session = newSession("s", a, h.config.now())
	h.mu.Lock()
	h.sessions["s"] = c.session
	h.mu.Unlock()
	return &direct{t: t, hub: h, conn: c, seqs: wire.NewSeqSource(nil)}
}

// do executes a frame and returns the status of its answer.
func (d *direct) do(frame []byte) int {
	d.t.Helper()
	r := new(request)
	req, refused := r.decoder.DecodeRequest(frame)
	if refused != nil {
		d.t.Fatal(refused)
	}
	r.conn, r.req = d.conn, req
	status := make(chan int, 1)
	if !d.hub.committerOf(d.conn.session.agent.user).submit(&watched{r, status}) {
		d.t.Fatal("the committer has stopped")
	}
	return <-status
}

// watched reports the status of a request instead of writing it to a socket.
type watched struct {
	*request
	status chan int
}

func (w *watched) finish(_ *group, err error) {
	if err != nil {
		w.answer = unavailable
	}
	w.status <- w.answer.Status
}

func (d *direct) send(samples ...metric.Sample) int {
	d.t.Helper()
	return d.do(wire.AppendSendMulti(nil, d.seqs.Next(), wire.Seq{}, nil, samples[0].Time, samples))
}

// state is everything of a data model that a failed sync must not have changed.
func (d *direct) state() map[string]string {
	all := map[string]string{}
	m := d.conn.session.agent.user.model
	m.mu.RLock()
	defer m.mu.RUnlock()
	for uri, n := range m.nodes {
		all["node "+string(uri)] = fmt.Sprint(n.kind, n.series, n.below, n.supplies, len(n.hooks))
	}
	for k, s := range m.seen {
		all["seen "+k.record()] = fmt.Sprint(*s)
	}
	for uri, r := range m.reserved {
		all["reserved "+string(uri)] = r.kind.String()
	}
	for n := range d.conn.session.hooks {
		all["hook "+string(n.uri)] = "made"
	}
	return all
}

func records(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range []store.Table{store.TableMetrics, store.TableHooks, store.TableSeen} {
		err := s.Records(context.Background(), table, func(key, value []byte) error {
			all[fmt.Sprintf("%d %q", table, key)] = string(value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// randomFrame is a random request on a few uris.
func (d *direct) randomFrame(r *rand.Rand) []byte {
	uri := metric.URI([]string{"a", "a.b", "a.b.c", "d"}[r.IntN(4)])
	at := time.Unix(r.Int64N(100), 0)
	seq := d.seqs.Next()
	switch r.IntN(6) {
	case 0:
		return wire.AppendHook(nil, seq, uri)
	case 1:
		return wire.AppendUnhook(nil, seq, uri)
	case 2:
		return wire.AppendDelete(nil, seq, uri, []metric.Kind{0, 'p', 'd'}[r.IntN(3)])
	case 3:
		return wire.AppendInfo(nil, seq, uri, []metric.URI{"x"})
	case 4:
		s := metric.Datasource(uri, at, "text")
		return wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s)
	}
	s := metric.Datapoint(uri, at, r.IntN(100))
	return wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s)
}

// TestFailedSyncChangesNothing runs random requests on a store that fails now and then: a failure must leave memory
// as it was, and must not be found in the store once it takes writes again.
func TestFailedSyncChangesNothing(t *testing.T) {
	for _, leaks := range []bool{false, true} {
		t.Run(fmt.Sprint("leaks=", leaks), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 4))
			s := &flaky{Store: memstore.New(), leaks: leaks}
			d := newDirect(t, s)
			failures := 0
			for i := range 1500 {
				before := d.state()
				s.bad.Store(r.IntN(3) == 0)
				status := d.do(d.randomFrame(r))
				if status != wire.StatusUnavailable {
					continue
				}
				failures++
				if diff := cmp.Diff(before, d.state()); diff != "" {
					t.Fatalf("request %d was refused and changed memory:\n%s", i, diff)
				}
			}
			s.bad.Store(false)
			d.send(metric.Datapoint("last", time.Unix(1, 0), 1))
			checkStored(t, d, s)
			if failures < 100 {
				t.Errorf("only %d failures: the test says little", failures)
			}
		})
	}
}

// checkStored compares the records with memory.
func checkStored(t *testing.T, d *direct, s store.Store) {
	t.Helper()
	want := map[string]string{}
	put := func(r store.Record) { want[fmt.Sprintf("%d %q", r.Table, r.Key)] = string(r.Value) }
	m := d.conn.session.agent.user.model
	for _, n := range m.nodes {
		if n.kind != 0 {
			put(n.record())
		}
		for _, x := range n.hooks {
			put(x.record())
		}
	}
	for k, x := range m.seen {
		put(recordOf(k, x))
	}
	if diff := cmp.Diff(want, records(t, s)); diff != "" {
		t.Errorf("memory and store differ:\n%s", diff)
	}
}

func TestWritesAreRefusedWhileTheStoreFails(t *testing.T) {
	s := &flaky{Store: memstore.New()}
	d := newDirect(t, s)
	sample := metric.Datapoint("m", time.Unix(1, 0), 1)
	if status := d.send(sample); status != wire.StatusExecuted {
		t.Fatal(status)
	}
	s.bad.Store(true)
	if status := d.send(sample); status != wire.StatusUnavailable {
		t.Errorf("status %d, want 4503", status)
	}
	if err := d.hub.Delete(context.Background(), "alice", "m"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Delete: %v, want ErrUnavailable", err)
	}
	if err := d.hub.AddUser(context.Background(), "bob"); !errors.Is(err, store.ErrUnavailable) || len(d.hub.Users()) != 1 {
		t.Errorf("AddUser: %v, users %v", err, d.hub.Users())
	}
	s.bad.Store(false)
	if status := d.send(sample); status != wire.StatusExecuted {
		t.Errorf("status %d once the store takes writes again", status)
	}
}
