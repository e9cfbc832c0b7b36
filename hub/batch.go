package hub

import (
	"fmt"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// sendBatch executes send_batch: the samples of many times, all or none. Each time is a message of its own, with its
// position and its notification, as if each had been sent alone.
func (r *request) sendBatch(g *group, m *model) wire.Response {
	sends := r.req.Sends
	checked := make([][]write, len(sends))
	made := map[metric.URI]metric.Kind{}
	for i := range sends {
		writes, refused := checkMulti(g, m, sends[i].Items, made, nil)
		if refused.Status != 0 {
			return ofPart(i, refused)
		}
		for j := range writes {
			if writes[j].isNew {
				made[writes[j].uri] = writes[j].value.Kind()
			}
		}
		checked[i] = writes
	}
	before, position := g.mark(), m.position
	for i, writes := range checked {
		if refused := g.admit(m, writes); refused.Status != 0 {
			g.backTo(before)
			m.mu.Lock()
			m.position = position
			m.mu.Unlock()
			r.notices = nil
			return ofPart(i, refused)
		}
		if len(writes) > 0 {
			r.store(g, m, sends[i].Time, writes)
		}
	}
	return executed
}

// ofPart says which part of a batch a refusal is of.
func ofPart(i int, r wire.Response) wire.Response {
	r.Reason = fmt.Sprintf("sends[%d]: %s", i, r.Reason)
	return r
}
