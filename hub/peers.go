package hub

import (
	"slices"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

// publish tells the other hubs what a group has stored, after its own sessions.
func (g *group) publish() {
	for i := range g.batch.Arrivals {
		if err := g.hub.bus.Publish(&g.batch.Arrivals[i]); err != nil {
			g.hub.log.Warn("the other hubs were not told of a message", zap.Error(err))
			return
		}
	}
}

// listenTo hears from now on what other hubs store of an owner: somebody here has hooked a metric. Only the owner's
// committer may call it, or whoever starts the hub.
func (h *Hub) listenTo(owner *user) {
	if owner.heard {
		return
	}
	_, err := h.bus.Subscribe(owner.id, func(m *store.Arrival) {
		copied := *m // the rest of it is the publisher's again after the call
		copied.Via, copied.Items = slices.Clone(m.Via), slices.Clone(m.Items)
		h.committerOf(owner).submit(&heard{owner: owner, arrival: copied})
	})
	if err != nil {
		h.log.Warn("what other hubs store is not heard", zap.String("user", owner.name), zap.Error(err))
		return
	}
	owner.heard = true
}

// heard is a message that another hub has stored. It is a [job], so that it takes its turn among the owner's others.
type heard struct {
	owner   *user
	arrival store.Arrival
	notices []*notice
}

func (j *heard) execute(*group) {
	m, a := j.owner.model, &j.arrival
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position = max(m.position, a.Position)
	var existing, created *notice
	for i := range a.Items {
		item := &a.Items[i]
		value, err := valueOf(item.Kind, []byte(item.Content))
		if err != nil {
			continue
		}
		to := &existing
		n := m.nodes[item.URI]
		if n == nil || n.kind == 0 {
			to = &created
			n = m.create(item.URI, item.Kind, item.Series)
		}
		if *to == nil {
			*to = &notice{owner: j.owner, position: a.Position, via: a.Via, time: a.Time}
		}
		n.counted = false
		(*to).add(n, value)
	}
	for _, n := range [...]*notice{existing, created} {
		if n.order() {
			j.notices = append(j.notices, n)
		}
	}
}

func (j *heard) finish(g *group, _ error) {
	for _, n := range j.notices {
		g.push(n)
	}
}

func (j *heard) fail() { j.notices = nil }
