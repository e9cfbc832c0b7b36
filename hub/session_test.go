package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// clock is a clock that tests move.
type clock struct{ ticks atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(0, c.ticks.Load()) }
func (c *clock) pass(d time.Duration) { c.ticks.Add(int64(d)) }

func TestOrphanedSessionEndsAfterItsTime(t *testing.T) {
	var c clock
	c.pass(time.Hour)
	s := memstore.New()
	d := newDirectAt(t, s, c.now)
	if status := d.do(wire.AppendHook(nil, d.seqs.Next(), "m")); status != wire.StatusNotFound {
		t.Fatal(status)
	}
	c.pass(899 * time.Second)
	d.hub.sweep()
	if len(records(t, s)) != 1 || len(d.hub.sessions) != 1 {
		t.Errorf("after 899 s: records %v", records(t, s))
	}
	c.pass(time.Second)
	d.hub.sweep()
	if len(records(t, s)) != 0 || len(d.hub.sessions) != 0 || len(d.conn.session.agent.user.model.nodes) != 0 {
		t.Errorf("after 900 s: records %v", records(t, s))
	}
	// A request that was under way when the session ended must not leave a hook behind.
	d.do(wire.AppendHook(nil, d.seqs.Next(), "m"))
	if len(records(t, s)) != 0 {
		t.Errorf("an ended session was given a hook: %v", records(t, s))
	}
}

func TestDroppedSessionThatComesBackKeepsItsNewHooks(t *testing.T) {
	s := memstore.New()
	d := newDirectAt(t, s, time.Now)
	d.do(wire.AppendHook(nil, d.seqs.Next(), "m"))
	old := d.conn.session
	d.conn.session = newSession(old.id, old.agent, time.Now())
	d.do(wire.AppendHook(nil, d.seqs.Next(), "m"))
	d.hub.dropSessions(func(x *session) bool { return x == old })
	if len(records(t, s)) != 1 || len(d.conn.session.hooks) != 1 {
		t.Errorf("records %v, hooks %d, want the new session's", records(t, s), len(d.conn.session.hooks))
	}
}

