package hub

import (
	"context"

	"go.uber.org/zap"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// history is the answer to one request_data: pages from the newest row to the oldest.
type history struct {
	conn   *conn
	irt    wire.Seq
	owner  *user
	uri    metric.URI // local to the owner
	name   metric.URI // as the reader writes it
	kind   metric.Kind
	series uint64

	from, to       metric.TimeUUID // the range, in order
	asStart, asEnd metric.TimeUUID // the bounds as they were sent: the first page ends and the last begins with them
	left           int             // rows still asked for, -1 for no limit
	pageRows       int             // at most in one page
	first          bool
}

const (
	pageNumbers = 1000
	pageTexts   = 100
)

// history executes request_data on the reader's goroutine: its pages hold up the requests behind it and nobody else.
func (c *conn) history(r *wire.Request) {
	q, answer := c.newHistory(r)
	c.answer(r, answer)
	if q != nil {
		q.run()
	}
}

func (c *conn) newHistory(r *wire.Request) (*history, wire.Response) {
	h, me, a := c.hub, c.session.agent.user, c.session.agent
	owner := me
	if name := r.URI.Owner(); name != "" && name != me.name {
		if owner = h.directory.user(name); owner == nil {
			return nil, refusal(wire.StatusDenied, 201604, reasonOperation+string(r.URI))
		}
	}
	uri := r.URI.Local()
	kind, series := owner.model.look(uri)
	if err := h.committerOf(owner).barrier(); err != nil {
		return nil, unavailable
	}
	if !h.directory.authorize(me, a, owner, uri) {
		return nil, refusal(wire.StatusDenied, byKind(kind, 52401, 52060, 52030), reasonDenied)
	}
	if kind == 0 {
		return nil, refusal(wire.StatusNotFound, 201600, "uri "+string(r.URI)+" does not exist")
	}
	q := &history{
		conn: c, irt: r.Seq, owner: owner, uri: uri, name: uri, kind: kind, series: series,
		from: metric.MinTime, to: metric.MaxTime, left: -1, pageRows: pageNumbers, first: true,
	}
	if owner != me {
		q.name = uri.Global(owner.name)
	}
	if kind == metric.KindDatasource {
		q.pageRows = pageTexts
	}
	if r.Start != nil {
		q.from = *r.Start
	}
	if r.End != nil {
		q.to = *r.End
	}
	q.asStart, q.asEnd = q.from, q.to
	// Only the instants are compared: bounds of one instant stay as they are, even if that range is empty.
	if q.from.Ticks() > q.to.Ticks() {
		q.from, q.to = q.to, q.from
	}
	if r.Count != nil && *r.Count > 0 {
		q.left = *r.Count
	}
	return q, accepted
}

// run writes the pages. The row at a border is in both pages, and counts in both.
func (q *history) run() {
	upper := q.to
	for {
		version := q.conn.hub.directory.version.Load()
		a := q.conn.session.agent
		if !q.conn.hub.directory.authorize(a.user, a, q.owner, q.uri) {
			q.conn.out.send(entry{frame: q.empty(upper)})
			return
		}
		frame, oldest, full, err := q.page(upper)
		if err != nil {
			q.conn.hub.log.Error("history cannot be read", zap.Error(err))
			q.conn.closeWith(closeUnavailable, "")
			return
		}
		more := full && q.left != 0
		border := upper
		q.conn.out.send(entry{frame: frame, version: version, again: func() []byte {
			if q.conn.hub.directory.authorize(a.user, a, q.owner, q.uri) {
				return frame
			}
			return q.empty(border)
		}})
		if !more || !q.conn.out.wait() {
			return
		}
		upper, q.first = oldest, false
	}
}

// page returns the page whose newest row is at or before upper, and whether it is full: then another may follow.
func (q *history) page(upper metric.TimeUUID) (frame []byte, oldest metric.TimeUUID, full bool, err error) {
	h := q.conn.hub
	end := upper
	if q.first {
		end = q.asEnd
	}
	p := wire.BeginPage(nil, h.seqs.Next(), q.irt, q.name, q.kind, end)
	most := q.pageRows
	if q.left >= 0 {
		most = min(most, q.left)
	}
	var damaged error
	err = h.store.Samples(context.Background(), q.series, q.from, upper, func(t metric.TimeUUID, content []byte) bool {
		v, err := valueOf(q.kind, content)
		if err != nil {
			damaged = err
			return false
		}
		if !p.Row(t, v, pageBytes) {
			full = true
			return false
		}
		oldest = t
		full = p.Rows() == most
		return !full
	})
	if err == nil {
		err = damaged
	}
	if err == nil {
		// What was read may be of a group that is not synced yet.
		err = h.committerOf(q.owner).barrier()
	}
	if err != nil {
		return nil, oldest, false, err
	}
	if q.left >= 0 {
		q.left -= p.Rows()
	}
	start := oldest
	if !full || q.left == 0 {
		start = q.asStart // the last page: agents wait for the bound that they asked for
	}
	return p.End(start), oldest, full, nil
}

// empty ends an answer whose reader has lost the right to the rest.
func (q *history) empty(upper metric.TimeUUID) []byte {
	p := wire.BeginPage(nil, q.conn.hub.seqs.Next(), q.irt, q.name, q.kind, upper)
	return p.End(q.asStart)
}
