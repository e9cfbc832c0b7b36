package hub

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// seenKey names a source of sequences: an agent and the clock and node that its session's sequences share.
type seenKey struct {
	agent AgentID
	low   uint64
}

// seen is what a source has had executed. Its sequences strictly increase and are sent again in order, so what is
// not above last has been executed, save the refused ones: what was refused may be asked again.
type seen struct {
	last    metric.Ticks
	refused []metric.Ticks // ascending
}

// refusedKept bounds the refusals remembered of a source: more than a socket's requests in flight, beyond which a
// resend cannot reach.
const refusedKept = 2 * flightRequests

// executed reports whether the sequence has been executed.
func (s *seen) executed(t metric.Ticks) bool {
	if s == nil || t > s.last {
		return false
	}
	_, refused := slices.BinarySearch(s.refused, t)
	return !refused
}

// with returns s after the execution, or refusal, of a sequence. s stays as it was: a failed sync goes back to it.
func (s *seen) with(t metric.Ticks, refused bool) *seen {
	next := &seen{last: t}
	if s != nil {
		next.last = max(t, s.last)
		next.refused = s.refused
	}
	i, found := slices.BinarySearch(next.refused, t)
	switch {
	case refused && !found:
		next.refused = slices.Insert(slices.Clone(next.refused), i, t)
		if over := len(next.refused) - refusedKept; over > 0 {
			next.refused = next.refused[over:]
		}
	case !refused && found:
		next.refused = slices.Delete(slices.Clone(next.refused), i, i+1)
	}
	return next
}

// seenOf returns the key and the instant of a sequence; ok is false for one that cannot be remembered.
func seenOf(a *agent, seq wire.Seq) (k seenKey, t metric.Ticks, ok bool) {
	id, ok := seq.TimeUUID()
	return seenKey{a.id, id.Low()}, id.Ticks(), ok
}

func (k seenKey) record() string {
	return string(k.agent) + string(binary.BigEndian.AppendUint64(nil, k.low))
}

func (s *seen) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{1}, uint64(s.last))
	for _, t := range s.refused {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return b
}

func decodeSeen(b []byte) (*seen, error) {
	if len(b)%8 != 1 || len(b) < 9 || b[0] != 1 {
		return nil, errRecord
	}
	s := &seen{last: metric.Ticks(binary.BigEndian.Uint64(b[1:]))}
	for b = b[9:]; len(b) > 0; b = b[8:] {
		s.refused = append(s.refused, metric.Ticks(binary.BigEndian.Uint64(b)))
	}
	return s, nil
}

// pruneSeen forgets the sources that have been silent since oldest, and beyond [sourcesKept] those silent longest.
func (g *group) pruneSeen(m *model, oldest metric.Ticks) {
	if over := len(m.seen) - sourcesKept; over > 0 {
		var last []metric.Ticks
		for _, s := range m.seen {
			last = append(last, s.last)
		}
		slices.Sort(last)
		oldest = max(oldest, last[over])
	}
	for k, s := range m.seen {
		if s.last < oldest {
			delete(m.seen, k)
			g.batch.Delete(store.TableSeen, k.record())
			g.undo = append(g.undo, func() { m.seen[k] = s })
		}
	}
}

// sourcesKept bounds the sources remembered of a user: each start of each agent is one.
const sourcesKept = 64 << 10

// loadSeen reads what the sources have had executed, and forgets those silent for [seenLife]: each start of an agent
// is a new source.
func (h *Hub) loadSeen(ctx context.Context) error {
	var old store.Batch
	oldest := metric.TicksOf(h.config.now().Add(-seenLife))
	err := h.store.Records(ctx, store.TableSeen, func(key, value []byte) error {
		s, err := decodeSeen(value)
		if err != nil || len(key) < 9 {
			return fmt.Errorf("hub: source %q: %w", key, errRecord)
		}
		cut := len(key) - 8
		a := h.directory.agents[AgentID(key[:cut])]
		if a == nil || s.last < oldest {
			old.Delete(store.TableSeen, string(key))
			return nil
		}
		a.user.model.seen[seenKey{a.id, binary.BigEndian.Uint64(key[cut:])}] = s
		return nil
	})
	if err != nil || old.Empty() {
		return err
	}
	return h.store.Commit(ctx, &old)
}
