package check_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/check"
	"github.com/komstream/komstream/metric"
)

// line is a dialler whose connections can be cut.
type line struct {
	dial check.DialFunc

	mu    sync.Mutex
	conns []net.Conn
}

func (l *line) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
	}
	return conn, err
}

// cut breaks everything that is open.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		conn.Close()
	}
	l.conns = nil
}

// uris returns n metrics below a name.
func uris(name metric.URI, n int) (all []metric.URI) {
	for i := range n {
		all = append(all, name.Child(fmt.Sprintf("m%d", i)))
	}
	return all
}

// impulses returns one of each kind: plain, joining, merged, throttled, feeding itself, writing elsewhere, and failing.
func impulses() []impulse.Impulse {
	own, shared := uris("own", 6), uris("friend:open", 4)
	runs := 0 // of failing: no lock, since runs do not overlap
	nothing := func(context.Context, *impulse.Update) error { return nil }
	return []impulse.Impulse{
		{Name: "plain", On: impulse.URIs(own...), Past: impulse.Past{Delta: 2 * time.Second}, Do: nothing},
		{Name: "remote", On: impulse.URIs(shared...), Past: impulse.Past{Count: 20, Delta: time.Millisecond}, Do: nothing},
		{Name: "join", On: impulse.URIs(own[0], own[1], shared[0], "derived.sum"), Past: impulse.Past{Delta: time.Second},
			Do: func(_ context.Context, u *impulse.Update) error {
				u.Emit(metric.Datapoint("derived.sum", u.Time(), u.View(own[0]).Sum()))
				return nil
			}},
		{Name: "merged", On: impulse.URIs(own[2], shared[1]), Overload: impulse.Coalesce,
			Do: func(_ context.Context, u *impulse.Update) error {
				n := 0.0
				for range 50 {
					n += u.View(own[2]).Mean()
				}
				u.Emit(metric.Datapoint("derived.n", u.Time(), len(fmt.Sprint(n))))
				return nil
			}},
		{Name: "slow", On: impulse.URIs(own[1], shared[3], "own.text"), Overload: impulse.Queue(4),
			Do: func(ctx context.Context, _ *impulse.Update) error {
				pause := time.NewTimer(3 * time.Millisecond)
				defer pause.Stop()
				select {
				case <-pause.C:
				case <-ctx.Done():
				}
				return nil
			}},
		{Name: "throttled", On: impulse.URIs(own[3], shared[2]), MinExecDelta: 30 * time.Millisecond, Do: nothing},
		{Name: "chained", On: impulse.URIs("derived.sum", "derived.n"), Overload: impulse.Queue(8), LiveOnly: true, Do: nothing},
		{Name: "cold", On: impulse.URIs(own[4]), RunCold: true, Do: nothing},
		{Name: "dropping", On: impulse.URIs(own[5]), Overload: impulse.DropOldest(2), Do: nothing},
		{Name: "failing", On: impulse.URIs(own[0]), Breaker: impulse.Breaker{Pause: 5 * time.Millisecond, MaxPause: 20 * time.Millisecond},
			Do: func(_ context.Context, u *impulse.Update) error {
				if runs++; runs%3 == 0 {
					return errors.New("every third")
				}
				u.Emit(metric.Datapoint("friend:open.note", u.Time(), 1))
				return nil
			}},
	}
}

func TestSessionsBreakNoRule(t *testing.T) {
	for _, cuts := range []int{0, 12} {
		t.Run(fmt.Sprintf("cuts=%d", cuts), func(t *testing.T) { stream(t, hub.Config{Dir: t.TempDir()}, cuts, 1000) })
	}
	t.Run("missed", func(t *testing.T) {
		// What waits for the socket is soon too much: the hub leaves frames out, and the session reads them again.
		stream(t, hub.Config{Dir: t.TempDir(), PushBytes: 1000}, 1, 100)
	})
}

// stream sends thousands of samples of two users past a session's impulses.
func stream(t *testing.T, config hub.Config, cuts int, atLeast uint64) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	h := hubtest.Start(t, config)
	me, friend := h.User("me"), h.User("friend")
	if err := h.Share(ctx, "friend", "open", "me"); err != nil {
		t.Fatal(err)
	}
	writer, err := komstream.Open(ctx, komstream.Config{Hub: h.URL(), Dial: h.Dial, Username: "friend", Key: friend})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()

	checker := check.New("me")
	l := &line{dial: h.Dial}
	session, err := komstream.Open(ctx, komstream.Config{
		Hub: h.URL(), Dial: checker.Tap(l.open), Username: "me", Key: me,
		RetryInitial: 30 * time.Millisecond, RetryMax: 100 * time.Millisecond,
		Events: komstream.Events{Restarted: func(e actors.Restart) { t.Error(e) }},
	}, checker.Watch(impulses()...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()

	send(ctx, t, rng, session, writer, cuts+1, l.cut)
	rest(ctx, t, session, writer)
	for _, s := range session.Stats().Impulses {
		checker.Finish(s.Name, s.Counters)
	}
	t.Logf("%d runs, %d connections", checker.Runs(), session.Stats().Connects)
	for _, text := range checker.Faults() {
		t.Error(text)
	}
	if checker.Runs() < atLeast {
		t.Errorf("only %d runs were checked", checker.Runs())
	}
	if want := uint64(min(cuts, 3) + 1); session.Stats().Connects < want {
		t.Errorf("%d connections, want %d at least", session.Stats().Connects, want)
	}
}

// send streams samples, in parts, with times that are mostly new, now and then late, early or repeated.
func send(ctx context.Context, t *testing.T, rng *rand.Rand, me, friend *komstream.Session, parts int, between func()) {
	t.Helper()
	value := 0 // no two are the same, so that a dropped one is told from the next
	for part := range parts {
		if part > 0 {
			between()
		}
		for range 1500 / parts {
			at := time.Now()
			switch rng.IntN(12) {
			case 0:
				at = at.Add(-time.Duration(rng.IntN(3000)) * time.Millisecond)
			case 1:
				at = at.Add(time.Duration(rng.IntN(500)) * time.Millisecond)
			case 2:
				at = at.Truncate(time.Second)
			}
			session, all := me, uris("own", 6)
			if rng.IntN(3) == 0 {
				session, all = friend, uris("open", 4)
			}
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			var samples []metric.Sample
			for _, uri := range all[:1+rng.IntN(3)] {
				value++
				samples = append(samples, metric.Datapoint(uri, at, value))
			}
			if session == me && rng.IntN(4) == 0 {
				samples = append(samples, metric.Datasource("own.text", at, strings.Repeat("é", rng.IntN(40))))
			}
			if err := session.Send(ctx, samples...); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(20) == 0 {
				if err := session.Flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// rest waits until both are connected, everything is acknowledged, and nothing arrives or runs any more.
func rest(ctx context.Context, t *testing.T, sessions ...*komstream.Session) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var messages uint64
	for calm := 0; calm < 5; {
		select {
		case <-ctx.Done():
			t.Fatalf("no rest: %+v", sessions[0].Stats())
		case <-tick.C:
		}
		calm++
		now := uint64(0)
		for _, s := range sessions {
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			stats := s.Stats()
			now += stats.Messages
			for _, i := range stats.Impulses {
				if i.Counters.Pending+i.Counters.Running > 0 {
					calm = 0
				}
			}
			if stats.State != komstream.StateLive {
				calm = 0
			}
		}
		if now != messages {
			messages, calm = now, 0
		}
	}
}
