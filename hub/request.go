package hub

import (
	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// request is one request of a socket that changes something, on its way through a committer. It is a [job].
type request struct {
	conn    *conn
	decoder wire.Decoder // owns what req points to
	req     *wire.Request
	size    int // bytes of its frame

	answer  wire.Response
	notices []*notice

	// Where tracked is set, the request's sequence is remembered: instant of source.
	tracked bool
	source  seenKey
	instant metric.Ticks
}

// Answers that need no detail.
var (
	executed = wire.Response{Status: wire.StatusExecuted}
	// The reason is never null in a refusal: some agents fail on that.
	unavailable = wire.Response{Status: wire.StatusUnavailable, Reason: "service temporarily unavailable"}
)

func refusal(status, code int, reason string) wire.Response {
	return wire.Response{Status: status, Code: code, Reason: reason}
}

const (
	reasonForeign     = "Cannot modify other user's uris"
	reasonForeignInfo = "Access denied to other user's uris"
	reasonDenied      = "msg exec denied"
	reasonOperation   = "operation not allowed on this uri: "
)

// ownURI returns the uri local to the user, and false where it is another user's.
func ownURI(uri metric.URI, u *user) (metric.URI, bool) {
	local := uri.For(u.name)
	return local, local.IsLocal()
}

func (r *request) execute(g *group) {
	u := r.conn.session.agent.user
	switch r.req.Action {
	case wire.ActionSendDpData, wire.ActionSendDsData, wire.ActionSendMultiData, wire.ActionSendBatch,
		wire.ActionDeleteURI:
		r.once(g, u.model)
	case wire.ActionSendDsInfo:
		r.answer = r.info(g, u.model)
	case wire.ActionHookToURI:
		r.answer = r.hook(g)
	case wire.ActionUnhookFromURI:
		r.answer = r.unhook(g)
	default:
		r.answer = refusal(wire.StatusProtocol, wire.CodeUnsupportedAction, "unsupported action: "+r.req.Action.String())
	}
}

// once executes a write unless it has been executed already: a resend is answered and nothing else. Agents that did
// not announce our additions choose a new node for each sequence, which would be a table without end.
func (r *request) once(g *group, m *model) {
	key, t, ok := seenOf(r.conn.session.agent, r.req.Seq)
	ok = ok && r.conn.resends()
	before := m.seen[key]
	if ok && before.executed(t) {
		r.answer = executed
		return
	}
	r.tracked, r.source, r.instant = ok, key, t
	switch r.req.Action {
	case wire.ActionDeleteURI:
		r.answer = r.remove(g, m)
	case wire.ActionSendBatch:
		r.answer = r.sendBatch(g, m)
	default:
		r.answer = r.send(g, m)
	}
	if !ok {
		return
	}
	after := before.with(t, r.answer.Status != wire.StatusExecuted)
	m.seen[key] = after
	g.batch.Put(recordOf(key, after))
	g.undo = append(g.undo, func() {
		if before == nil {
			delete(m.seen, key)
		} else {
			m.seen[key] = before
		}
	})
}

// vain notes that a request was not executed after all. Its sequence counts as refused: once a later one of its
// source is executed, it would pass for executed itself, and who missed the answer would send it again in vain. It is
// stored with that later one; without it, the store knows neither.
func (r *request) vain() {
	if r.tracked {
		m := r.conn.session.agent.user.model
		m.seen[r.source] = m.seen[r.source].with(r.instant, true)
	}
}

func (r *request) fail() {
	r.answer, r.notices = refusal(wire.StatusInternal, 1, "internal error"), nil
	r.vain()
}

func (r *request) finish(g *group, err error) {
	if err != nil {
		r.answer, r.notices = unavailable, nil
		r.vain()
	}
	g.hub.measured.frame(r.req.Action, r.answer.Status)
	frame := wire.AppendResponse(make([]byte, 0, 256), g.hub.seqs.Next(), r.req.Seq, r.answer)
	r.conn.out.answer(entry{frame: frame}, &g.touched)
	for _, n := range r.notices {
		g.push(n)
	}
	r.conn.landed(r.size)
	r.release()
}

// release gives the request's memory back.
func (r *request) release() {
	r.conn, r.req, r.notices, r.size, r.tracked = nil, nil, nil, 0, false
	r.decoder.Release()
	requests.Put(r)
}

// remove is delete_uri.
func (r *request) remove(g *group, m *model) wire.Response {
	uri, own := ownURI(r.req.URI, m.owner)
	if !own {
		return refusal(wire.StatusDenied, codeDeleteForeign, reasonForeign)
	}
	if !g.delete(m, uri, r.req.Kind) {
		return refusal(wire.StatusNotFound, codeDeleteMissing, "uri "+string(r.req.URI)+" does not exist")
	}
	return executed
}

// Error numbers of delete_uri, which the original protocol does not have.
const (
	codeDeleteForeign = 202652
	codeDeleteMissing = 202651
)

// delete removes a metric and its samples. Its hooks become pending. A kind other than 0 is the only one that may
// take its place for a while, so that a late resend of the old one does not.
func (g *group) delete(m *model, uri metric.URI, next metric.Kind) bool {
	n := m.nodes[uri]
	if n == nil || n.kind == 0 {
		return false
	}
	before := *n
	g.batch.Delete(store.TableMetrics, metricKey(m.owner, n.uri))
	g.batch.Drop = append(g.batch.Drop, n.series)
	m.mu.Lock()
	m.remove(n)
	m.mu.Unlock()
	reserved, had := m.reserved[n.uri]
	if next != 0 {
		m.reserved[n.uri] = reservation{next, g.now.Add(reservationLife)}
	}
	g.undo = append(g.undo, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.create(before.uri, before.kind, before.series).supplies = before.supplies
		delete(m.reserved, before.uri)
		if had {
			m.reserved[before.uri] = reserved
		}
	})
	return true
}

