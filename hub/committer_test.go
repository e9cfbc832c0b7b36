package hub

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// faultyJob changes something and panics.
type faultyJob struct {
	m      *model
	failed bool
	done   chan struct{}
}

func (f *faultyJob) execute(g *group) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	g.create(f.m, "bad", metric.KindDatapoint)
	panic("a fault of ours")
}

func (f *faultyJob) fail()                { f.failed = true }
func (f *faultyJob) finish(*group, error) { close(f.done) }

func TestAPanicEndsOneRequestOnly(t *testing.T) {
	s := memstore.New()
	d := newDirect(t, s)
	d.send(metric.Datapoint("m", time.Unix(1, 0), 1))
	before, recordsBefore := d.state(), records(t, s)
	m := d.conn.session.agent.user.model
	bad := &faultyJob{m: m, done: make(chan struct{})}
	d.hub.committerOf(m.owner).submit(bad)
	if <-bad.done; !bad.failed {
		t.Error("the job was not told")
	}
	if diff := cmp.Diff(before, d.state()) + cmp.Diff(recordsBefore, records(t, s)); diff != "" {
		t.Error(diff)
	}
	if status := d.send(metric.Datapoint("m", time.Unix(2, 0), 2)); status != wire.StatusExecuted {
		t.Errorf("afterwards: %d", status)
	}
}

// heldStore holds commits up until hold is closed, and tells in held that one has come.
type heldStore struct {
	store.Store
	hold chan struct{}
	held chan struct{}
}

func (h *heldStore) Commit(ctx context.Context, b *store.Batch) error {
	select {
	case h.held <- struct{}{}:
	default:
	}
	<-h.hold
	return h.Store.Commit(ctx, b)
}

// TestBarrierWaitsForTheGroupUnderWay reads while a commit is held up.
func TestBarrierWaitsForTheGroupUnderWay(t *testing.T) {
	s := &heldStore{Store: memstore.New(), hold: make(chan struct{}), held: make(chan struct{}, 1)}
	close(s.hold)
	d := newDirect(t, s)
	<-s.held
	s.hold = make(chan struct{})
	for len(s.held) > 0 {
		<-s.held
	}
	c := d.hub.committerOf(d.conn.session.agent.user)
	go d.send(metric.Datapoint("m", time.Unix(1, 0), 1))
	<-s.held
	passed := make(chan error, 1)
	go func() { passed <- c.barrier() }()
	select {
	case <-passed:
		t.Fatal("the barrier did not wait for the sync")
	case <-time.After(20 * time.Millisecond):
	}
	close(s.hold)
	if err := <-passed; err != nil {
		t.Fatal(err)
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(10)
	if !b.take(10) || b.take(1) {
		t.Error("a budget of 10 must give 10 and no more")
	}
	b.give(11)
	if !b.take(1) {
		t.Error("what was given back cannot be taken")
	}
}
