package hub

import (
	"context"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// tally is how much is stored.
type tally struct{ samples, bytes int64 }

// sampleBytes is what a sample counts for: its content and its time. What it takes on disk is compressed and less.
func sampleBytes(content int) int64 { return int64(content) + 16 }

func (t *tally) add(o tally) { t.samples, t.bytes = t.samples+o.samples, t.bytes+o.bytes }
func (t *tally) sub(o tally) { t.samples, t.bytes = t.samples-o.samples, t.bytes-o.bytes }

// count notes a sample that was written. One that is not the newest of its metric may have replaced another: reading
// the store for each would slow all writers down, so the metric is counted again by whoever wants to know. The caller
// holds mu.
func (m *model) count(n *node, t metric.TimeUUID, content int) {
	one := tally{1, sampleBytes(content)}
	if n.counted && (n.stored.samples == 0 || t.Compare(n.newest) > 0) {
		n.newest = t
	} else {
		n.counted = false
	}
	n.stored.add(one)
	m.total.add(one)
}

// settle replaces the tally of a metric. The caller holds mu.
func (m *model) settle(n *node, t tally, counted bool) {
	m.total.sub(n.stored)
	m.total.add(t)
	n.stored, n.counted = t, counted
}

// uncount notes that the tallies may tell of what was not stored.
func (h *Hub) uncount(arrivals []store.Arrival) {
	owners := map[uint64]bool{}
	for i := range arrivals {
		owners[arrivals[i].Owner] = true
	}
	for id := range owners {
		u := h.directory.userByID(id)
		if u == nil {
			continue
		}
		u.model.mu.Lock()
		for _, n := range u.model.nodes {
			n.counted = false
		}
		u.model.mu.Unlock()
	}
}

// recounted is a metric that is being counted.
type recounted struct {
	node   *node
	series uint64
	before tally // when counting began
	found  tally
	newest metric.TimeUUID
}

// recountAtOnce bounds the metrics that are counted between two looks at what was written meanwhile.
const recountAtOnce = 256

// recount counts the metrics of a user at prefix and below it whose tally is not known. Metrics that are written
// meanwhile end with a tally that is off by some of what was written, and are counted again the next time.
func (h *Hub) recount(ctx context.Context, u *user, prefix metric.URI) error {
	rest := u.model.uncounted(prefix)
	for len(rest) > 0 {
		n := min(len(rest), recountAtOnce)
		if err := h.recountSome(ctx, u, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (m *model) uncounted(prefix metric.URI) (all []recounted) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for uri, n := range m.nodes {
		if n.kind != 0 && !n.counted && (prefix == "" || uri.Within(prefix)) {
			all = append(all, recounted{node: n, series: n.series})
		}
	}
	return all
}

func (h *Hub) recountSome(ctx context.Context, u *user, some []recounted) error {
	m := u.model
	m.mu.RLock()
	for i := range some {
		some[i].before = some[i].node.stored
	}
	m.mu.RUnlock()
	// What the tallies hold now must be in the store before it is counted.
	if err := h.committerOf(u).barrier(); err != nil {
		return err
	}
	for i := range some {
		x := &some[i]
		var err error
		if x.found, x.newest, err = h.measure(ctx, x.series, metric.MinTime, metric.MaxTime); err != nil {
			return err
		}
	}
	return h.do(ctx, u, func(*group) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range some {
			x := &some[i]
			if x.node.series != x.series || x.node.kind == 0 {
				continue // deleted
			}
			written := x.node.stored
			written.sub(x.before)
			x.node.newest = x.newest
			x.found.add(written)
			m.settle(x.node, x.found, written == tally{})
		}
		return nil
	})
}

// measure counts the samples of a series in a range, both ends included.
func (h *Hub) measure(ctx context.Context, series uint64, from, to metric.TimeUUID) (t tally, newest metric.TimeUUID, err error) {
	err = h.store.Samples(ctx, series, from, to, func(at metric.TimeUUID, content []byte) bool {
		if t.samples == 0 {
			newest = at
		}
		t.add(tally{1, sampleBytes(len(content))})
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return t, newest, err
}
