package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

type netDialer = net.Dialer

func TestRestartKeepsEverything(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	h := hubtest.Start(t, hub.Config{Dir: dir})
	alice, bob := dial(t, h, "alice", ""), dial(t, h, "bob", "komstream")
	must(t, h.Share(ctx, "alice", "a", "bob"))
	alice.send(4200, dp("a.x", 1, 1))
	alice.send(4200, ds("a.y", 1, "text"))
	bob.hook(4200, "alice:a.x")
	bob.hook(4404, "alice:a.later")
	seq := bob.seqs.Next()
	own := dp("mine", 1, 1)
	resend := wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &own)
	bob.expect(4200, seq, resend)
	must(t, h.Close())
	if code := alice.closed(); code != 1001 {
		t.Errorf("a closing hub closed the socket with %d, want 1001", code)
	}

	again := hubtest.Start(t, hub.Config{Dir: dir})
	alice, bob = connect(t, again, alice.cookie, ""), connect(t, again, bob.cookie, "komstream")
	if diff := cmp.Diff([]string{"alice", "bob"}, again.Users()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1"}, bob.history("alice:a.x")); diff != "" {
		t.Error(diff)
	}
	bob.hook(4404, "mine.other")
	before := bob.history("mine")
	if bob.expect(4200, seq, resend); len(before) != 1 {
		t.Errorf("own history %v", before)
	}
	alice.send(4200, dp("a.x", 2, 2))
	alice.send(4200, dp("a.later", 2, 3))
	for _, want := range []string{"alice:a.x=2", "alice:a.later=3"} {
		f := bob.next()
		if diff := cmp.Diff([]string{want}, f.items()); diff != "" || f.Pos < 3 {
			t.Errorf("pos %d: %s", f.Pos, diff)
		}
	}
	alice.send(4430, ds("a.x", 3, "no longer a number"))
	given, received, err := again.Shares("alice")
	if err != nil || len(given) != 1 || len(received) != 0 {
		t.Errorf("shares %v %v %v", given, received, err)
	}
}

// TestLastNotificationIsTheStoredValue lets many sockets write one sample again and again: subscribers must see the
// writes in the order in which the store took them.
func TestLastNotificationIsTheStoredValue(t *testing.T) {
	h := hubtest.New(t)
	const writers, rounds = 6, 150
	cookie := enter(t, h, "alice")
	watcher := dial(t, h, "alice", "")
	var sockets []*client
	for range writers {
		sockets = append(sockets, connect(t, h, cookie, ""))
	}
	for round := range rounds {
		uri := metric.URI(fmt.Sprint("m", round))
		watcher.hook(4404, uri)
		var all sync.WaitGroup
		for i, c := range sockets {
			all.Go(func() {
				s, seq := dp(uri, 1, i), c.seqs.Next()
				c.write(wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s))
			})
		}
		all.Wait()
		last, position := "", uint64(0)
		for range writers {
			f := watcher.next()
			if f.Pos <= position {
				t.Fatalf("position %d follows %d", f.Pos, position)
			}
			last, position = f.items()[0], f.Pos
		}
		if stored := watcher.history(uri); len(stored) != 1 || last != fmt.Sprintf("%s=%s", uri, stored[0]) {
			t.Fatalf("round %d: the last notification is %s, the store holds %v", round, last, stored)
		}
	}
}

func TestRequestsOfOneSocketAreAnsweredInOrder(t *testing.T) {
	h := hubtest.New(t)
	c, other := dial(t, h, "alice", ""), dial(t, h, "bob", "")
	must(t, h.Share(context.Background(), "bob", "b", "alice"))
	other.send(4200, dp("b", 1, 1))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	var want []string
	for i := range 600 {
		seq := c.seqs.Next()
		want = append(want, seq.String())
		s := dp("m", i, i)
		switch r.IntN(6) {
		case 0:
			c.write(wire.AppendHook(nil, seq, "bob:b"))
		case 1:
			c.write(wire.AppendUnhook(nil, seq, "bob:b"))
		case 2:
			c.write(wire.AppendRequest(nil, seq, "bob:b", metric.MinTime, metric.MaxTime, 1))
		case 3:
			c.write(fmt.Appendf(nil, `{"v":1,"action":"none","seq":"%s","irt":null,"payload":{}}`, seq))
		default:
			c.write(wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s))
		}
	}
	for i := range want {
		for {
			if f := c.next(); f.Action == "generic_response" {
				if *f.Irt != want[i] {
					t.Fatalf("answer %d is to %s, want %s", i, *f.Irt, want[i])
				}
				break
			}
		}
	}
}

func TestResendsAreExecutedOnce(t *testing.T) {
	h := hubtest.New(t)
	for features, want := range map[string]int{"via, pos": 3, "": 6} {
		user := fmt.Sprint("user", want)
		c := dial(t, h, user, features)
		c.hook(4404, "m")
		var frames [][]byte
		for i := range 3 {
			s, seq := dp("m", i, i), c.seqs.Next()
			frames = append(frames, wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s))
		}
		for range 2 {
			for _, f := range frames {
				c.write(f)
			}
		}
		answers, pushes := 0, 0
		for _, f := range c.quiet() {
			switch f.Action {
			case "generic_response":
				answers++
				if f.status() != 4200 {
					t.Error(f)
				}
			case "send_multi_data":
				pushes++
			}
		}
		if answers != 6 || pushes != want {
			t.Errorf("features %q: %d answers and %d notifications, want 6 and %d", features, answers, pushes, want)
		}
	}
}

func TestRefusedRequestsAreExecutedWhenResent(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "pos")
	c.send(4200, dp("m", 1, 1))
	refusedSeq := c.seqs.Next()
	s := ds("m", 2, "text")
	refused := wire.AppendSendOne(nil, refusedSeq, wire.Seq{}, nil, &s)
	c.expect(4430, refusedSeq, refused)
	c.send(4200, dp("m", 3, 3))
	c.expect(4430, refusedSeq, refused) // not 4200: it was never executed
	must(t, h.Delete(context.Background(), "alice", "m"))
	c.expect(4200, refusedSeq, refused)
	c.expect(4200, refusedSeq, refused)
	if diff := cmp.Diff([]string{"text"}, c.history("m")); diff != "" {
		t.Error(diff)
	}
}
