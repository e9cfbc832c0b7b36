package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/komstream/komstream/metric"
)

// Usage is what a user has stored.
type Usage struct {
	Datasources, Datapoints int64
	Samples                 int64
	// Bytes is the content of the samples and 16 bytes for the time of each. On disk it is compressed. The arrival log
	// does not count.
	Bytes int64
	// TextsToday and NumbersToday are the samples accepted since midnight UTC, and 0 without a quota on them.
	TextsToday, NumbersToday int64
}

// Detail is a metric and what there is of it.
type Detail struct {
	URI      metric.URI // local
	Kind     metric.Kind
	Samples  int64
	Bytes    int64           // as [Usage.Bytes]
	Last     metric.TimeUUID // of the newest sample; zero where Samples is 0
	Value    metric.Value    // of it
	Age      time.Duration   // of it, negative for one of the future
	Supplies []metric.URI    // what send_ds_info last told of a datasource
}

// Usage counts what a user has stored. Metrics that have not been counted yet, after a start or after late samples,
// are read for it.
func (h *Hub) Usage(ctx context.Context, username string) (Usage, error) {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return Usage{}, err
	}
	if err := h.recount(ctx, u, ""); err != nil {
		return Usage{}, fmt.Errorf("hub: usage of user %s: %w", u.name, err)
	}
	m := u.model
	m.mu.RLock()
	defer m.mu.RUnlock()
	today := m.daily.on(dayOf(h.config.now()))
	return Usage{
		Datasources: m.datasources, Datapoints: m.datapoints, Samples: m.total.samples, Bytes: m.total.bytes,
		TextsToday: today.texts, NumbersToday: today.numbers,
	}, nil
}

// Details returns the metrics that [Hub.List] does and what there is of each. It reads the newest sample of each, and
// counts as [Hub.Usage] does.
func (h *Hub) Details(ctx context.Context, username string, prefix metric.URI) ([]Detail, error) {
	u, local, err := h.subtree(username, prefix)
	if err != nil {
		return nil, err
	}
	if err := h.recount(ctx, u, local); err != nil {
		return nil, fmt.Errorf("hub: list: %w", err)
	}
	all, series := u.model.details(local)
	now := h.config.now()
	for i := range all {
		d := &all[i]
		var damaged error
		err := h.store.Samples(ctx, series[i], metric.MinTime, metric.MaxTime, func(t metric.TimeUUID, content []byte) bool {
			d.Last, d.Age = t, now.Sub(t.Time())
			d.Value, damaged = valueOf(d.Kind, content)
			return false
		})
		if err == nil {
			err = damaged
		}
		if err != nil {
			return nil, fmt.Errorf("hub: newest sample of %s: %w", d.URI, err)
		}
	}
	if err := h.committerOf(u).barrier(); err != nil {
		return nil, fmt.Errorf("hub: list: %w", err)
	}
	return all, nil
}

// details returns the metrics at prefix and below it, sorted by uri, and their series.
func (m *model) details(prefix metric.URI) (all []Detail, series []uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []*node
	for uri, n := range m.nodes {
		if n.kind != 0 && (prefix == "" || uri.Within(prefix)) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b *node) int { return strings.Compare(string(a.uri), string(b.uri)) })
	for _, n := range found {
		all = append(all, Detail{
			URI: n.uri, Kind: n.kind, Samples: n.stored.samples, Bytes: n.stored.bytes, Supplies: slices.Clone(n.supplies),
		})
		series = append(series, n.series)
	}
	return all, series
}

// DeleteTree removes a user's metrics at uri and below it, with all their samples, and returns how many there were.
// Their hooks become pending. It is one change: all of them or, after an error, none. It fails with [ErrNotFound]
// where there is none.
func (h *Hub) DeleteTree(ctx context.Context, username string, uri metric.URI) (int, error) {
	u, local, err := h.subtree(username, uri)
	if err != nil {
		return 0, err
	}
	if local == "" {
		return 0, fmt.Errorf("hub: delete: the subtree of user %s must be named", u.name)
	}
	deleted := 0
	err = h.do(ctx, u, func(g *group) error {
		for _, x := range u.model.list(local) {
			if g.delete(u.model, x.URI, 0) {
				deleted++
			}
		}
		if deleted == 0 {
			return fmt.Errorf("hub: metrics of user %s at %s: %w", u.name, local, ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
