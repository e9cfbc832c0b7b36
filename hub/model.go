package hub

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// model is a user's data model in memory: which metrics there are and who hooked them. Only the owner's committer
// changes it, under mu, so that the committer itself reads without; everybody else reads under mu.
type model struct {
	owner *user

	mu       sync.RWMutex
	nodes    map[metric.URI]*node
	index    []metric.URI // all metrics, sorted; nil after a change, and never written to
	changes  uint64       // of which metrics there are
	position uint64       // of the newest message

	reserved map[metric.URI]reservation
	seen     map[seenKey]*seen

	datasources, datapoints int64 // metrics of each kind
	total                   tally // of all metrics
	daily                   daily
}

// node is a uri that is a metric, lies above one, or is hooked.
type node struct {
	owner    *user
	uri      metric.URI // local
	kind     metric.Kind
	series   uint64 // where kind is not 0
	below    int    // metrics strictly below
	supplies []metric.URI

	// stored is how much there is of the metric, exactly where counted is set; newest is its last sample then.
	stored  tally
	newest  metric.TimeUUID
	counted bool

	// hooks only grows by append and is copied otherwise: whoever holds an earlier slice may go on reading it.
	hooks []*hook
}

// hook is a session's subscription of a node.
type hook struct {
	session *session
	node    *node
	since   uint64 // the position when it was made: what came before is not for it

	// The verdict of authorize, for the committer only.
	allowed bool
	version uint64
}

// reservation is a type that a deletion has named for what comes in its place.
type reservation struct {
	kind  metric.Kind
	until time.Time
}

func newModel(owner *user) *model {
	return &model{
		owner: owner, nodes: map[metric.URI]*node{}, reserved: map[metric.URI]reservation{}, seen: map[seenKey]*seen{},
	}
}

// kindOf returns what the uri holds, 0 for nothing.
func (m *model) kindOf(uri metric.URI) metric.Kind {
	if n := m.nodes[uri]; n != nil {
		return n.kind
	}
	return 0
}

// look returns what others need to know of a uri: what it holds, and in which series.
func (m *model) look(uri metric.URI) (kind metric.Kind, series uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if n := m.nodes[uri]; n != nil {
		return n.kind, n.series
	}
	return 0, 0
}

// expected returns the only type that the uri may hold: that of the metric, or the reserved one; 0 where any may.
func (m *model) expected(uri metric.URI, now time.Time) metric.Kind {
	if kind := m.kindOf(uri); kind != 0 {
		return kind
	}
	r, found := m.reserved[uri]
	if found && now.After(r.until) {
		delete(m.reserved, uri)
		return 0
	}
	return r.kind
}

// at returns the node of a uri, made if it is not there. The caller holds mu.
func (m *model) at(uri metric.URI) *node {
	if n := m.nodes[uri]; n != nil {
		return n
	}
	return m.keep(metric.URI(strings.Clone(string(uri)))) // the request's strings share its whole frame
}

// keep is at for a uri that may be kept as it is.
func (m *model) keep(uri metric.URI) *node {
	n := m.nodes[uri]
	if n == nil {
		n = &node{owner: m.owner, uri: uri}
		m.nodes[uri] = n
	}
	return n
}

// prune forgets a node that says nothing any more. The caller holds mu.
func (m *model) prune(n *node) {
	if n.kind == 0 && n.below == 0 && len(n.hooks) == 0 {
		delete(m.nodes, n.uri)
	}
}

// create makes a metric. The caller holds mu.
func (m *model) create(uri metric.URI, kind metric.Kind, series uint64) *node {
	n := m.at(uri)
	n.kind, n.series = kind, series
	m.index, m.changes = nil, m.changes+1
	*m.number(kind)++
	for up, more := n.uri.Parent(); more; up, more = up.Parent() {
		m.keep(up).below++
	}
	return n
}

