package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// Store keeps everything in maps and sorted slices. Make it with [New].
type Store struct {
	mu      sync.RWMutex
	closed  bool
	tables  map[store.Table]map[string][]byte
	series  map[uint64][]sample
	arrived map[uint64][]entry
}

type sample struct {
	t       metric.TimeUUID
	content string
}

// entry is an arrival as a store on disk would keep it, so that nobody comes to depend on shared memory.
type entry struct {
	position uint64
	encoded  []byte
}

// New returns an empty store.
func New() *Store {
	return &Store{
		tables:  map[store.Table]map[string][]byte{},
		series:  map[uint64][]sample{},
		arrived: map[uint64][]entry{},
	}
}

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	for _, r := range b.Records {
		if r.Value == nil {
			delete(s.tables[r.Table], r.Key)
			continue
		}
		if s.tables[r.Table] == nil {
			s.tables[r.Table] = map[string][]byte{}
		}
		s.tables[r.Table][r.Key] = append([]byte{}, r.Value...)
	}
	for _, x := range b.Samples {
		s.insert(x)
	}
	for _, c := range b.Cuts {
		i, _ := search(s.series[c.Series], c.Before)
		s.series[c.Series] = slices.Delete(s.series[c.Series], 0, i)
	}
	for _, id := range b.Drop {
		delete(s.series, id)
	}
	for i := range b.Arrivals {
		a := &b.Arrivals[i]
		s.arrived[a.Owner] = append(s.arrived[a.Owner], entry{a.Position, store.AppendArrival(nil, a)})
	}
	return nil
}

func (s *Store) insert(x store.Sample) {
	rows := s.series[x.Series]
	i, found := search(rows, x.Time)
	if found {
		rows[i].content = x.Content
		return
	}
	s.series[x.Series] = slices.Insert(rows, i, sample{x.Time, x.Content})
}

func search(rows []sample, t metric.TimeUUID) (int, bool) {
	// Samples mostly arrive in order of time.
	if n := len(rows); n > 0 && rows[n-1].t.Compare(t) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(rows, t, func(row sample, t metric.TimeUUID) int { return row.t.Compare(t) })
}

// Records implements [store.Store].
func (s *Store) Records(_ context.Context, table store.Table, visit func(key, value []byte) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	keys := make([]string, 0, len(s.tables[table]))
	for k := range s.tables[table] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := visit([]byte(k), s.tables[table][k]); err != nil {
			return err
		}
	}
	return nil
}

// Samples implements [store.Store].
func (s *Store) Samples(_ context.Context, series uint64, from, to metric.TimeUUID,
	visit func(metric.TimeUUID, []byte) bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	rows := s.series[series]
	i, found := search(rows, to)
	if found {
		i++
	}
	for i--; i >= 0 && rows[i].t.Compare(from) >= 0; i-- {
		if !visit(rows[i].t, []byte(rows[i].content)) {
			break
		}
	}
	return nil
}

// Since implements [store.Store].
func (s *Store) Since(_ context.Context, owner, position uint64, limit int) ([]store.Arrival, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	log := s.arrived[owner]
	i, _ := slices.BinarySearchFunc(log, position+1, func(e entry, p uint64) int { return cmp.Compare(e.position, p) })
	var found []store.Arrival
	for bytes := 0; i < len(log) && len(found) < limit; i++ {
		if bytes += len(log[i].encoded); bytes > 1<<20 && len(found) > 0 {
			break
		}
		a, err := store.DecodeArrival(owner, log[i].position, log[i].encoded)
		if err != nil {
			return nil, err
		}
		found = append(found, a)
	}
	return found, nil
}

// Last implements [store.Store].
func (s *Store) Last(_ context.Context, owner uint64) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	if log := s.arrived[owner]; len(log) > 0 {
		return log[len(log)-1].position, nil
	}
	return 0, nil
}

// Trim implements [store.Store].
func (s *Store) Trim(_ context.Context, owner uint64, before time.Time, maxBytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	log := s.arrived[owner]
	var size int64
	keep := len(log)
	for keep > 0 {
		e := log[keep-1]
		a, err := store.DecodeArrival(owner, e.position, e.encoded)
		if err != nil {
			return err
		}
		size += int64(len(e.encoded))
		if keep < len(log) && (a.At.Before(before) || size > maxBytes) {
			break
		}
		keep--
	}
	s.arrived[owner] = slices.Delete(log, 0, keep)
	return nil
}

// Ready implements [store.Store].
func (s *Store) Ready() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	return nil
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
