package hub

import (
	"encoding/binary"
	"strings"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// recordNow returns a record of a data model as memory has it, or its deletion. Only the owner's committer may call it.
func (h *Hub) recordNow(table store.Table, key string) store.Record {
	gone := store.Record{Table: table, Key: key}
	if table == store.TableSeen {
		cut := len(key) - 8
		k := seenKey{AgentID(key[:cut]), binary.BigEndian.Uint64([]byte(key[cut:]))}
		h.directory.mu.RLock()
		a := h.directory.agents[k.agent]
		h.directory.mu.RUnlock()
		if a == nil || a.user.model.seen[k] == nil {
			return gone
		}
		return recordOf(k, a.user.model.seen[k])
	}
	owner := h.directory.userByID(binary.BigEndian.Uint64([]byte(key[:8])))
	if owner == nil {
		return gone
	}
	if table == store.TableDaily {
		return owner.model.dailyRecord()
	}
	uri, session, _ := strings.Cut(key[8:], "\x00")
	n := owner.model.nodes[metric.URI(uri)]
	if n == nil {
		return gone
	}
	switch table {
	case store.TableMetrics:
		if n.kind != 0 {
			return n.record()
		}
	case store.TableHooks:
		for _, x := range n.hooks {
			if x.session.id == session {
				return x.record()
			}
		}
	}
	return gone
}
