package hub

import (
	"context"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// logPage is what a page of since is made of.
type logPage struct {
	owner    *user
	irt      wire.Seq
	arrivals []store.Arrival
	newest   uint64 // position in the log
	next     uint64 // where to go on if no arrival is in the page
	complete bool
}

// since answers since.
func (c *conn) since(r *wire.Request) {
	h, a := c.hub, c.session.agent
	// The version first: rights that change from now on are looked at again when the page is written.
	version := h.directory.version.Load()
	owner := c.ownerNamed(r.User)
	if owner == nil || owner != a.user && !h.directory.sharesAny(owner, a.user) {
		c.answer(r, refusal(wire.StatusDenied, codeSinceDenied, reasonDenied))
		return
	}
	p, err := h.readLog(owner, r)
	if err != nil {
		c.failed(r, err)
		return
	}
	c.answer(r, accepted)
	c.out.send(entry{frame: p.frame(c), version: version, again: func() []byte { return p.frame(c) }})
}

// sharesAny reports whether an owner shares anything with a reader.
func (d *directory) sharesAny(owner, reader *user) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.shares[shareKey{owner.id, reader.id}]) > 0
}

// readLog reads what a page of since is made of.
func (h *Hub) readLog(owner *user, r *wire.Request) (*logPage, error) {
	ctx := context.Background()
	limit := wire.MaxPage
	if r.Limit > 0 {
		limit = r.Limit
	}
	p := &logPage{owner: owner, irt: r.Seq, next: r.Position}
	var err error
	if p.newest, err = h.store.Last(ctx, owner.id); err != nil {
		return nil, err
	}
	if r.Position > p.newest {
		p.next = p.newest // the position is of another log, perhaps of one that was lost
		return p, nil
	}
	if p.arrivals, err = h.store.Since(ctx, owner.id, r.Position, limit); err != nil {
		return nil, err
	}
	if p.complete, err = h.kept(ctx, owner, r.Position+1, p.arrivals); err != nil {
		return nil, err
	}
	// What was read may be of a group that is not synced yet.
	return p, h.committerOf(owner).barrier()
}

// kept reports whether the log goes back to a position, given what it returned from there on. Positions that were
// given to messages which could not be stored are in no log, so a gap alone says nothing.
func (h *Hub) kept(ctx context.Context, owner *user, position uint64, found []store.Arrival) (bool, error) {
	if len(found) == 0 || found[0].Position == position {
		return true, nil
	}
	first, err := h.store.Since(ctx, owner.id, 0, 1)
	return len(first) > 0 && first[0].Position <= position, err
}

// frame returns the page as the session may read it now.
func (p *logPage) frame(c *conn) []byte {
	h, a := c.hub, c.session.agent
	owner := p.owner.name
	if a.user == p.owner {
		owner = ""
	}
	l := wire.BeginList(nil, wire.ActionSince, h.seqs.Next(), p.irt, pageBytes)
	next := p.next
	for i := range p.arrivals {
		x := &p.arrivals[i]
		m := wire.Logged{
			Pos: x.Position, At: metric.NewTimeUUID(metric.TicksOf(x.At), metric.PlainLow), Via: x.Via, Time: x.Time,
		}
		if !x.Seq.IsZero() {
			m.Seq = wire.SeqOf(x.Seq)
		}
		for j := range x.Items {
			item := &x.Items[j]
			if !h.directory.authorize(a.user, a, p.owner, item.URI) {
				continue
			}
			if v, err := valueOf(item.Kind, []byte(item.Content)); err == nil {
				m.Items = append(m.Items, wire.RequestItem{URI: item.URI, Kind: item.Kind, Value: v})
			}
		}
		if len(m.Items) > 0 && !l.Message(&m, owner) {
			break
		}
		next = x.Position
	}
	return l.EndLog(next, p.complete, next < p.newest)
}
