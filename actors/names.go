package actors

import (
	"sync"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// names turns the URIs of a session into small integers and back. A URI keeps its number for the session's life,
// so that a message on its way never means another metric. Safe for concurrent use: the reader looks up every item
// of every message, bindings add.
type names struct {
	user string // lower case

	mu   sync.RWMutex
	ids  map[string]window.ID // guarded by mu; keys as the hub writes them for this user
	uris []metric.URI         // guarded by mu; by window.ID
}

func newNames(user string) *names {
	return &names{user: user, ids: make(map[string]window.ID)}
}

// add returns the number of a URI, a new one if it has none.
func (n *names) add(uri metric.URI) window.ID {
	key := string(uri.For(n.user))
	n.mu.Lock()
	defer n.mu.Unlock()
	id, ok := n.ids[key]
	if !ok {
		id = window.ID(len(n.uris))
		n.ids[key] = id
		n.uris = append(n.uris, metric.URI(key))
	}
	return id
}

// find returns the number of a URI, if it has one.
func (n *names) find(uri metric.URI) (window.ID, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[string(uri.For(n.user))]
	return id, ok
}

// resolve fills rows with the items whose metrics are known, each with its value, and returns how many there are.
func (n *names) resolve(items []wire.Item, values []metric.Value, rows []impulse.Row) (known int) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for i := range items {
		if id, ok := n.ids[string(items[i].URI)]; ok {
			rows[known] = impulse.Row{ID: id, Value: values[i]}
			known++
		}
	}
	return known
}

// uri returns the URI of a number, as the session's user writes it.
func (n *names) uri(id window.ID) metric.URI {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.uris[id]
}
