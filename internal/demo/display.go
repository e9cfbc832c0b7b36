package demo

import (
	"context"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/termview"
	"github.com/komstream/komstream/metric"
)

// display is what the terminal shows of the metrics. It is filled by impulses as well: whoever wants to see metrics
// subscribes them.
type display struct {
	mu    sync.Mutex
	order []metric.URI
	now   map[metric.URI]termview.Metric
}

// shownPast is how much of a metric is shown.
const shownPast = 2 * time.Minute

// impulse returns an impulse that shows metrics.
func (d *display) impulse(name string, uris []metric.URI) impulse.Impulse {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.order = append(d.order, uris...)
	return impulse.Impulse{
		Name: name, On: impulse.URIs(uris...), Past: impulse.Past{Delta: shownPast}, Overload: impulse.Coalesce,
		Do: func(_ context.Context, u *impulse.Update) error {
			latest := make(map[metric.URI]termview.Metric)
			for s := range u.Updated() {
				latest[s.URI] = row(s, u)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.now == nil {
				d.now = make(map[metric.URI]termview.Metric)
			}
			maps.Copy(d.now, latest)
			return nil
		},
	}
}

// row returns what is shown of a metric.
func row(s metric.Sample, u *impulse.Update) termview.Metric {
	view := u.View(s.URI)
	m := termview.Metric{URI: string(s.URI), Rate: recentRate(u, s.URI)}
	if s.Kind() == metric.KindDatasource {
		m.Text = s.Value.String()
		return m
	}
	m.Past = view.AppendValues(nil)
	return m
}

// recentRate returns how many samples a second came in the last ten seconds, or since the first of them.
func recentRate(u *impulse.Update, uri metric.URI) float64 {
	recent := u.View(uri).Since(u.Now().Add(-10 * time.Second))
	first, ok := recent.First()
	if !ok || recent.Len() < 2 {
		return 0
	}
	last, _ := recent.Last()
	if span := last.When().Sub(first.When()).Seconds(); span > 0 {
		return float64(recent.Len()-1) / span
	}
	return 0
}

// metrics returns the rows, in the order of the impulses.
func (d *display) metrics() []termview.Metric {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]termview.Metric, 0, len(d.order))
	for _, uri := range d.order {
		if m, ok := d.now[uri]; ok {
			all = append(all, m)
		}
	}
	return all
}

// Snapshot returns what there is to see.
func (d *Demo) Snapshot() termview.Snapshot {
	s := termview.Snapshot{
		Title: "komstream demo", Peer: "alice and bob at " + d.URL(), Uptime: time.Since(d.started),
		Metrics: d.display.metrics(),
	}
	worst := komstream.StateLive
	for _, u := range d.users {
		stats := u.session.Stats()
		for _, i := range stats.Impulses {
			s.Impulses = append(s.Impulses, termview.Impulse{
				Name: u.name + " " + i.Name, Runs: i.Counters.Ran, Failed: i.Counters.Failed,
				Pending: i.Counters.Pending, Took: i.Timing.Last, Worst: i.Timing.Max,
			})
		}
		if stats.State != komstream.StateLive {
			worst = stats.State
			s.State = fmt.Sprintf("%s %s", u.name, stats.State)
		}
	}
	s.Health = termview.Unwell
	switch worst {
	case komstream.StateLive:
		s.State, s.Health = "live", termview.Well
	case komstream.StateConnecting, komstream.StateAuthenticating, komstream.StateSyncing:
		s.Health = termview.Busy
	}
	r := d.result()
	s.Totals = []termview.Total{
		{Name: "sent", Count: r.SamplesSent}, {Name: "acknowledged", Count: r.SamplesAcknowledged},
		{Name: "updates", Count: r.UpdatesReceived}, {Name: "runs", Count: r.ImpulseRuns},
		{Name: "shared updates", Count: r.SharedUpdates}, {Name: "refused writes", Count: r.RefusedRemoteWrites},
		{Name: "connections", Count: r.Connections}, {Name: "wrong", Count: r.Wrong},
	}
	return s
}

// atomicCount counts from any goroutine.
type atomicCount struct{ atomic.Uint64 }

func (c *atomicCount) add(n int) { c.Add(uint64(n)) }

// hundredth rounds to two digits after the point.
func hundredth(x float64) float64 { return math.Round(100*x) / 100 }
