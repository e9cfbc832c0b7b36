package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

// session is what a login's sockets share, one after the other: its hooks. It outlives its socket, and a restart of
// the hub, for Config.OrphanLife.
type session struct {
	id    string
	agent *agent
	conn  atomic.Pointer[conn] // the socket that gets the notifications, nil while orphaned

	mu       sync.Mutex
	hooks    map[*node]*hook
	orphaned time.Time // since when, where conn is nil
	ended    bool      // takes no hooks any more
}

func newSession(id string, a *agent, now time.Time) *session {
	return &session{id: id, agent: a, hooks: map[*node]*hook{}, orphaned: now}
}

// attach makes a socket the current one of its cookie's session; false once the hub is closing.
func (h *Hub) attach(c *cookie, x *conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	s := h.sessions[c.session]
	if s == nil {
		s = newSession(c.session, c.agent, h.config.now())
		h.sessions[c.session] = s
	}
	x.session = s
	s.conn.Store(x) // the last one wins; an earlier socket stays open and gets answers only
	h.conns[x] = true
	return true
}

// detach forgets a socket. The session is orphaned only if the socket is still its current one.
func (h *Hub) detach(x *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, x)
	s := x.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.CompareAndSwap(x, nil) {
		s.orphaned = h.config.now()
	}
}

// matching returns the sockets whose session matches.
func (h *Hub) matching(match func(*session) bool) (found []*conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := range h.conns {
		if match(x.session) {
			found = append(found, x)
		}
	}
	return found
}

// closeSockets denies the matching sockets and returns when nothing more is written to them.
func (h *Hub) closeSockets(match func(*session) bool) {
	conns := h.matching(match)
	var all sync.WaitGroup
	for _, x := range conns {
		all.Go(x.deny) // a stalled socket takes its time, until quiesce cuts it
	}
	quiesce(conns)
	all.Wait()
}

// quiesce returns when no matching socket writes what was authorised before the call.
func (h *Hub) quiesce(match func(*session) bool) { quiesce(h.matching(match)) }

func quiesce(conns []*conn) {
	deadline := time.Now().Add(time.Second)
	var all sync.WaitGroup
	for _, x := range conns {
		all.Go(func() {
			if !x.out.quiesce(deadline) {
				x.cut()
			}
		})
	}
	all.Wait()
}

// dropSessions ends the matching sessions: their hooks are deleted.
func (h *Hub) dropSessions(match func(*session) bool) {
	h.mu.Lock()
	var ended []*session
	for id, s := range h.sessions {
		if match(s) {
			delete(h.sessions, id)
			ended = append(ended, s)
		}
	}
	h.mu.Unlock()
	byOwner := map[*user][]*hook{}
	for _, s := range ended {
		s.mu.Lock()
		s.ended = true
		for _, x := range s.hooks {
			byOwner[x.node.owner] = append(byOwner[x.node.owner], x)
		}
		s.mu.Unlock()
	}
	for owner, hooks := range byOwner {
		err := h.do(context.Background(), owner, func(g *group) error {
			for _, x := range hooks {
				g.unhook(x)
			}
			return nil
		})
		if err != nil {
			h.log.Warn("hooks of ended sessions stay stored", zap.Error(err))
		}
	}
}

// sweepSessions ends the sessions that have been orphaned for too long.
func (h *Hub) sweepSessions(now time.Time) {
	h.dropSessions(func(s *session) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.conn.Load() == nil && now.Sub(s.orphaned) >= h.config.OrphanLife
	})
}

// hook adds a session's hook of a node, if it has none.
func (g *group) hook(owner *user, s *session, n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks[n] != nil || s.ended {
		return
	}
	g.hub.listenTo(owner)
	x := &hook{session: s, node: n, since: owner.model.position}
	s.hooks[n] = x
	n.hooks = append(n.hooks, x)
	g.batch.Put(x.record())
	g.undo = append(g.undo, func() { owner.model.dropHook(x) })
}

// unhook removes a hook.
func (g *group) unhook(x *hook) {
	m := x.node.owner.model
	if !m.dropHook(x) {
		return
	}
	for _, other := range x.node.hooks {
		if other.session.id == x.session.id {
			return // the session was dropped and has come back: the record is the new one's
		}
	}
	g.batch.Delete(store.TableHooks, hookKey(x))
	g.undo = append(g.undo, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		n := m.at(x.node.uri)
		n.hooks = append(n.hooks, x)
		x.node = n
		x.session.mu.Lock()
		defer x.session.mu.Unlock()
		x.session.hooks[n] = x
	})
}

// dropHook takes a hook out of the model and its session, and reports whether it was there.
func (m *model) dropHook(x *hook) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	x.session.mu.Lock()
	defer x.session.mu.Unlock()
	if x.session.hooks[x.node] != x {
		return false
	}
	delete(x.session.hooks, x.node)
	kept := make([]*hook, 0, len(x.node.hooks))
	for _, other := range x.node.hooks {
		if other != x {
			kept = append(kept, other)
		}
	}
	x.node.hooks = kept
	m.prune(x.node)
	return true
}