// info is send_ds_info: what may be recognised inside a text. The hub keeps it and does nothing with it.
func (r *request) info(g *group, m *model) wire.Response {
	uri, own := ownURI(r.req.URI, m.owner)
	if !own {
		return refusal(wire.StatusDenied, 201152, reasonForeignInfo)
	}
	n := m.nodes[uri]
	switch {
	case n == nil || n.kind == 0 && n.below == 0:
		return refusal(wire.StatusNotFound, 201151, "resource not found")
	case n.kind != metric.KindDatasource:
		return refusal(wire.StatusDenied, 201150, "URI is not a datasource")
	case r.req.Supplies == nil:
		return executed
	}
	before := n.supplies
	n.supplies = cloneURIs(r.req.Supplies)
	g.batch.Put(n.record())
	g.undo = append(g.undo, func() {
		if n := m.nodes[uri]; n != nil {
			n.supplies = before
		}
	})
	return executed
}

// subscription returns the owner and the local uri of a hook or unhook, or nil for an unknown owner.
func (r *request) subscription() (owner *user, local metric.URI) {
	me := r.conn.session.agent.user
	if name := r.req.URI.Owner(); name != "" && name != me.name {
		return r.conn.hub.directory.user(name), r.req.URI.Local()
	}
	return me, r.req.URI.Local()
}

func (r *request) hook(g *group) wire.Response {
	owner, uri := r.subscription()
	if owner == nil {
		return refusal(wire.StatusDenied, 201402, reasonOperation+string(r.req.URI))
	}
	s, m := r.conn.session, owner.model
	kind := m.kindOf(uri)
	if !g.hub.directory.authorize(s.agent.user, s.agent, owner, uri) {
		return refusal(wire.StatusDenied, byKind(kind, 52411, 52360, 52370), reasonDenied)
	}
	if len(uri) > longestName {
		return refusal(wire.StatusDenied, 201401, nameTooLong(uri))
	}
	m.mu.Lock()
	n := m.at(uri)
	m.mu.Unlock()
	g.hook(owner, s, n)
	if kind == 0 {
		return refusal(wire.StatusNotFound, 201400, "Operation registered, but uri does not exist yet")
	}
	return wire.Response{Status: wire.StatusExecuted, Reason: "Hooked successfully"}
}

func (r *request) unhook(g *group) wire.Response {
	owner, uri := r.subscription()
	if owner == nil {
		return refusal(wire.StatusDenied, 201502, reasonOperation+string(r.req.URI))
	}
	s, m := r.conn.session, owner.model
	kind := m.kindOf(uri)
	if !g.hub.directory.authorize(s.agent.user, s.agent, owner, uri) {
		return refusal(wire.StatusDenied, byKind(kind, 52421, 52380, 52390), reasonDenied)
	}
	if n := m.nodes[uri]; n != nil {
		s.mu.Lock()
		x := s.hooks[n]
		s.mu.Unlock()
		if x != nil {
			g.unhook(x)
		}
	}
	if kind == 0 {
		return wire.Response{Status: wire.StatusExecuted, Reason: "Unhooked"}
	}
	return executed
}

// byKind chooses an error number by what the uri holds.
func byKind(kind metric.Kind, nothing, datapoint, datasource int) int {
	switch kind {
	case metric.KindDatapoint:
		return datapoint
	case metric.KindDatasource:
		return datasource
	}
	return nothing
}
