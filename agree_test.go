package komstream_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

var agreeRounds = flag.Int("rounds", 2000, "rounds of TestStoreAndSubscribersAgree")

// TestStoreAndSubscribersAgree has eight sessions write the same metric and time at once, again and again. Whatever
// value wins in a round, it must be the same in the store, in the window of a session that was live all the time,
// and in the window of one that reads it from the store afterwards.
func TestStoreAndSubscribersAgree(t *testing.T) {
	const writers = 8
	rounds := *agreeRounds
	if testing.Short() {
		rounds = min(rounds, 200)
	}
	h := hubtest.New(t)
	key := h.User("alice")
	config := komstream.Config{Username: "alice", Key: key, Dial: h.DialContext}
	ctx := t.Context()

	live := watch(t, config, "live")
	var sessions []*komstream.Session
	for range writers {
		s, err := komstream.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sessions = append(sessions, s)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	start := time.Now().Truncate(time.Millisecond)
	for round := range rounds {
		at := start.Add(time.Duration(round) * time.Millisecond)
		var all sync.WaitGroup
		for _, w := range random.Perm(writers) {
			s := sessions[w]
			all.Go(func() {
				if err := s.Send(ctx, metric.Datapoint("contested", at, w)); err != nil {
					t.Error(err)
				}
				if err := s.Flush(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	// The last message to arrive is this one: everything before it has been shown then.
	if err := sessions[0].Send(ctx, metric.Datapoint("contested", start.Add(time.Hour), -1)); err != nil {
		t.Fatal(err)
	}
	seen := live.until(t, start.Add(time.Hour))
	fresh := watch(t, config, "fresh")
	if err := sessions[0].Send(ctx, metric.Datapoint("contested", start.Add(2*time.Hour), -2)); err != nil {
		t.Fatal(err)
	}
	read := fresh.until(t, start.Add(2*time.Hour))

	stored := map[metric.Ticks]float64{}
	for s, err := range sessions[0].History(ctx, "contested", komstream.Range{To: start.Add(time.Minute)}) {
		if err != nil {
			t.Fatal(err)
		}
		stored[s.Time.Ticks()] = s.Float()
	}
	if len(stored) != rounds {
		t.Fatalf("the store holds %d times, want %d", len(stored), rounds)
	}
	winners := map[float64]int{}
	for at, value := range stored {
		winners[value]++
		if seen[at] != value || read[at] != value {
			t.Errorf("at %s: store %v, live window %v, window read afterwards %v", at.Time(), value, seen[at], read[at])
		}
	}
	t.Logf("%d rounds; rounds won by each writer: %v", rounds, winners)
}

// watcher is a session whose impulse shows the window of the contested metric.
type watcher struct{ views chan window.View }

func watch(t *testing.T, config komstream.Config, name string) *watcher {
	t.Helper()
	w := &watcher{views: make(chan window.View, 1)}
	s, err := komstream.Open(t.Context(), config, impulse.Impulse{
		Name: name, On: impulse.URIs("contested"), Past: impulse.Past{Delta: time.Hour, Count: 1 << 20},
		Overload: impulse.Coalesce,
		Do: func(_ context.Context, u *impulse.Update) error {
			select {
			case <-w.views:
			default:
			}
			w.views <- u.View("contested").Clone()
			return nil
		},
	})
	if err != nil {
		t.Fatal(fmt.Errorf("open %s: %w", name, err))
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// until waits for a view that ends at a time, and returns its values by time.
func (w *watcher) until(t *testing.T, last time.Time) map[metric.Ticks]float64 {
	t.Helper()
	for {
		select {
		case v := <-w.views:
			if p, ok := v.Last(); ok && p.When().Equal(last) {
				values := map[metric.Ticks]float64{}
				for at, value := range v.All() {
					values[metric.TicksOf(at)] = value
				}
				return values
			}
		case <-t.Context().Done():
			t.Fatal("the test ended before the last sample was seen")
		}
	}
}
