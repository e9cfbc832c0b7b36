package router_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"github.com/komstream/komstream/window"
)

// ring is a hub and a program in one loop: impulse n reads metric n and writes metric n+1, the last one metric 0.
type ring struct {
	router  router.Router
	runners []*impulse.Runner
	echo    *router.Echo // in place of via, where the hub does not know it
	runs    []int
	full    int
}

func newRing(t *testing.T, size int, allowLoops bool) *ring {
	t.Helper()
	r := &ring{runs: make([]int, size)}
	for n := range size {
		name := fmt.Sprintf("i%d", n)
		r.router.Add(int32(n), router.Subscription{
			Windows: []window.ID{window.ID(n)}, Origin: metric.OriginOf("me", name), AllowLoops: allowLoops,
		})
		runner, err := impulse.NewRunner(impulse.RunnerConfig{
			Impulse: impulse.Impulse{Name: name, On: impulse.URIs(uri(n)), Do: func(_ context.Context, u *impulse.Update) error {
				r.runs[n]++
				for s := range u.Updated() {
					u.Emit(metric.Datapoint(uri((n+1)%size), u.Time(), s.Float()+1))
				}
				return nil
			}},
			Username: "me", Windows: []window.ID{window.ID(n)}, Views: noViews{}, Now: func() time.Time { return noon },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.runners = append(r.runners, runner)
	}
	return r
}

func uri(n int) metric.URI { return metric.URI("m").Child(fmt.Sprint(n)) }

// feed sends one sample of metric 0 from outside and lets everything that follows happen, up to a limit of runs.
func (r *ring) feed(limit int) {
	queue := []*impulse.Message{{Time: sample(0, "1").Time, Rows: []impulse.Row{{ID: 0, Value: sample(0, "1").Value}}}}
	for total := 0; len(queue) > 0 && total < limit; {
		m := queue[0]
		queue = queue[1:]
		if r.echo != nil {
			m.Via = nil
			for _, row := range m.Rows {
				m.Via = r.echo.AppendVia(m.Via, uri(int(row.ID)), m.Time, row.Value, noon)
			}
		}
		r.router.Route(m)
		r.router.Flush(func(handle int32, triggers []impulse.Trigger) {
			for _, t := range triggers {
				total++
				out := r.runners[handle].Run(context.Background(), &t)
				if out.ViaFull {
					r.full++
				}
				if r.echo != nil {
					r.echo.Sent(out.Samples, out.Via, noon)
				}
				for _, s := range out.Samples {
					id := window.ID((int(handle) + 1) % len(r.runners))
					queue = append(queue, &impulse.Message{Time: s.Time, Via: out.Via, Rows: []impulse.Row{{ID: id, Value: s.Value}}})
				}
			}
		})
	}
}

func TestLoopsEnd(t *testing.T) {
	tests := []struct {
		size, runs, full int
	}{
		{1, 1, 0}, // stopped at the first return
		{2, 2, 0},
		{16, 16, 0},
		{17, 17, 1}, // the list is full before the sample returns
		{40, 17, 1},
	}
	for _, test := range tests {
		for _, echo := range []bool{false, true} {
			t.Run(fmt.Sprintf("impulses=%d/echo=%v", test.size, echo), func(t *testing.T) {
				r := newRing(t, test.size, false)
				if echo {
					r.echo = &router.Echo{}
				}
				r.feed(1000)
				runs := 0
				for _, n := range r.runs {
					runs += n
				}
				if runs != test.runs || r.full != test.full {
					t.Errorf("%d runs, %d full; want %d, %d", runs, r.full, test.runs, test.full)
				}
			})
		}
	}
}

func TestLoopsGoOnWhereAllowed(t *testing.T) {
	r := newRing(t, 2, true)
	if r.feed(1000); r.runs[0] != 500 || r.runs[1] != 500 {
		t.Errorf("runs %v", r.runs)
	}
}
