package actors_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
)

func TestStatesAreObservedInOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		settle()
		equal(t, "path", p.path(), "authenticating syncing live")
		p.net.cut()
		settle()
		equal(t, "after a cut", p.State(), actors.StateWaiting)
		pass(time.Minute)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, "path", p.path(), "authenticating syncing live waiting connecting syncing live closed")
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, s := range p.states {
			if i > 0 && s.From != p.states[i-1].To {
				t.Errorf("change %d comes from %s, the one before went to %s", i, s.From, p.states[i-1].To)
			}
			if (s.To == actors.StateWaiting) != (s.Err != nil) {
				t.Errorf("%s: error %v, want one for a loss and none otherwise", s, s.Err)
			}
		}
	})
}

// waits returns the pauses before the tries to connect.
func (j *journal) waits() (all []time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.states {
		if s.To == actors.StateWaiting {
			all = append(all, s.RetryIn)
		}
	}
	return all
}

// Pauses grow, with jitter, to a maximum, and the session never gives up.
func TestBackoffGrowsAndHasNoEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		p.net.refuse(errNoNetwork)
		p.net.cut()
		pass(6 * time.Hour)
		waits := p.waits()
		if len(waits) < 6*60*2 {
			t.Fatalf("%d tries in six hours, want at least one each 30 s", len(waits))
		}
		for i, wait := range waits {
			mean := min(500*time.Millisecond<<min(i, 10), 20*time.Second)
			if wait < mean/2 || wait > mean*3/2 {
				t.Fatalf("pause %d is %s, want %s and half of it either way", i, wait, mean)
			}
		}
		p.net.refuse(nil)
		pass(time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
		p.send(dp("a", 1))
	})
}

// Only a connection that lived for a minute makes the next pause short again.
func TestBackoffStartsAgainOnlyAfterAStableMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		for range 6 {
			p.net.cut()
			pass(40 * time.Second) // at most thirty of them waiting: connected for a few
		}
		waits := p.waits()
		if last := waits[len(waits)-1]; last < 8*time.Second {
			t.Errorf("pause after connections that lived some seconds: %s, want it grown", last)
		}
		pass(2 * time.Minute)
		p.net.cut()
		pass(time.Second)
		waits = p.waits()
		if last := waits[len(waits)-1]; last > 750*time.Millisecond {
			t.Errorf("pause after a stable minute: %s, want about 500 ms", last)
		}
	})
}

func TestCloseCode4403LogsInAfreshAndOthersKeepTheCookie(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "a"))
		logins := p.net.posts()
		for _, code := range []uint16{1000, 1001, 1011, 1012, 4503, 4000} {
			p.net.injectClose(code)
			settle()
			equal(t, fmt.Sprintf("state after %d", code), p.State(), actors.StateWaiting)
			pass(time.Minute)
			equal(t, fmt.Sprintf("logins after %d", code), p.net.posts(), logins)
			equal(t, fmt.Sprintf("state a minute after %d", code), p.State(), actors.StateLive)
		}
		p.net.injectClose(4403)
		pass(time.Minute)
		equal(t, "login requests after 4403", p.net.posts(), logins+2)
		equal(t, "state", p.State(), actors.StateLive)
		p.send(dp("a", 1))
		equal(t, "subscribed again", r.updates(), "a=1")
	})
}

func TestRevokedAgentIsThrownOutAndComesBackWhenAuthorisedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		agents, err := w.AgentsOf("alice")
		if err != nil || len(agents) != 1 {
			t.Fatal(agents, err)
		}
		if err := w.SuspendAgent(t.Context(), agents[0].ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if p.State() == actors.StateLive {
			t.Error("a suspended agent is live")
		}
		if !errors.Is(p.Stats().LastErr, connection.ErrAccessDenied) {
			t.Errorf("last error %v, want ErrAccessDenied", p.Stats().LastErr)
		}
		_, err = w.try(t.Context(), "alice", nil)
		checkOpenDenied(t, err)
		if err := w.ActivateAgent(t.Context(), agents[0].ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
	})
}

// The hub answers nothing any more, not even pings, and the network does not say that it is gone.
func TestHalfOpenConnectionIsNoticed(t *testing.T) {
	for _, mute := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.join("alice")
			p.net.deafen(mute)
			pass(31 * time.Second) // three pings
			if s := p.State(); s != actors.StateWaiting && len(p.waits()) == 0 {
				t.Errorf("state %s half a minute after the connection died, want it noticed", s)
			}
			pass(time.Minute)
			equal(t, "state", p.State(), actors.StateLive)
			p.send(dp("a", 1))
		})
	}
}

// The hub answers pings and nothing else.
func TestHubThatAnswersNoRequestIsLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		p.net.holdFrom(`"send_`)
		if err := p.Send(t.Context(), dp("a", 1)); err != nil {
			t.Fatal(err)
		}
		pass(2*time.Minute + time.Second)
		if len(p.waits()) == 0 {
			t.Error("the connection was kept for two minutes without an answer, want it left after RequestTimeout, 60 s")
		}
		p.net.release()
		pass(time.Minute)
		p.send()
		equal(t, "history", p.history("a"), "1")
	})
}

func TestTwoSessionsOfOneUserAreIndependent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var a, b recorder
		p, q := w.join("alice", a.impulse("one", "a")), w.join("alice", b.impulse("two", "a", "b"))
		p.send(dp("a", 1))
		p.net.cut()
		settle()
		q.send(dp("a", 2))
		q.send(dp("b", 3))
		equal(t, "q", b.updates(), "a=1 | a=2 | b=3")
		equal(t, "q's state", q.State(), actors.StateLive)
		pass(time.Minute)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		p.send(dp("a", 4))
		equal(t, "p", a.last().String(), "updated(a=4) a:[1 2 4]")
		equal(t, "q after it was closed", len(b.all()), 3)
	})
}

