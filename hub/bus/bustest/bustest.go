package bustest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// patience is how long a delivery may take.
const patience = 10 * time.Second

// Run tests a kind of bus. line returns, for a new line between hubs, what joins it: each call gives one more end.
func Run(t *testing.T, line func(t *testing.T) (join func() bus.Bus)) {
	for name, test := range map[string]func(t *testing.T, join func() bus.Bus){
		"delivers to others and not to itself": deliversToOthers,
		"only the owner's messages":            onlyTheOwners,
		"keeps the order of each publisher":    keepsOrder,
		"cancel ends delivery":                 cancelEnds,
		"use after close":                      useAfterClose,
	} {
		t.Run(name, func(t *testing.T) {
			join := line(t)
			test(t, func() bus.Bus {
				b := join()
				t.Cleanup(func() {
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				})
				return b
			})
		})
	}
}

func arrival(owner, position uint64) *store.Arrival {
	return &store.Arrival{
		Owner: owner, Position: position, At: time.UnixMicro(1_700_000_000_000_000).UTC(),
		Seq: metric.MaxTime, Via: []metric.Origin{metric.OriginOf("u", "i")}, Time: metric.MinTime,
		Items: []store.Item{
			{Series: 7, URI: "a.b", Kind: metric.KindDatapoint, Content: "1.50"},
			{Series: 8, URI: "c", Kind: metric.KindDatasource, Content: "text \x00 ü"},
		},
	}
}

// inbox keeps what was delivered.
type inbox struct {
	mu    sync.Mutex
	got   []store.Arrival
	fresh chan struct{}
}

func subscribe(t *testing.T, b bus.Bus, owner uint64) (*inbox, func()) {
	t.Helper()
	i := &inbox{fresh: make(chan struct{}, 1)}
	cancel, err := b.Subscribe(owner, func(m *store.Arrival) {
		i.mu.Lock()
		defer i.mu.Unlock()
		kept := *m // what it points to is the publisher's again after the call
		kept.Via = append([]metric.Origin(nil), m.Via...)
		kept.Items = append([]store.Item(nil), m.Items...)
		i.got = append(i.got, kept)
		select {
		case i.fresh <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return i, cancel
}

// wait returns what was delivered once it is n messages.
func (i *inbox) wait(t *testing.T, n int) []store.Arrival {
	t.Helper()
	limit := time.After(patience)
	for {
		i.mu.Lock()
		got := i.got
		i.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-i.fresh:
		case <-limit:
			t.Fatalf("%d messages were delivered within %v, want %d", len(got), patience, n)
		}
	}
}

func publish(t *testing.T, b bus.Bus, m *store.Arrival) {
	t.Helper()
	if err := b.Publish(m); err != nil {
		t.Fatal(err)
	}
}

func deliversToOthers(t *testing.T, join func() bus.Bus) {
	a, b, c := join(), join(), join()
	publish(t, a, arrival(1, 1)) // nobody is interested
	own, _ := subscribe(t, a, 1)
	atB, _ := subscribe(t, b, 1)
	atC, _ := subscribe(t, c, 1)
	twice, _ := subscribe(t, c, 1)
	publish(t, a, arrival(1, 2))
	want := []store.Arrival{*arrival(1, 2)}
	for name, got := range map[string]*inbox{"second end": atB, "third end": atC, "second subscription of the third": twice} {
		if diff := cmp.Diff(want, got.wait(t, 1)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	publish(t, b, arrival(1, 3))
	if diff := cmp.Diff([]store.Arrival{*arrival(1, 3)}, own.wait(t, 1)); diff != "" {
		t.Errorf("the first end, of what another published: %s", diff)
	}
	atC.wait(t, 2)
	if got := atB.wait(t, 1); len(got) != 1 {
		t.Errorf("the second end got %d messages, its own too", len(got))
	}
}

func onlyTheOwners(t *testing.T, join func() bus.Bus) {
	a, b := join(), join()
	one, _ := subscribe(t, b, 1)
	two, _ := subscribe(t, b, 2)
	for position := range uint64(3) {
		for owner := range uint64(4) {
			publish(t, a, arrival(owner, position+1))
		}
	}
	for owner, box := range map[uint64]*inbox{1: one, 2: two} {
		got := box.wait(t, 3)
		for i, m := range got {
			if m.Owner != owner || m.Position != uint64(i)+1 {
				t.Errorf("message %d of owner %d is of owner %d at %d", i, owner, m.Owner, m.Position)
			}
		}
	}
}

func keepsOrder(t *testing.T, join func() bus.Bus) {
	const publishers, each = 4, 200
	listener := join()
	box, _ := subscribe(t, listener, 1)
	var all sync.WaitGroup
	for p := range publishers {
		b := join()
		all.Go(func() {
			for i := range each {
				m := arrival(1, uint64(i+1))
				m.Items = []store.Item{{Series: 1, URI: "m", Kind: metric.KindDatapoint, Content: fmt.Sprint(p)}}
				if err := b.Publish(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	last := map[string]uint64{}
	for _, m := range box.wait(t, publishers*each) {
		from := m.Items[0].Content
		if m.Position != last[from]+1 {
			t.Fatalf("of publisher %s message %d came after %d", from, m.Position, last[from])
		}
		last[from] = m.Position
	}
}

func cancelEnds(t *testing.T, join func() bus.Bus) {
	a, b := join(), join()
	box, cancel := subscribe(t, b, 1)
	other, _ := subscribe(t, b, 1)
	publish(t, a, arrival(1, 1))
	box.wait(t, 1)
	cancel()
	cancel() // once more does no harm
	publish(t, a, arrival(1, 2))
	other.wait(t, 2)
	if got := box.wait(t, 1); len(got) != 1 {
		t.Errorf("%d messages were delivered, one of them after cancel", len(got))
	}
}

func useAfterClose(t *testing.T, join func() bus.Bus) {
	a, b := join(), join()
	box, cancel := subscribe(t, b, 1)
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	cancel()
	publish(t, a, arrival(1, 1))
	if got := box.wait(t, 0); len(got) != 0 {
		t.Errorf("%d messages were delivered after Close", len(got))
	}
	_, err := b.Subscribe(1, func(*store.Arrival) {})
	for i, err := range []error{err, b.Publish(arrival(1, 1))} {
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("call %d after Close: %v, want ErrClosed", i, err)
		}
	}
}