func TestCookiesExpire(t *testing.T) {
	var c clock
	s := memstore.New()
	d := newDirectAt(t, s, c.now)
	ctx := context.Background()
	value, err := d.hub.directory.addCookie(ctx, d.conn.session.agent, c.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if d.hub.directory.cookieOf(value, c.now()) == nil || d.hub.directory.cookieOf(value+"0", c.now()) != nil {
		t.Error("the cookie does not open what it should")
	}
	err = s.Records(ctx, store.TableCookies, func(key, text []byte) error {
		if string(key) == value || len(key) != 32 {
			t.Errorf("the cookie is stored as it is")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour + 1)
	if d.hub.directory.cookieOf(value, c.now()) != nil {
		t.Error("an expired cookie still opens")
	}
	if d.hub.sweep(); len(d.hub.directory.cookies) != 0 {
		t.Error("an expired cookie is kept for ever")
	}
}

func TestReservationEnds(t *testing.T) {
	var c clock
	d := newDirectAt(t, memstore.New(), c.now)
	d.send(metric.Datapoint("m", time.Unix(1, 0), 1))
	d.do(wire.AppendDelete(nil, d.seqs.Next(), "m", metric.KindDatasource))
	number := metric.Datapoint("m", time.Unix(2, 0), 2)
	one := func() int { return d.do(wire.AppendSendOne(nil, d.seqs.Next(), wire.Seq{}, nil, &number)) }
	c.pass(time.Minute)
	if status := one(); status != wire.StatusDenied {
		t.Errorf("within the minute: %d, want 4430", status)
	}
	c.pass(1)
	if status := one(); status != wire.StatusExecuted {
		t.Errorf("after the minute: %d, want 4200", status)
	}
}

// TestSeenAgainstASet compares the bounded memory of a source with a set of all sequences, as long as there are no
// more refusals than are remembered.
func TestSeenAgainstASet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	var s *seen
	done := map[metric.Ticks]bool{}
	next := metric.Ticks(0)
	for i := range 3000 {
		at := next
		if i > 0 && r.IntN(3) == 0 {
			at = metric.Ticks(r.Int64N(int64(next))) // a resend
		} else {
			next++
		}
		if got := s.executed(at); got != done[at] {
			t.Fatalf("step %d: executed(%d) = %v, want %v", i, at, got, done[at])
		}
		if done[at] {
			continue
		}
		refused := r.IntN(4) == 0
		s, done[at] = s.with(at, refused), !refused
		again, err := decodeSeen(s.encode())
		if err != nil || fmt.Sprint(*again) != fmt.Sprint(*s) {
			t.Fatalf("step %d: decoded %v %v, want %v", i, again, err, s)
		}
	}
	if _, err := decodeSeen([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0}); err == nil {
		t.Error("a newer format was decoded")
	}
}

func TestSilentSourcesAreForgotten(t *testing.T) {
	s := memstore.New()
	d := newDirectAt(t, s, time.Now)
	for _, age := range []time.Duration{0, 6 * 24 * time.Hour, 8 * 24 * time.Hour} {
		d.seqs = wire.NewSeqSource(func() time.Time { return time.Now().Add(-age) })
		d.send(metric.Datapoint("m", time.Unix(1, 0), 1))
	}
	d.hub.prune()
	if n := len(d.conn.session.agent.user.model.seen); n != 2 {
		t.Errorf("%d sources are remembered, want the 2 of the last week", n)
	}
	if n := len(records(t, s)); n != 3 { // and the metric
		t.Errorf("%d records, want 3", n)
	}
}

// TestStoredZeroHasNoSign covers what the protocol says of zeros, and nothing else.
func TestStoredZeroHasNoSign(t *testing.T) {
	for text, want := range map[string]string{
		"-0": "0", "-0.00": "0.00", "-0E+3": "0E+3", "-0E-10": "0E-10", "-1": "-1", "-0.10": "-0.10", "0": "0", "-1E+5": "-1E+5",
	} {
		v, err := metric.ParseNumber(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := stored(v).String(); got != want {
			t.Errorf("stored(%s) = %s, want %s", text, got, want)
		}
	}
	text, err := metric.TextOf("-0")
	if err != nil || stored(text).String() != "-0" {
		t.Errorf("stored(text -0) = %s, %v", stored(text), err)
	}
}

// TestLogIsTrimmedAndLossIsCounted lets the log forget what a lagging socket has yet to be told.
func TestLogIsTrimmedAndLossIsCounted(t *testing.T) {
	var c clock
	c.pass(time.Hour)
	s := memstore.New()
	d := newDirectAt(t, s, c.now)
	owner := d.conn.session.agent.user
	for i := range 10 {
		d.send(metric.Datapoint("m", time.Unix(int64(i), 0), i))
		c.pass(time.Hour)
	}
	c.pass(20*time.Hour - time.Minute)
	d.hub.prune() // the log keeps 24 hours: the newest 4 were an hour apart
	kept, err := s.Since(context.Background(), owner.id, 0, 100)
	if err != nil || len(kept) != 4 {
		t.Fatalf("the log keeps %d messages, %v, want 4", len(kept), err)
	}
	o := d.conn.out
	d.conn.session.conn.Store(d.conn)
	o.lag = map[*user]*lag{owner: {next: 3, last: 9}}
	for len(o.lag) > 0 {
		o.replay() // nothing is hooked: nothing is written
	}
	if lost := d.hub.Stats().Lost; lost != 4 {
		t.Errorf("%d messages counted as lost, want 3 to 6", lost)
	}
	o.lag = map[*user]*lag{owner: {next: 1, last: 2}}
	for len(o.lag) > 0 {
		o.replay()
	}
	if lost := d.hub.Stats().Lost; lost != 6 {
		t.Errorf("%d messages counted as lost, want two more", lost)
	}
	d.conn.session.conn.Store(nil)
}
