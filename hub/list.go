package hub

import (
	"context"
	"slices"
	"strings"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// listed is a metric of a page of list_uris.
type listed struct {
	uri      metric.URI // local
	kind     metric.Kind
	series   uint64
	supplies []metric.URI
}

// list answers list_uris.
func (c *conn) list(r *wire.Request) {
	h, a := c.hub, c.session.agent
	// The version first: rights that change from now on are looked at again when the page is written.
	version := h.directory.version.Load()
	owner, prefix := c.ownerNamed(r.URI.Owner()), r.URI.Local()
	if owner == nil || !h.directory.authorize(a.user, a, owner, prefix) {
		c.answer(r, refusal(wire.StatusDenied, codeListDenied, reasonDenied))
		return
	}
	page, err := c.listPage(r, owner, prefix)
	if err != nil {
		c.failed(r, err)
		return
	}
	seq := r.Seq
	c.answer(r, accepted)
	c.out.send(entry{frame: page, version: version, again: func() []byte {
		if h.directory.authorize(a.user, a, owner, prefix) {
			return page
		}
		empty := wire.BeginList(nil, wire.ActionListURIs, h.seqs.Next(), seq, pageBytes)
		return empty.EndMore(false)
	}})
}

// listPage returns a page of an owner's metrics at prefix and below it.
func (c *conn) listPage(r *wire.Request, owner *user, prefix metric.URI) ([]byte, error) {
	h := c.hub
	limit := wire.MaxPage
	if r.Limit > 0 {
		limit = r.Limit
	}
	found, more := owner.model.listing(prefix, r.After.Local(), limit)
	l := wire.BeginList(nil, wire.ActionListURIs, h.seqs.Next(), r.Seq, pageBytes)
	for i := range found {
		x := &found[i]
		e := wire.Entry{URI: x.uri, Kind: x.kind, Supplies: x.supplies}
		if owner != c.session.agent.user {
			e.URI = x.uri.Global(owner.name)
		}
		var damaged error
		err := h.store.Samples(context.Background(), x.series, metric.MinTime, metric.MaxTime,
			func(t metric.TimeUUID, content []byte) bool {
				if e.Last = t; x.kind == metric.KindDatapoint {
					e.Value, damaged = valueOf(x.kind, content)
				}
				return false
			})
		if err == nil {
			err = damaged
		}
		if err != nil {
			return nil, err
		}
		if !l.Entry(&e) {
			more = true
			break
		}
	}
	// What was read may be of a group that is not synced yet.
	if err := h.committerOf(owner).barrier(); err != nil {
		return nil, err
	}
	return l.EndMore(more), nil
}

// listing returns up to limit of the metrics at prefix and below it, all for "", behind after, sorted by uri, and
// whether there are more.
func (m *model) listing(prefix, after metric.URI, limit int) (found []listed, more bool) {
	index := m.sorted()
	m.mu.RLock()
	defer m.mu.RUnlock()
	take := func(uri metric.URI) bool {
		n := m.nodes[uri]
		if n == nil || n.kind == 0 {
			return true // deleted since
		}
		if more = len(found) == limit; more {
			return false
		}
		found = append(found, listed{n.uri, n.kind, n.series, n.supplies})
		return true
	}
	from, below := metric.URI(""), ""
	if prefix != "" {
		// Metrics like prefix-x stand between prefix and those below it.
		if prefix > after && !take(prefix) {
			return found, more
		}
		below = string(prefix) + "."
		from = metric.URI(below)
	}
	i, exact := slices.BinarySearch(index, max(from, after))
	if exact {
		i++
	}
	for ; i < len(index) && strings.HasPrefix(string(index[i]), below) && take(index[i]); i++ {
	}
	return found, more
}

// sorted returns the uris of all metrics, sorted. The slice must not be written to.
func (m *model) sorted() []metric.URI {
	m.mu.RLock()
	index, changes := m.index, m.changes
	if index == nil {
		index = make([]metric.URI, 0, len(m.nodes))
		for uri, n := range m.nodes {
			if n.kind != 0 {
				index = append(index, uri)
			}
		}
		m.mu.RUnlock()
		slices.Sort(index)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.changes == changes {
			m.index = index
		}
		return index
	}
	m.mu.RUnlock()
	return index
}
