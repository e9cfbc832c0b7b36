package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Close is Shutdown with Config.CloseTimeout. It flushes whatever other contexts have ended. Closing again returns
// the same error. From inside a run it returns an error that wraps impulse.ErrInsideRun and does nothing.
func (s *Session) Close() error {
	if name, inside := insideRun(context.Background(), s); inside {
		return fmt.Errorf("komstream: close by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.CloseTimeout)
	defer cancel()
	return s.Shutdown(ctx)
}

// Shutdown ends the session in order: no more samples are taken, no more runs begin, the contexts of running ones
// end and their functions are waited for, everything queued is sent until it is acknowledged, the socket is closed,
// the actors stop. ctx bounds the waiting; what it cuts short is told by a [*ShutdownError]: the samples that were
// not acknowledged, and the impulses still running. It is safe to call twice, also at once: every call returns when
// the session is closed, with the same error.
func (s *Session) Shutdown(ctx context.Context) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: shutdown by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	if s.closed.CompareAndSwap(false, true) {
		close(s.closing)
		s.closeErr = s.shutdown(ctx)
		close(s.done)
	}
	<-s.done
	return s.closeErr
}

// abort is a shutdown that does not wait: Open has failed.
func (s *Session) abort() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(ctx) // nothing was sent, so nothing can be left behind
}

func (s *Session) shutdown(ctx context.Context) error {
	running := s.stopImpulses(ctx)
	flushErr := s.outbox.Flush(ctx)
	undelivered := s.outbox.Close()
	s.requests.Close()
	s.freeze()
	s.disconnect()
	s.end()
	s.goroutines.Wait()
	s.disconnect() // what they have reported meanwhile is handled, too: a connection that just came about is closed
	s.root.Stop(s.supervisorPID)
	<-s.stopped
	if len(running) == 0 {
		<-s.gone
	}
	s.lane.close()
	<-s.lane.done
	s.pool.close()
	if len(running) == 0 {
		s.pool.gone.Wait()
	}
	s.setState(StateChange{To: StateClosed})
	s.events.flush(ctx)
	return s.shutdownError(ctx, flushErr, undelivered, running)
}

// stopImpulses closes every inbox and waits for the runs that go on. It returns the names of those that did not end.
func (s *Session) stopImpulses(ctx context.Context) (running []string) {
	s.mu.Lock()
	bindings := append([]*Binding(nil), s.bindings...)
	s.mu.Unlock()
	for _, b := range bindings {
		for _, box := range b.boxes {
			box.close()
		}
	}
	for _, b := range bindings {
		for _, box := range b.boxes {
			select {
			case <-box.finished:
				continue
			default:
			}
			select {
			case <-box.finished:
			case <-ctx.Done():
				running = append(running, box.impulse.Name)
			}
		}
	}
	return running
}

// freeze has the router give up what it holds, keeps its last figures for Stats, and ends the timer.
func (s *Session) freeze() {
	final := s.askRouter(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.final = &final
	if s.expiry != nil {
		s.expiry.Stop()
	}
}

// disconnect closes the socket for good.
func (s *Session) disconnect() {
	closed := make(chan struct{})
	s.root.Send(s.connectionPID, &closeConnection{done: closed})
	<-closed
}

func (s *Session) shutdownError(ctx context.Context, flushErr error, left []metric.Sample, running []string) error {
	if len(left) == 0 && len(running) == 0 {
		return nil
	}
	e := &ShutdownError{Undelivered: left, Running: running}
	if flushErr != nil && !errors.Is(flushErr, ErrClosed) {
		e.Cause = flushErr
	}
	if ctx.Err() != nil {
		e.Cause = context.Cause(ctx)
	}
	return e
}

// Done returns a channel that is closed when the session is closed.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session is open; afterwards [ErrClosed], joined with what Close returned. A session ends
// by Close or Shutdown only.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return errors.Join(ErrClosed, s.closeErr)
	default:
		return nil
	}
}

// Wait blocks until the session is closed, and returns what Close returned, or until ctx ends, and returns its cause.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.closeErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
