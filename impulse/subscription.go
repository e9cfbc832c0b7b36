package impulse

import (
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// subscription finds the inputs of an impulse by window and by uri.
type subscription struct {
	username string
	uris     []metric.URI // as the user writes them: For(username)
	ids      []window.ID
	byURI    map[metric.URI]int32 // nil where a scan is cheaper
	byID     map[window.ID]int32  // nil where a scan or the table is cheaper
	table    []int32              // index + 1 by id − lowest; nil where the ids are few or far apart
	lowest   window.ID
}

// few is the number of inputs up to which a scan beats a map.
const few = 4

func newSubscription(username string, on []Input, ids []window.ID) *subscription {
	s := &subscription{username: username, uris: make([]metric.URI, len(on)), ids: ids}
	for i, in := range on {
		s.uris[i] = in.URI.For(username)
	}
	if len(on) <= few {
		return s
	}
	s.byURI = make(map[metric.URI]int32, len(on))
	for i, uri := range s.uris {
		s.byURI[uri] = int32(i)
	}
	lowest, highest := ids[0], ids[0]
	for _, id := range ids {
		lowest, highest = min(lowest, id), max(highest, id)
	}
	// The ids of an impulse's windows are mostly neighbours, since they are given out as impulses are bound.
	if span := uint64(highest-lowest) + 1; span <= uint64(8*len(ids)) {
		s.lowest, s.table = lowest, make([]int32, span)
		for i, id := range ids {
			s.table[id-lowest] = int32(i) + 1
		}
		return s
	}
	s.byID = make(map[window.ID]int32, len(ids))
	for i, id := range ids {
		s.byID[id] = int32(i)
	}
	return s
}

// ofWindow returns the index of the input with the given window, or -1.
func (s *subscription) ofWindow(id window.ID) int {
	switch {
	case s.table != nil:
		if at := uint64(id) - uint64(s.lowest); at < uint64(len(s.table)) {
			return int(s.table[at]) - 1
		}
		return -1
	case s.byID != nil:
		if i, ok := s.byID[id]; ok {
			return int(i)
		}
		return -1
	}
	for i, own := range s.ids {
		if own == id {
			return i
		}
	}
	return -1
}

// ofURI returns the index of the input that uri names in any spelling, or -1.
func (s *subscription) ofURI(uri metric.URI) int {
	if i := s.spelled(uri); i >= 0 {
		return i
	}
	if uri.IsLocal() {
		return -1
	}
	return s.spelled(uri.For(s.username))
}

func (s *subscription) spelled(uri metric.URI) int {
	if s.byURI != nil {
		if i, ok := s.byURI[uri]; ok {
			return int(i)
		}
		return -1
	}
	for i, own := range s.uris {
		if own == uri {
			return i
		}
	}
	return -1
}