// A hub that is started again keeps what it knew; the session finds it again.
func TestOpenWaitsForAHubThatIsNotThereYet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := &peer{journal: &journal{}, net: &lines{dial: w.DialContext, refusal: errNoNetwork}, w: w}
		time.AfterFunc(time.Minute, func() { p.net.refuse(nil) })
		began := time.Now()
		w.joinOver(p, "alice")
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("Open took %s, want a little more than the minute without a network", took)
		}
	})
}

// checkOpenDenied checks the error of an Open that the hub denies.
func checkOpenDenied(t testing.TB, err error) {
	t.Helper()
	var open *actors.OpenError
	if !errors.Is(err, connection.ErrAccessDenied) || !errors.As(err, &open) {
		t.Errorf("Open: %v, want an OpenError that matches ErrAccessDenied", err)
	}
}

func TestOpenSaysAtOnceThatAccessIsDenied(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		began := time.Now()
		_, err := w.try(t.Context(), "alice", func(c *actors.Config) { c.Key = stranger(w, "alice") })
		checkOpenDenied(t, err)
		_, err = w.try(t.Context(), "alice", func(c *actors.Config) { c.Username = "nobody" })
		checkOpenDenied(t, err)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s, want no second try", took)
		}
	})
}

func TestOpenGivesUpWithItsContextAndSaysWhatItLastSaw(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		cause := errors.New("no patience")
		for name, tt := range map[string]struct {
			dial  func(ctx context.Context, network, address string) (net.Conn, error)
			state actors.State
			last  error
		}{
			"no network": {
				func(context.Context, string, string) (net.Conn, error) { return nil, errNoNetwork },
				actors.StateWaiting, errNoNetwork,
			},
			"network that hangs": {
				func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
				actors.StateAuthenticating, nil,
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, cause)
			began := time.Now()
			_, err := w.try(ctx, "alice", func(c *actors.Config) { c.Dial = tt.dial })
			cancel()
			var open *actors.OpenError
			switch {
			case !errors.As(err, &open) || !errors.Is(err, cause):
				t.Errorf("%s: %v, want an OpenError with the context's cause", name, err)
			case open.State != tt.state || tt.last != nil && !errors.Is(err, tt.last):
				t.Errorf("%s: state %s, last seen %v; want %s, %v", name, open.State, open.Last, tt.state, tt.last)
			case tt.last != nil && !strings.Contains(err.Error(), tt.last.Error()):
				t.Errorf("%s: %q does not say %q", name, err, tt.last)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("%s: took %s, want 10s", name, took)
			}
		}
	})
}

// Everything is checked before anything is done, and every fault is named.
func TestOpenNamesEveryFaultBeforeItConnects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dials := 0
		_, err := actors.Open(t.Context(), actors.Config{
			Username: "not a name", MaxSamples: -1, LoginURL: "ftp://x",
			Dial: func(context.Context, string, string) (net.Conn, error) { dials++; return nil, errNoNetwork },
		}, impulse.Impulse{Name: "r"}, impulse.Impulse{Name: "r", On: impulse.URIs("a..b")})
		for _, part := range []string{"Username", "Key", "MaxSamples", "LoginURL", "On", "Do", "unique", "a..b"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error %v does not name %s", err, part)
			}
		}
		equal(t, "dials", dials, 0)
	})
}

func TestBindGivesUpWithItsContextAndUndoesEverything(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice")
		p.net.refuse(errNoNetwork)
		p.net.cut()
		settle()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := p.Bind(ctx, r.impulse("r", "a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Bind without a network: %v, want the context's cause", err)
		}
		p.net.refuse(nil)
		pass(time.Minute)
		equal(t, "state", p.State(), actors.StateLive)
		equal(t, "windows", p.Stats().Windows, 0)
		equal(t, "hooks asked for", len(p.net.sent(`"hook_to_uri"`)), 0)
		p.bind(r.impulse("r", "a"))
		p.send(dp("a", 1))
		equal(t, "runs", r.updates(), "a=1")
	})
}

// A Bind that waits for a connection gets it when it comes.
func TestBindWaitsForTheConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice")
		p.net.refuse(errNoNetwork)
		p.net.cut()
		time.AfterFunc(time.Minute, func() { p.net.refuse(nil) })
		p.bind(r.impulse("r", "a"))
		p.send(dp("a", 1))
		equal(t, "runs", r.updates(), "a=1")
	})
}

func TestUsernameIsTheSameInEveryCase(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		w.User("alice")
		p := w.joinWith("alice", func(c *actors.Config) { c.Username = "ALICE" }, r.impulse("r", "Alice:a"))
		p.send(dp("alicE:a", 1))
		equal(t, "runs", r.updates(), "a=1")
	})
}

// Malformed frames of the hub, and answers to nothing, are events or ignored; the session goes on.
func TestMalformedFramesAreEventsAndTheSessionGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "a"))
		for _, text := range []string{
			``, `{`, `[]`, `7`, `{"v": 1}`, `{"v": 2, "action": "send_multi_data", "seq": "0", "irt": null, "payload": {}}`,
			pushed(time.Now(), `{"uri": "a", "type": "p", "content": "NaN"}`),
		} {
			p.net.injectText(text)
			settle()
		}
		equal(t, "events", len(p.noted("malformed")), 7)
		equal(t, "counted", p.Stats().Malformed, 7)
		equal(t, "runs", len(r.all()), 0)
		p.send(dp("a", 1))
		equal(t, "runs", r.updates(), "a=1")
		equal(t, "path", p.path(), "authenticating syncing live")
	})
}
