package hub

import (
	"context"
	"testing"
	"time"

	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// TestResendAfterUnavailable loses the answer 4503 to one frame, has a later one of the same pipeline executed, and
// sends the first again: it must be stored now, not taken for executed. The same after a restart.
func TestResendAfterUnavailable(t *testing.T) {
	s := &flaky{Store: memstore.New()}
	d := newDirect(t, s)
	at := time.Unix(1_700_000_000, 0)
	first, second := d.seqs.Next(), d.seqs.Next()
	frame := func(seq wire.Seq, uri metric.URI) []byte {
		sample := metric.Datapoint(uri, at, 1)
		return wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &sample)
	}
	stored := func(uri metric.URI) bool { return d.hub.directory.user("alice").model.kindOf(uri) != 0 }
	s.bad.Store(true)
	if status := d.whole(frame(first, "a")); status != wire.StatusUnavailable || stored("a") {
		t.Fatalf("status %d with a store that fails, stored %v", status, stored("a"))
	}
	s.bad.Store(false)
	if status := d.whole(frame(second, "b")); status != wire.StatusExecuted || !stored("b") {
		t.Fatalf("status %d, stored %v", status, stored("b"))
	}
	if status := d.whole(frame(first, "a")); status != wire.StatusExecuted || !stored("a") {
		t.Errorf("the resend: status %d, stored %v", status, stored("a"))
	}
	messages := d.hub.Stats().Messages
	for _, resend := range [][]byte{frame(first, "a"), frame(second, "b")} {
		if status := d.whole(resend); status != wire.StatusExecuted || d.hub.Stats().Messages != messages {
			t.Errorf("a repetition: status %d, %d messages, want %d", status, d.hub.Stats().Messages, messages)
		}
	}

	// What is remembered is stored with the frame that was executed.
	third, fourth := d.seqs.Next(), d.seqs.Next()
	s.bad.Store(true)
	d.whole(frame(third, "c"))
	s.bad.Store(false)
	d.whole(frame(fourth, "e"))
	key, instant, _ := seenOf(d.conn.session.agent, third)
	remembered := false
	err := s.Records(context.Background(), 8, func(k, value []byte) error {
		if string(k) == key.record() {
			record, err := decodeSeen(value)
			remembered = err == nil && !record.executed(instant)
		}
		return nil
	})
	if err != nil || !remembered {
		t.Errorf("%v: the store takes the frame for executed", err)
	}
}

// TestResendAfterAPanic does the same with a frame on which the hub has failed.
func TestResendAfterAPanic(t *testing.T) {
	d := newDirect(t, memstore.New())
	agent := d.conn.session.agent
	first, second := d.seqs.Next(), d.seqs.Next()
	r := &request{conn: d.conn, req: &wire.Request{Seq: first}}
	r.tracked = true
	r.source, r.instant, _ = seenOf(agent, first)
	r.fail()
	sample := metric.Datapoint("b", time.Unix(1_700_000_000, 0), 1)
	d.whole(wire.AppendSendOne(nil, second, wire.Seq{}, nil, &sample))
	if agent.user.model.seen[r.source].executed(r.instant) {
		t.Error("the frame passes for executed")
	}
}

// whole executes a frame with all that follows its execution, and returns the status of its answer.
func (d *direct) whole(frame []byte) int {
	d.t.Helper()
	r := new(request)
	req, refused := r.decoder.DecodeRequest(frame)
	if refused != nil {
		d.t.Fatal(refused)
	}
	r.conn, r.req = d.conn, req
	status := make(chan int, 1)
	if !d.hub.committerOf(d.conn.session.agent.user).submit(&answered{r, status}) {
		d.t.Fatal("the committer has stopped")
	}
	return <-status
}

// answered reports the status of a request after it was finished but for its socket.
type answered struct {
	*request
	status chan int
}

func (a *answered) finish(_ *group, err error) {
	if err != nil {
		a.answer = unavailable
		a.vain()
	}
	a.status <- a.answer.Status
}
