package hub

import (
	"strings"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// write is one sample that has passed the checks.
type write struct {
	uri   metric.URI // local
	value metric.Value
	isNew bool
}

// send executes a write of one or many samples: all of them or none.
func (r *request) send(g *group, m *model) wire.Response {
	var one [1]write
	writes := one[:0]
	var refused wire.Response
	if r.req.Action == wire.ActionSendMultiData {
		writes, refused = checkMulti(g, m, r.req.Items, nil, writes)
	} else {
		writes, refused = r.checkOne(g, m, writes)
	}
	if refused.Status != 0 {
		return refused
	}
	if refused := g.admit(m, writes); refused.Status != 0 {
		return refused
	}
	if len(writes) > 0 {
		r.store(g, m, r.req.Time, writes)
	}
	return executed
}

func (r *request) checkOne(g *group, m *model, writes []write) ([]write, wire.Response) {
	foreign, otherType, reason := 201202, 201200, "uri is not a datapoint"
	if r.req.Kind == metric.KindDatasource {
		foreign, otherType, reason = 201102, 201100, "uri is not a datasource"
	}
	uri, own := ownURI(r.req.URI, m.owner)
	if !own {
		return nil, refusal(wire.StatusDenied, foreign, reasonForeign)
	}
	if kind := m.expected(uri, g.now); kind != 0 && kind != r.req.Kind {
		return nil, refusal(wire.StatusDenied, otherType, reason)
	}
	return append(writes, write{uri, stored(r.req.Value), m.kindOf(uri) == 0}), wire.Response{}
}

// checkMulti checks the items of one time in their order. The type of a metric that exists prevails over the item's;
// made holds those that exist only once what the request says before is stored.
func checkMulti(g *group, m *model, items []wire.RequestItem, made map[metric.URI]metric.Kind, writes []write) ([]write,
	wire.Response) {
	var fresh map[metric.URI]bool
	twice := false
	for i := range items {
		item := &items[i]
		uri, own := ownURI(item.URI, m.owner)
		if !own {
			return nil, refusal(wire.StatusDenied, 201309, reasonForeign)
		}
		kind, before := made[uri]
		if !before {
			kind = m.expected(uri, g.now)
		}
		value, ok := as(kind, item.Value)
		if !ok {
			return nil, refusal(wire.StatusProtocol, 201308, "uri content not valid: "+string(item.URI))
		}
		isNew := !before && m.kindOf(uri) == 0
		if isNew {
			if fresh == nil {
				fresh = map[metric.URI]bool{}
			}
			twice = twice || fresh[uri]
			fresh[uri] = true
		}
		writes = append(writes, write{uri, stored(value), isNew})
	}
	if twice {
		return nil, refusal(wire.StatusExecution, 6003, "msg exec error")
	}
	return writes, wire.Response{}
}

// as returns the value as one of a metric of the given kind; 0 is any.
func as(kind metric.Kind, v metric.Value) (metric.Value, bool) {
	if kind == 0 || kind == v.Kind() {
		return v, true
	}
	if kind == metric.KindDatapoint {
		number, err := metric.ParseNumber(v.String())
		return number, err == nil
	}
	return v, false
}

// stored returns the value as the store keeps it: zero has no sign there.
func stored(v metric.Value) metric.Value {
	if v.Kind() != metric.KindDatapoint {
		return v
	}
	text := v.String()
	if !strings.HasPrefix(text, "-") {
		return v
	}
	digits, _, _ := strings.Cut(text, "E")
	if strings.Trim(digits, "-0.") != "" {
		return v
	}
	zero, err := metric.ParseNumber(text[1:])
	if err != nil {
		return v // cannot be: a number without its sign is a number
	}
	return zero
}

// store applies writes to the model and notes them in the group: metrics that are created, samples, the arrival, and
// whom to notify. Those of new metrics are notified apart.
func (r *request) store(g *group, m *model, t metric.TimeUUID, writes []write) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position++
	position := m.position
	arrival := store.Arrival{
		Owner: m.owner.id, Position: position, At: g.now, Time: t,
		Via: append([]metric.Origin(nil), r.req.Via...), Items: make([]store.Item, len(writes)),
	}
	arrival.Seq, _ = r.req.Seq.TimeUUID()
	var existing, created *notice
	for i := range writes {
		w := &writes[i]
		to := &existing
		n := m.nodes[w.uri]
		if w.isNew {
			to = &created
			n = g.create(m, w.uri, w.value.Kind())
		}
		content := w.value.String()
		m.count(n, t, len(content))
		g.batch.Samples = append(g.batch.Samples, store.Sample{Series: n.series, Time: t, Content: content})
		arrival.Items[i] = store.Item{Series: n.series, URI: n.uri, Kind: n.kind, Content: content}
		if *to == nil {
			*to = &notice{owner: m.owner, position: position, via: arrival.Via, time: t}
		}
		(*to).add(n, w.value)
	}
	g.batch.Arrivals = append(g.batch.Arrivals, arrival)
	g.hub.stats.messages.Add(1)
	g.hub.stats.samples.Add(uint64(len(writes)))
	for _, n := range [...]*notice{existing, created} {
		if n.order() {
			r.notices = append(r.notices, n)
		}
	}
}

// create makes a metric, to be stored with the group. The caller holds m.mu.
func (g *group) create(m *model, uri metric.URI, kind metric.Kind) *node {
	n := m.create(uri, kind, g.hub.series.Add(1))
	n.counted = true
	reserved, had := m.reserved[n.uri]
	delete(m.reserved, n.uri)
	g.batch.Put(n.record())
	g.undo = append(g.undo, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.remove(m.nodes[n.uri])
		if had {
			m.reserved[n.uri] = reserved
		}
	})
	return n
}

func cloneURIs(uris []metric.URI) []metric.URI {
	cloned := make([]metric.URI, len(uris))
	for i, u := range uris {
		cloned[i] = metric.URI(strings.Clone(string(u)))
	}
	return cloned
}

func recordOf(k seenKey, s *seen) store.Record {
	return store.Record{Table: store.TableSeen, Key: k.record(), Value: s.encode()}
}
