package actors

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/komstream/komstream/impulse"
)

func numbersOf(messages []*impulse.Message) (numbers []uint64) {
	for _, m := range messages {
		numbers = append(numbers, m.Number)
	}
	return numbers
}

// TestInboundTellsOldFromNew: what was queued before a connection began is taken apart from what came over it.
func TestInboundTellsOldFromNew(t *testing.T) {
	wakes := 0
	q := newInbound(func() { wakes++ })
	put := func(from, to uint64) {
		for n := from; n <= to; n++ {
			if err := q.put(t.Context(), &impulse.Message{Number: n}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1, 70)
	q.turnPage()
	put(71, 75)
	first, more := q.takeOld(nil)
	if len(first) != drainMost || !more {
		t.Errorf("took %d old messages, more %v; want %d and more", len(first), more, drainMost)
	}
	rest, more := q.takeOld(nil)
	if got := fmt.Sprint(numbersOf(rest)); got != "[65 66 67 68 69 70]" || more {
		t.Errorf("took %s, more %v; want what is left of the old ones", got, more)
	}
	if none, more := q.takeOld(nil); len(none) > 0 || more {
		t.Errorf("took %v as old, which is new", numbersOf(none))
	}
	fresh, more := q.take(nil)
	if got := fmt.Sprint(numbersOf(fresh)); got != "[71 72 73 74 75]" || more {
		t.Errorf("took %s, more %v; want the new ones", got, more)
	}
	if wakes != 1 {
		t.Errorf("woke the router %d times before it had drained, want once", wakes)
	}
	put(76, 76)
	if wakes != 2 {
		t.Error("a message after the queue was drained does not wake the router")
	}
}

// TestInboundBlocksWithoutCredit: the reader waits when the router is behind, until its connection ends.
func TestInboundBlocksWithoutCredit(t *testing.T) {
	q := newInbound(func() {})
	for range inboundCredits {
		if err := q.put(t.Context(), &impulse.Message{}); err != nil {
			t.Fatal(err)
		}
	}
	gone := errors.New("connection lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := q.put(ctx, &impulse.Message{}); !errors.Is(err, gone) {
		t.Errorf("put without credit: %v, want the cause of its context", err)
	}
	q.take(nil)
	if err := q.put(ctx, &impulse.Message{}); err != nil {
		t.Errorf("put with credit: %v", err)
	}
}
