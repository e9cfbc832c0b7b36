package hub

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// retainEvery is how often retention is enforced.
const retainEvery = time.Minute

// housekeeping enforces retention and counts for quotas, in a goroutine of its own: it may read a lot.
func (h *Hub) housekeeping() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopping := make(chan struct{})
	defer close(stopping)
	go func() {
		select {
		case <-h.stop:
			cancel()
		case <-stopping:
		}
	}()
	ticker := time.NewTicker(retainEvery)
	defer ticker.Stop()
	for {
		h.retain(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-h.house:
		}
	}
}

// keepHouse has the housekeeping done soon.
func (h *Hub) keepHouse() {
	select {
	case h.house <- struct{}{}:
	default: // it is about to be
	}
}

// retain enforces every user's retention, and counts what quotas need counted.
func (h *Hub) retain(ctx context.Context) {
	h.retaining.Lock() // what is measured here must not be cut meanwhile
	defer h.retaining.Unlock()
	for _, u := range h.directory.allUsers() {
		s := u.current()
		var err error
		if s.Quota.Bytes > 0 {
			err = h.recount(ctx, u, "")
		}
		if err == nil && len(s.Retention) > 0 {
			err = h.retainUser(ctx, u, s.Retention)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, ErrClosed):
			return
		case err != nil:
			h.log.Warn("retention is not enforced", zap.String("user", u.name), zap.Error(err))
		}
	}
}

// kept is a metric under a rule: what it holds, and from when on it is to hold.
type kept struct {
	node   *node
	series uint64
	tally  tally
	from   metric.TimeUUID // samples before go; MinTime for none
	gone   tally           // how much that is
}

func (h *Hub) retainUser(ctx context.Context, u *user, rules []RetentionRule) error {
	for _, rule := range rules {
		if rule.Count > 0 || rule.Bytes > 0 {
			if err := h.recount(ctx, u, rule.URI); err != nil {
				return err
			}
		}
		all := u.model.under(rule.URI, rules)
		for i := range all {
			if err := h.cutOne(ctx, rule.Retention, &all[i]); err != nil {
				return err
			}
		}
		if rule.Bytes > 0 {
			if err := h.cutBytes(ctx, rule.Bytes, all); err != nil {
				return err
			}
		}
		all = slices.DeleteFunc(all, func(k kept) bool { return k.from == metric.MinTime })
		if err := h.cut(ctx, u, all); err != nil {
			return err
		}
	}
	return nil
}

// under returns the metrics for which the rule of a uri holds: those below it that no narrower rule covers.
func (m *model) under(uri metric.URI, rules []RetentionRule) (all []kept) {
	ruled := map[metric.URI]bool{}
	for _, r := range rules {
		ruled[r.URI] = true
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.nodes {
		if n.kind == 0 {
			continue
		}
		at, more := n.uri, true
		for more && !ruled[at] {
			at, more = at.Parent()
		}
		if !more {
			at = ""
		}
		if at == uri {
			all = append(all, kept{node: n, series: n.series, tally: n.stored, from: metric.MinTime})
		}
	}
	return all
}

// lowestLow is the lower half of the first id of any instant.
const lowestLow = 0x8080808080808080

// cutOne finds from when on a metric is kept by age and count.
func (h *Hub) cutOne(ctx context.Context, r Retention, k *kept) error {
	if r.Age > 0 {
		k.from = metric.NewTimeUUID(metric.TicksOf(h.config.now().Add(-r.Age)), lowestLow)
	}
	// A metric that is written all the time is over its count all the time: cutting it each time would read all of it.
	if r.Count > 0 && k.tally.samples > r.Count+r.Count/16 {
		left := r.Count
		err := h.store.Samples(ctx, k.series, k.from, metric.MaxTime, func(t metric.TimeUUID, _ []byte) bool {
			if left--; left == 0 {
				k.from = t
			}
			return left > 0
		})
		if err != nil {
			return err
		}
	}
	if k.from == metric.MinTime {
		return nil
	}
	return h.measureGone(ctx, k)
}

// measureGone counts what lies before k.from, and keeps everything where that is nothing.
func (h *Hub) measureGone(ctx context.Context, k *kept) error {
	k.gone = tally{}
	err := h.store.Samples(ctx, k.series, metric.MinTime, k.from, func(t metric.TimeUUID, content []byte) bool {
		if t != k.from {
			k.gone.add(tally{1, sampleBytes(len(content))})
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && k.gone.samples == 0 {
		k.from = metric.MinTime
	}
	return err
}

// piece is some neighbouring samples of one metric.
type piece struct {
	oldest metric.TimeUUID
	bytes  int64
}

// piecesAtOnce bounds the memory for finding the oldest samples of many metrics.
const piecesAtOnce = 1 << 20

// cutBytes moves the times from which on metrics are kept so that together they hold no more than limit. With more
// samples than piecesAtOnce some neighbours go together.
func (h *Hub) cutBytes(ctx context.Context, limit int64, all []kept) error {
	var total tally
	for i := range all {
		total.add(all[i].tally)
		total.sub(all[i].gone)
	}
	if total.bytes <= limit {
		return nil
	}
	at, err := h.boundary(ctx, limit, all, 1+total.samples/piecesAtOnce)
	if err != nil {
		return err
	}
	for i := range all {
		if k := &all[i]; k.from.Compare(at) < 0 {
			k.from = at
			if err := h.measureGone(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// boundary returns from which time on the metrics hold at most limit, reading pieces of some samples each.
func (h *Hub) boundary(ctx context.Context, limit int64, all []kept, samples int64) (metric.TimeUUID, error) {
	var pieces []piece
	for i := range all {
		inPiece := int64(0)
		err := h.store.Samples(ctx, all[i].series, all[i].from, metric.MaxTime, func(t metric.TimeUUID, content []byte) bool {
			if inPiece%samples == 0 {
				pieces = append(pieces, piece{})
			}
			inPiece++
			last := &pieces[len(pieces)-1]
			last.oldest = t
			last.bytes += sampleBytes(len(content))
			return ctx.Err() == nil
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return metric.MinTime, err
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return b.oldest.Compare(a.oldest) })
	from, behind := metric.MaxTime, metric.MaxTime // behind is the time next to from
	for _, p := range pieces {
		if limit -= p.bytes; limit < 0 {
			if p.oldest == from {
				return behind, nil // what has one time goes together
			}
			return from, nil
		}
		if p.oldest != from {
			from, behind = p.oldest, from
		}
	}
	return metric.MinTime, nil
}

// cutAtOnce bounds the cuts of one group, so that they hold up no writer.
const cutAtOnce = 256

// cut removes what is not kept.
func (h *Hub) cut(ctx context.Context, u *user, all []kept) error {
	for len(all) > 0 {
		some := all[:min(len(all), cutAtOnce)]
		all = all[len(some):]
		err := h.do(ctx, u, func(g *group) error {
			m := u.model
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, k := range some {
				n := k.node
				if n.series != k.series || n.kind == 0 {
					continue // deleted
				}
				g.batch.Cuts = append(g.batch.Cuts, store.Cut{Series: k.series, Before: k.from})
				left := n.stored
				left.sub(k.gone)
				before := n.stored
				m.settle(n, tally{max(0, left.samples), max(0, left.bytes)}, n.counted)
				g.undo = append(g.undo, func() {
					m.mu.Lock()
					defer m.mu.Unlock()
					m.settle(n, before, false)
				})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
