package bus

import (
	"slices"
	"sync"

	"github.com/komstream/komstream/hub/store"
)

// Direct joins the hubs of one process: Publish calls the subscribers itself. The zero value is ready.
type Direct struct {
	mu   sync.RWMutex
	subs map[uint64][]*subscription // by owner; a slice is never changed, only replaced
}

// Join returns a new end.
func (d *Direct) Join() Bus { return &end{line: d} }

type subscription struct {
	by      *end
	owner   uint64
	deliver func(*store.Arrival)

	mu   sync.Mutex // held while deliver runs
	gone bool
}

// end implements [Bus].
type end struct {
	line *Direct

	mu     sync.Mutex
	own    map[*subscription]bool
	closed bool
}

func (e *end) Publish(m *store.Arrival) error {
	if e.isClosed() {
		return ErrClosed
	}
	e.line.mu.RLock()
	subs := e.line.subs[m.Owner]
	e.line.mu.RUnlock()
	for _, s := range subs {
		if s.by != e {
			s.call(m)
		}
	}
	return nil
}

func (s *subscription) call(m *store.Arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.deliver(m)
	}
}

func (e *end) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

func (e *end) Subscribe(owner uint64, deliver func(*store.Arrival)) (cancel func(), err error) {
	s := &subscription{by: e, owner: owner, deliver: deliver}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if e.own == nil {
		e.own = map[*subscription]bool{}
	}
	e.own[s] = true
	d := e.line
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.subs == nil {
		d.subs = map[uint64][]*subscription{}
	}
	d.subs[owner] = append(slices.Clone(d.subs[owner]), s)
	return func() { e.cancel(s) }, nil
}

func (e *end) cancel(s *subscription) {
	e.mu.Lock()
	delete(e.own, s)
	e.mu.Unlock()
	e.line.drop(s)
}

func (d *Direct) drop(s *subscription) {
	d.mu.Lock()
	left := slices.DeleteFunc(slices.Clone(d.subs[s.owner]), func(x *subscription) bool { return x == s })
	d.subs[s.owner] = left
	if len(left) == 0 {
		delete(d.subs, s.owner)
	}
	d.mu.Unlock()
	s.mu.Lock() // waits for the call in progress
	defer s.mu.Unlock()
	s.gone = true
}

func (e *end) Close() error {
	e.mu.Lock()
	own := e.own
	e.own, e.closed = nil, true
	e.mu.Unlock()
	for s := range own {
		e.line.drop(s)
	}
	return nil
}
