package hub

import (
	"encoding/binary"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// notice is an accepted message on its way to the sessions that hooked its metrics. It is shared by all of them and
// immutable once it is complete.
type notice struct {
	owner    *user
	position uint64
	via      []metric.Origin
	time     metric.TimeUUID
	items    []wire.RequestItem // uris local to the owner
	hooks    [][]*hook          // of each item, as they were when the message was executed
	hooked   bool               // one of them is not empty
}

func (n *notice) add(at *node, v metric.Value) {
	n.items = append(n.items, wire.RequestItem{URI: at.uri, Kind: v.Kind(), Value: v})
	n.hooks = append(n.hooks, at.hooks)
	n.hooked = n.hooked || len(at.hooks) > 0
}

// order puts texts before numbers, as every reader does, and reports whether anybody is to be notified. The message
// came in that order by its own types, but the types of the metrics prevail.
func (n *notice) order() bool {
	if n == nil || !n.hooked {
		return false
	}
	var items []wire.RequestItem
	var hooks [][]*hook
	for _, kind := range [...]metric.Kind{metric.KindDatasource, metric.KindDatapoint} {
		for i := range n.items {
			if n.items[i].Kind == kind {
				items, hooks = append(items, n.items[i]), append(hooks, n.hooks[i])
			}
		}
	}
	n.items, n.hooks = items, hooks
	return true
}

// frame returns the notification of some items for a session: local names for the owner's own.
func (n *notice) frame(h *Hub, s *session, which []int) []byte {
	owner := n.owner.name
	if s.agent.user == n.owner {
		owner = ""
	}
	items := n.items
	if len(which) != len(n.items) {
		items = make([]wire.RequestItem, len(which))
		for i, j := range which {
			items[i] = n.items[j]
		}
	}
	return wire.AppendNotification(nil, h.seqs.Next(), n.time, n.via, n.position, owner, items)
}

// allowed returns those of the items that the session may read now.
func (n *notice) allowed(h *Hub, s *session, which []int) []int {
	var kept []int
	for _, i := range which {
		if h.directory.authorize(s.agent.user, s.agent, n.owner, n.items[i].URI) {
			kept = append(kept, i)
		}
	}
	return kept
}

// may returns the verdict on a hook, from its cache where no right has changed since. Only the owner's committer may
// call it.
func (x *hook) may(h *Hub, version uint64) bool {
	if x.version != version {
		s := x.session
		x.allowed = h.directory.authorize(s.agent.user, s.agent, x.node.owner, x.node.uri)
		x.version = version
	}
	return x.allowed
}

// firstItem is the items of nearly every notification.
var firstItem = []int{0}

// push queues a notice for every session that hooked one of its metrics, and may read it: one notification a
// session, with exactly its metrics. Sessions that get the same share the frame.
func (g *group) push(n *notice) {
	h := g.hub
	version := h.directory.version.Load()
	if len(n.items) == 1 {
		var local, global []byte
		for _, x := range n.hooks[0] {
			if to := x.session.conn.Load(); to != nil && x.may(h, version) {
				frame := &global
				if x.session.agent.user == n.owner {
					frame = &local
				}
				if *frame == nil {
					*frame = n.frame(h, x.session, firstItem)
				}
				to.out.push(entry{frame: *frame, notice: n, which: firstItem, version: version}, &g.touched)
			}
		}
		return
	}
	g.pushMany(n, version)
}

func (g *group) pushMany(n *notice, version uint64) {
	h := g.hub
	var order []*session // so that the sessions get theirs in a stable order
	which := map[*session][]int{}
	for i, hooks := range n.hooks {
		for _, x := range hooks {
			if x.session.conn.Load() == nil || !x.may(h, version) {
				continue
			}
			if which[x.session] == nil {
				order = append(order, x.session)
			}
			which[x.session] = append(which[x.session], i)
		}
	}
	frames := map[string][]byte{}
	var key []byte
	for _, s := range order {
		to := s.conn.Load()
		if to == nil {
			continue
		}
		items := which[s]
		key = append(key[:0], byte(0))
		if s.agent.user == n.owner {
			key[0] = 1
		}
		for _, i := range items {
			key = binary.AppendUvarint(key, uint64(i))
		}
		frame := frames[string(key)]
		if frame == nil {
			frame = n.frame(h, s, items)
			frames[string(key)] = frame
		}
		to.out.push(entry{frame: frame, notice: n, which: items, version: version}, &g.touched)
	}
}
