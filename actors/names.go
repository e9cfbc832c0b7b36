package actors

import (
	"sync"

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

// lookup returns the number of the URI that a notification names.
func (n *names) lookup(uri []byte) (window.ID, bool) {
	n.mu.RLock()
	id, ok := n.ids[string(uri)]
	n.mu.RUnlock()
	return id, ok
}

// uri returns the URI of a number, as the session's user writes it.
func (n *names) uri(id window.ID) metric.URI {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.uris[id]
}
