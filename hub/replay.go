package hub

import (
	"context"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// replayAtOnce is how many messages of the log are replayed before the queue is looked at again.
const replayAtOnce = 256

// replay writes the next messages that did not fit into the queue, read from the arrival log. It belongs to run.
func (o *outbox) replay() {
	h, s := o.conn.hub, o.conn.session
	o.mu.Lock()
	var owner *user
	var from lag
	for u, l := range o.lag {
		owner, from = u, *l
		break
	}
	if s.conn.Load() != o.conn {
		o.lag, owner = nil, nil // a newer socket has taken over
	}
	o.mu.Unlock()
	if owner == nil {
		return
	}
	ctx := context.Background()
	arrivals, err := h.store.Since(ctx, owner.id, from.next-1, replayAtOnce)
	kept := true
	if err == nil {
		kept, err = h.kept(ctx, owner, from.next, arrivals)
	}
	if err != nil {
		// The agent comes back and asks for the history; going on would leave a gap that it does not know of.
		h.log.Error("the arrival log cannot be read", zap.Error(err))
		o.conn.closeWith(closeUnavailable, "")
		return
	}
	next := from.last + 1 // unless something is left
	for i := range arrivals {
		a := &arrivals[i]
		if i == 0 && !kept {
			o.lose(owner, min(a.Position, from.last+1)-from.next)
		}
		if a.Position > from.last {
			break // perhaps not synced yet, and not needed
		}
		if n, which := s.noticeOf(owner, a); n != nil && !o.writeReplayed(n, which) {
			return
		}
		next = a.Position + 1
	}
	if len(arrivals) == 0 {
		o.lose(owner, from.last-from.next+1)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.lag[owner]; l != nil {
		if l.next = next; l.next > l.last {
			delete(o.lag, owner)
		}
	}
}

// lose counts messages that the log holds no more.
func (o *outbox) lose(owner *user, n uint64) {
	o.conn.hub.stats.lost.Add(n)
	o.conn.hub.log.Warn("a slow subscriber missed messages that are no longer in the arrival log",
		zap.String("user", o.conn.session.agent.user.name), zap.String("owner", owner.name), zap.Uint64("messages", n))
}

func (o *outbox) writeReplayed(n *notice, which []int) bool {
	h := o.conn.hub
	version := h.directory.version.Load()
	if which = n.allowed(h, o.conn.session, which); len(which) == 0 {
		return true
	}
	e := entry{frame: n.frame(h, o.conn.session, which), notice: n, which: which, version: version}
	h.stats.replayed.Add(1)
	o.mu.Lock()
	o.pushes += len(e.frame)
	o.mu.Unlock()
	return o.write([]entry{e})
}

// noticeOf returns an arrival as the notice that a session would have got, nil where it has none of the metrics
// hooked, or hooked them later.
func (s *session) noticeOf(owner *user, a *store.Arrival) (*notice, []int) {
	n := &notice{owner: owner, position: a.Position, via: a.Via, time: a.Time}
	m := owner.model
	for i := range a.Items {
		item := &a.Items[i]
		m.mu.RLock()
		at := m.nodes[item.URI]
		m.mu.RUnlock()
		s.mu.Lock()
		x := s.hooks[at]
		s.mu.Unlock()
		if x == nil || x.since >= a.Position {
			continue
		}
		v, err := valueOf(item.Kind, []byte(item.Content))
		if err != nil {
			continue
		}
		n.items = append(n.items, wire.RequestItem{URI: item.URI, Kind: item.Kind, Value: v})
		n.hooks = append(n.hooks, []*hook{x})
		n.hooked = true
	}
	if !n.order() {
		return nil, nil
	}
	which := make([]int, len(n.items))
	for i := range which {
		which[i] = i
	}
	return n, which
}

// valueOf returns stored content as a value.
func valueOf(kind metric.Kind, content []byte) (metric.Value, error) {
	if kind == metric.KindDatapoint {
		return metric.ParseNumber(string(content))
	}
	return metric.TextOf(string(content))
}
