package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/window"
)

// Binding is a set of impulses bound by one call of Open or Bind. Its methods are safe for concurrent use.
type Binding struct {
	s     *Session
	boxes []*inbox

	mu      sync.Mutex
	missing map[window.ID]struct{} // guarded by mu: windows not loaded yet
	err     error                  // guarded by mu: why a window cannot be
	ready   chan struct{}          // closed when missing is empty or err set
	unbound bool                   // guarded by mu
}

func newBinding(s *Session, impulses []impulse.Impulse) *Binding {
	b := &Binding{s: s, missing: make(map[window.ID]struct{}), ready: make(chan struct{})}
	for _, imp := range impulses {
		box := newInbox(s, imp)
		b.boxes = append(b.boxes, box)
		for _, id := range box.ids {
			b.missing[id] = struct{}{}
		}
	}
	if len(b.missing) == 0 {
		close(b.ready)
	}
	return b
}

// loaded notes that a window is loaded.
func (b *Binding) loaded(id window.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.missing[id]; !ok {
		return
	}
	if delete(b.missing, id); len(b.missing) == 0 {
		b.settle()
	}
}

// fail notes that a window cannot be loaded: the hub refuses it.
func (b *Binding) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = errors.Join(b.err, err)
	b.settle()
}

// settle announces the result; the caller holds b.mu.
func (b *Binding) settle() {
	select {
	case <-b.ready:
	default:
		close(b.ready)
	}
}

// wait blocks until every window is loaded or one cannot be, or ctx or the session ends, or access is refused.
func (b *Binding) wait(ctx context.Context, refused <-chan error) error {
	select {
	case <-b.ready:
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("komstream: bind: gave up with %d windows not loaded while the session is %s: %w",
			b.left(), b.s.State(), context.Cause(ctx))
	case err := <-refused:
		return err
	case <-b.s.closing:
		return ErrClosed
	}
}

func (b *Binding) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.missing)
}

// Unbind takes the impulses out of the session: nothing triggers them any more, what waits is discarded and counted,
// the contexts of running ones end, and Unbind returns when they have returned, or when ctx ends, with an error that
// names those still running. Subscriptions and windows that no other impulse uses go with them. Unbinding again is
// no error. From inside a run of one of the impulses it returns an error that wraps impulse.ErrInsideRun.
func (b *Binding) Unbind(ctx context.Context) error {
	if name, inside := insideRun(ctx, b.s); inside {
		return fmt.Errorf("komstream: unbind by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	b.mu.Lock()
	first := !b.unbound
	b.unbound = true
	b.mu.Unlock()
	if first {
		b.remove()
	}
	return b.finished(ctx)
}

// remove takes the impulses out of the router and closes their inboxes.
func (b *Binding) remove() {
	done := make(chan struct{})
	b.s.root.Send(b.s.routerPID, &unbindImpulses{binding: b, done: done})
	select {
	case <-done:
	case <-b.s.stopped:
	}
	for _, box := range b.boxes {
		box.close()
	}
	b.s.forget(b)
}

// finished waits until no run is left and then stops the actors.
func (b *Binding) finished(ctx context.Context) error {
	for i, box := range b.boxes {
		select {
		case <-box.finished:
		case <-ctx.Done():
			return fmt.Errorf("komstream: unbind: still running: %q: %w", runningOf(b.boxes[i:]), context.Cause(ctx))
		}
	}
	b.s.root.Send(b.s.supervisorPID, &stopImpulses{binding: b})
	return nil
}

// runningOf names the impulses whose functions have not returned.
func runningOf(boxes []*inbox) (names []string) {
	for _, box := range boxes {
		select {
		case <-box.finished:
		default:
			names = append(names, box.impulse.Name)
		}
	}
	return names
}

// Stats returns the figures of the binding's impulses, in the order they were given. After Unbind they are final.
func (b *Binding) Stats() []ImpulseStats {
	router := b.s.askRouter(false)
	stats := make([]ImpulseStats, len(b.boxes))
	for i, box := range b.boxes {
		stats[i] = box.stats(router.counters[box])
	}
	return stats
}