// remove is the inverse of create. The hooks stay: they are pending now. The caller holds mu.
func (m *model) remove(n *node) {
	*m.number(n.kind)--
	m.settle(n, tally{}, false)
	n.kind, n.series, n.supplies = 0, 0, nil
	m.index, m.changes = nil, m.changes+1
	for up, more := n.uri.Parent(); more; up, more = up.Parent() {
		above := m.nodes[up]
		above.below--
		m.prune(above)
	}
	m.prune(n)
}

// number returns where the metrics of a kind are counted.
func (m *model) number(kind metric.Kind) *int64 {
	if kind == metric.KindDatasource {
		return &m.datasources
	}
	return &m.datapoints
}

// list returns the metrics at prefix and below it, sorted by uri; all for "".
func (m *model) list(prefix metric.URI) []metric.Metric {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []metric.Metric
	for uri, n := range m.nodes {
		if n.kind != 0 && (prefix == "" || uri.Within(prefix)) {
			all = append(all, metric.Metric{URI: uri, Kind: n.kind})
		}
	}
	slices.SortFunc(all, func(a, b metric.Metric) int { return strings.Compare(string(a.URI), string(b.URI)) })
	return all
}

// metricRecord is a metric on disk, under userKey and the uri.
type metricRecord struct {
	Series   uint64       `json:"series"`
	Kind     string       `json:"kind"`
	Supplies []metric.URI `json:"supplies,omitzero"` // null or missing where nothing was said
}

func metricKey(owner *user, uri metric.URI) string { return userKey(owner.id) + string(uri) }

func (n *node) record() store.Record {
	return record(store.TableMetrics, metricKey(n.owner, n.uri), metricRecord{n.series, string(rune(n.kind)), n.supplies})
}

// hookKey is the key of a hook's record: the owner, the uri, a byte that no uri holds, and the session.
func hookKey(x *hook) string {
	return userKey(x.node.owner.id) + string(x.node.uri) + "\x00" + x.session.id
}

func (x *hook) record() store.Record {
	return store.Record{Table: store.TableHooks, Key: hookKey(x), Value: binary.BigEndian.AppendUint64([]byte{1}, x.since)}
}

var errRecord = errors.New("the record is damaged or of a newer format")

// loadModels reads all metrics, and returns the greatest series in use.
func (h *Hub) loadModels(ctx context.Context) (series uint64, err error) {
	err = h.store.Records(ctx, store.TableMetrics, func(key, value []byte) error {
		var r metricRecord
		if len(key) < 9 || json.Unmarshal(value, &r) != nil || len(r.Kind) != 1 {
			return fmt.Errorf("hub: metric %q: %w", key, errRecord)
		}
		if u := h.directory.byID[binary.BigEndian.Uint64(key)]; u != nil {
			u.model.create(metric.URI(key[8:]), metric.Kind(r.Kind[0]), r.Series).supplies = r.Supplies
		}
		series = max(series, r.Series)
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, u := range h.directory.byID {
		if u.model.position, err = h.store.Last(ctx, u.id); err != nil {
			return 0, err
		}
	}
	if err := h.loadDaily(ctx); err != nil {
		return 0, err
	}
	return series, h.loadSeen(ctx)
}

// loadHooks gives the sessions of live cookies their hooks back. Hooks of others are deleted.
func (h *Hub) loadHooks(ctx context.Context) error {
	var gone store.Batch
	err := h.store.Records(ctx, store.TableHooks, func(key, value []byte) error {
		if len(key) < 8 || len(value) != 9 || value[0] != 1 {
			return fmt.Errorf("hub: hook %q: %w", key, errRecord)
		}
		uri, session, _ := strings.Cut(string(key[8:]), "\x00")
		u, s := h.directory.byID[binary.BigEndian.Uint64(key)], h.sessions[session]
		if u == nil || s == nil {
			gone.Delete(store.TableHooks, string(key))
			return nil
		}
		n := u.model.at(metric.URI(uri))
		x := &hook{session: s, node: n, since: binary.BigEndian.Uint64(value[1:])}
		n.hooks = append(n.hooks, x)
		s.hooks[n] = x
		h.listenTo(u)
		return nil
	})
	if err != nil || gone.Empty() {
		return err
	}
	return h.store.Commit(ctx, &gone)
}
