package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

func TestAccounts(t *testing.T) {
	ctx := context.Background()
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	must(t, h.AddUser(ctx, "Alice"))
	key := hubtest.Key(0).Public()
	id, err := h.AddAgent(ctx, "ALICE", key)
	must(t, err)
	for name, c := range map[string]struct{ got, want error }{
		"same user":        {h.AddUser(ctx, "alice"), hub.ErrExists},
		"same key":         {second(h.AddAgent(ctx, "alice", key)), hub.ErrExists},
		"unknown user":     {second(h.AddAgent(ctx, "nobody", key)), hub.ErrNotFound},
		"unknown agent":    {h.SuspendAgent(ctx, "x"), hub.ErrNotFound},
		"share to nobody":  {h.Share(ctx, "alice", "x", "nobody"), hub.ErrNotFound},
		"unshare nothing":  {h.Unshare(ctx, "alice", "x", "alice2"), hub.ErrNotFound},
		"delete nothing":   {h.Delete(ctx, "alice", "x"), hub.ErrNotFound},
		"list of nobody":   {second(h.List("nobody", "")), hub.ErrNotFound},
		"agents of nobody": {second(h.AgentsOf("nobody")), hub.ErrNotFound},
	} {
		if !errors.Is(c.got, c.want) || !strings.HasPrefix(c.got.Error(), "hub: ") {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	var invalid *metric.InvalidError
	if err := h.AddUser(ctx, "a b"); !errors.As(err, &invalid) {
		t.Errorf("bad name: %v", err)
	}
	must(t, h.AddUser(ctx, "bob"))
	if err := h.Share(ctx, "alice", "bob:x", "bob"); err == nil {
		t.Error("a share of another's uri was made")
	}
	must(t, h.SuspendAgent(ctx, id))
	agents, err := h.AgentsOf("alice")
	if err != nil || len(agents) != 1 || agents[0].Active || !agents[0].Key.Equal(key) {
		t.Errorf("agents %+v %v", agents, err)
	}
	must(t, h.RemoveAgent(ctx, id))
	if agents, _ := h.AgentsOf("alice"); len(agents) != 0 {
		t.Errorf("agents after removal: %v", agents)
	}
	if _, err := h.AddAgent(ctx, "alice", key); err != nil {
		t.Errorf("a removed key cannot be authorised again: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestSuspendedAgentIsCutOff(t *testing.T) {
	ctx := context.Background()
	h := hubtest.New(t)
	c, other := dial(t, h, "alice", ""), dial(t, h, "bob", "")
	c.hook(4404, "m")
	agents, err := h.AgentsOf("alice")
	must(t, err)
	must(t, h.SuspendAgent(ctx, agents[0].ID))
	if code := c.closed(); code != 4403 {
		t.Errorf("closed with %d, want 4403", code)
	}
	x := connect(t, h, c.cookie, "")
	if code := x.closed(); code != 4403 {
		t.Errorf("the old cookie: closed with %d, want 4403", code)
	}
	must(t, h.ActivateAgent(ctx, agents[0].ID))
	x = connect(t, h, c.cookie, "")
	x.send(4200, dp("m", 1, 1))
	if diff := cmp.Diff([]string{"m=1"}, x.next().items()); diff != "" {
		t.Error("hooks outlive a suspension: ", diff)
	}
	must(t, h.RemoveAgent(ctx, agents[0].ID))
	if code := x.closed(); code != 4403 {
		t.Errorf("removed: closed with %d, want 4403", code)
	}
	other.send(4200, dp("m", 1, 1))
}

func TestWithdrawnShareSilences(t *testing.T) {
	ctx := context.Background()
	h := hubtest.New(t)
	alice, bob := dial(t, h, "alice", ""), dial(t, h, "bob", "")
	must(t, h.Share(ctx, "alice", "a", "bob"))
	alice.send(4200, dp("a.x", 1, 1))
	bob.hook(4200, "alice:a.x")
	bob.hook(4404, "alice:a.y")
	must(t, h.Unshare(ctx, "alice", "a", "bob"))
	alice.send(4200, dp("a.x", 2, 2), dp("a.y", 2, 2))
	alice.unhook(4200, "barrier")
	if frames := bob.quiet(); len(frames) > 0 {
		t.Errorf("after the withdrawal: %v", frames)
	}
	bob.unhook(4430, "alice:a.x")
	seq := bob.seqs.Next()
	bob.expect(4430, seq, wire.AppendRequest(nil, seq, "alice:a.x", metric.MinTime, metric.MaxTime, 1))
	// A narrower share revives what it covers.
	must(t, h.Share(ctx, "alice", "a.y", "bob"))
	alice.send(4200, dp("a.x", 3, 3), dp("a.y", 3, 3))
	if diff := cmp.Diff([]string{"alice:a.y=3"}, bob.next().items()); diff != "" {
		t.Error(diff)
	}
}

func TestNewerSocketGetsThePushes(t *testing.T) {
	h := hubtest.New(t)
	old := dial(t, h, "alice", "")
	old.hook(4404, "m")
	newer := connect(t, h, old.cookie, "")
	old.send(4200, dp("m", 1, 1))
	if diff := cmp.Diff([]string{"m=1"}, newer.next().items()); diff != "" {
		t.Error(diff)
	}
	_ = old.ws.Close()
	old.closed()
	for i := 2; i < 20; i++ { // the hub notices the end of the older one at some time in between
		newer.send(4200, dp("m", i, i))
		if f := newer.next(); f.Action != "send_multi_data" {
			t.Fatalf("%v instead of the notification", f)
		}
	}
	if diff := cmp.Diff(19, len(newer.history("m"))); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteMakesHooksPendingAndReservesAType(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "delete_uri")
	c.send(4200, dp("m", 1, 1))
	c.hook(4200, "m")
	seq := c.seqs.Next()
	c.expect(4200, seq, wire.AppendDelete(nil, seq, "m", metric.KindDatasource))
	c.expect(4200, seq, wire.AppendDelete(nil, seq, "m", metric.KindDatasource)) // a resend
	seq = c.seqs.Next()
	c.expect(4404, seq, wire.AppendDelete(nil, seq, "m", 0))
	seq = c.seqs.Next()
	c.expect(4430, seq, wire.AppendDelete(nil, seq, "bob:m", 0))
	if f := c.send(4430, dp("m", 2, 2)); f.code() != 201200 {
		t.Errorf("the other type after a reservation: %v", f.Payload)
	}
	if f := c.send(4400, dp("m", 2, 2), ds("other", 2, "x")); f.code() != 201308 {
		t.Errorf("the other type after a reservation, in a multi: %v", f.Payload)
	}
	c.send(4200, ds("m", 3, "text"))
	if diff := cmp.Diff([]string{"m=text"}, c.next().items()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"text"}, c.history("m")); diff != "" {
		t.Error("samples of the deleted metric: ", diff)
	}
}

// TestRandomSharesAgainstASet gives and withdraws shares and hooks at random, and compares what a subscriber gets with
// what a set of shares and hooks says.
func TestRandomSharesAgainstASet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	ctx := context.Background()
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice, bob := dial(t, h, "alice", ""), dial(t, h, "bob", "")
	uris := []metric.URI{"a", "a.b", "a.b.c", "ax", "a.b.c.d"}
	shares, hooks := map[metric.URI]bool{}, map[metric.URI]bool{}
	covered := func(uri metric.URI) bool {
		for s := range shares {
			if uri.Within(s) {
				return true
			}
		}
		return false
	}
	var want, got []string
	for i := range 1200 {
		uri := uris[r.IntN(len(uris))]
		seq := bob.seqs.Next()
		switch r.IntN(5) {
		case 0: // share or withdraw
			got = append(got, pushed(bob.quiet())...) // what is queued before a withdrawal may be dropped by it
			if shares[uri] {
				delete(shares, uri)
				must(t, h.Unshare(ctx, "alice", uri, "bob"))
			} else {
				shares[uri] = true
				must(t, h.Share(ctx, "alice", uri, "bob"))
			}
		case 1: // hook or unhook, which needs the right
			frame, hooking := wire.AppendHook(nil, seq, "alice:"+uri), true
			if hooks[uri] {
				frame, hooking = wire.AppendUnhook(nil, seq, "alice:"+uri), false
			}
			answer, before := bob.ask(seq, frame)
			got = append(got, pushed(before)...)
			if denied := answer.status() == 4430; denied == covered(uri) {
				t.Fatalf("step %d: %s with shares %v: %v", i, frame, shares, answer.Payload)
			} else if !denied {
				hooks[uri] = hooking
			}
		default:
			alice.send(4200, dp(uri, i, i))
			alice.unhook(4200, "barrier")
			if hooks[uri] && covered(uri) {
				want = append(want, fmt.Sprintf("alice:%s=%d", uri, i))
			}
		}
	}
	got = append(got, pushed(bob.quiet())...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
}

// pushed returns the items of the notifications among frames.
func pushed(frames []frame) (all []string) {
	for _, f := range frames {
		all = append(all, f.items()...)
	}
	return all
}

// TestPagesStopWithTheRight withdraws a share in the middle of a long answer. What follows must be the end of the
// answer, without rows.
func TestPagesStopWithTheRight(t *testing.T) {
	ctx := context.Background()
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice := dial(t, h, "alice", "")
	h.User("bob")
	must(t, h.Share(ctx, "alice", "m", "bob"))
	text := strings.Repeat("x", 100_000)
	for i := range 60 {
		alice.send(4200, ds("m", i, text))
	}
	slow := stalled(t, h, enter(t, h, "bob"))
	ask := wire.AppendRequest(nil, alice.seqs.Next(), "alice:m", metric.MinTime, metric.MaxTime, 0)
	must(t, slow.WriteMessage(websocket.TextMessage, ask))
	if f := readFrame(t, slow); f.status() != 4202 {
		t.Fatal(f)
	}
	withdrawn := make(chan error, 1)
	go func() { withdrawn <- h.Unshare(ctx, "alice", "m", "bob") }()
	must(t, <-withdrawn) // the page that is being written is cut off after a second
	rows := 0
	for {
		_, frame, err := slow.ReadMessage()
		if err != nil {
			break
		}
		rows += strings.Count(string(frame), text)
	}
	if rows > 11 {
		t.Errorf("%d rows were read after the withdrawal, want at most the page on the wire", rows)
	}
}
