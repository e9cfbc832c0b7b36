package actors

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

type numbered int

func (n numbered) String() string { return fmt.Sprint("event ", int(n)) }

func TestEventsComeInOrderAndFlushWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newEventQueue(zap.NewNop())
		var got []numbered
		for n := range numbered(100) {
			post(q, zap.InfoLevel, func(e numbered) { got = append(got, e) }, n)
		}
		q.flush(t.Context())
		for n, e := range got {
			if e != numbered(n) {
				t.Fatalf("event %d came as number %d", e, n)
			}
		}
		if len(got) != 100 {
			t.Errorf("%d events came before flush returned, want 100", len(got))
		}
	})
}

// TestFlushGivesUpOnACallbackThatHangs: a callback that closes the session waits for itself; flush must not.
func TestFlushGivesUpOnACallbackThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newEventQueue(zap.NewNop())
		release := make(chan struct{})
		post(q, zap.InfoLevel, func(numbered) { <-release }, 1)
		for n := range numbered(2 * eventsMost) {
			post(q, zap.InfoLevel, func(numbered) {}, n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		q.flush(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("flush returned after %s, want its context's second", took)
		}
		if q.droppedEvents() == 0 {
			t.Errorf("%d events for a callback that hangs, and none was counted as dropped", 2*eventsMost)
		}
		close(release)
		q.flush(t.Context())
	})
}
