package hub_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// These are the defects of the original hub that docs/protocol.md tells of. Each test is that we do not have it.

// TestAnOlderSocketThatClosesSilencesNobody: two sockets with one cookie; when the older one closes, the newer one gets
// its notifications and its pages.
func TestAnOlderSocketThatClosesSilencesNobody(t *testing.T) {
	h := hubtest.New(t)
	writer := dial(t, h, "alice", "")
	older := dial(t, h, "alice", "")
	older.hook(4404, "m")
	newer := connect(t, h, older.cookie, "")
	newer.quiet() // it is the current one
	_ = older.ws.Close()
	older.gone = true
	for h.Stats().Sockets > 2 {
		writer.quiet()
	}
	for i := range 10 {
		writer.send(4200, dp("m", i, i))
		if diff := cmp.Diff([]string{fmt.Sprint("m=", i)}, newer.next().items()); diff != "" {
			t.Error(diff)
		}
	}
	if rows := newer.history("m"); len(rows) != 10 {
		t.Errorf("the newer socket reads %d rows, want 10", len(rows))
	}
}

// TestNoMetricIsHalfMade: a message that creates one metric twice fails whole, in all its variants, and leaves nothing
// that would make the name unusable.
func TestNoMetricIsHalfMade(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	for name, uris := range map[string]string{
		"two numbers":               `{"uri":"x","type":"p","content":"1"},{"uri":"x","type":"p","content":"2"}`,
		"two texts":                 `{"uri":"x","type":"d","content":"1"},{"uri":"x","type":"d","content":"2"}`,
		"one of each":               `{"uri":"x","type":"d","content":"1"},{"uri":"x","type":"p","content":"2"}`,
		"local and global":          `{"uri":"x","type":"p","content":"1"},{"uri":"alice:x","type":"p","content":"2"}`,
		"beside a new datasource":   `{"uri":"y","type":"d","content":"1"},{"uri":"x","type":"p","content":"1"},{"uri":"x","type":"p","content":"2"}`,
		"in another spelling of me": `{"uri":"x","type":"d","content":"1"},{"uri":"ALICE:x","type":"d","content":"2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			seq := c.seqs.Next()
			f := c.expect(4501, seq, fmt.Appendf(nil,
				`{"v":1,"action":"send_multi_data","seq":"%s","irt":null,"payload":{"t":"%s","uris":[%s]}}`, seq, metric.MinTime, uris))
			if f.code() != 6003 || f.Payload["reason"] == nil {
				t.Errorf("answered %v, want 6003 and a reason", f.Payload)
			}
			if all, err := h.List("alice", ""); err != nil || len(all) != 0 {
				t.Errorf("left behind: %v, %v", all, err)
			}
			c.send(4200, ds("x", 1, "usable"))
			c.hook(4200, "x")
			if diff := cmp.Diff([]string{"usable"}, c.history("x")); diff != "" {
				t.Error(diff)
			}
			c.unhook(4200, "x")
			must(t, h.Delete(context.Background(), "alice", "x"))
		})
	}
}

// TestAFailedWriteLeavesWhatWasThere: in the original a failed write of a number deletes the whole metric.
func TestAFailedWriteLeavesWhatWasThere(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	c.send(4200, dp("m", 1, 1), ds("t", 1, "x"))
	for _, payload := range []string{
		`{"t":"%s","uris":[{"uri":"m","type":"p","content":"2"},{"uri":"bob:m","type":"p","content":"2"}]}`,
		`{"t":"%s","uris":[{"uri":"m","type":"d","content":"no number"}]}`,
		`{"t":"%s","uris":[{"uri":"m","type":"p","content":"2"},{"uri":"t","type":"p","content":"2"}]}`,
	} {
		seq := c.seqs.Next()
		f, _ := c.ask(seq, fmt.Appendf(nil, `{"v":1,"action":"send_multi_data","seq":"%s","irt":null,"payload":`+payload+`}`, seq, metric.MaxTime))
		if f.status() == 4200 {
			t.Errorf("%s was executed", payload)
		}
	}
	if diff := cmp.Diff([]string{"1"}, c.history("m")); diff != "" {
		t.Error(diff)
	}
}

// TestEveryAnswerHasAnEnd: in the original an answer whose count is reached exactly, or whose bounds are reversed, has
// no interval with the bounds asked for, for which its agents wait for ever.
func TestEveryAnswerHasAnEnd(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	for i := range 10 {
		c.send(4200, dp("m", i, i))
	}
	early, late := metric.NewTimeUUID(metric.TicksOf(at(-5)), metric.PlainLow), metric.NewTimeUUID(metric.TicksOf(at(50)), metric.PlainLow)
	for name, ask := range map[string]struct {
		start, end metric.TimeUUID
		count      int
		rows       int
	}{
		"count reached":     {metric.MinTime, late, 10, 10},
		"fewer than count":  {metric.MinTime, late, 11, 10},
		"more than count":   {early, metric.MaxTime, 3, 3},
		"reversed":          {late, early, 0, 10},
		"reversed, counted": {late, early, 4, 4},
		"nothing there":     {metric.NewTimeUUID(metric.TicksOf(at(30)), metric.PlainLow), late, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			seq := c.seqs.Next()
			c.expect(4202, seq, wire.AppendRequest(nil, seq, "m", ask.start, ask.end, ask.count))
			rows, first, last := 0, false, false
			for !first || !last {
				f := c.next()
				data, _ := f.Payload["data"].([]any)
				rows += len(data)
				first = first || f.Payload["end"] == ask.end.String()
				last = last || f.Payload["start"] == ask.start.String()
			}
			if rows != ask.rows {
				t.Errorf("%d rows, want %d", rows, ask.rows)
			}
		})
	}
}

// TestEveryWriteIsNotifiedWithItsOwnValue: the original reads the store when it notifies, so that a quick overwrite is
// told twice and what it replaced never.
func TestEveryWriteIsNotifiedWithItsOwnValue(t *testing.T) {
	h := hubtest.New(t)
	writer, reader := dial(t, h, "alice", ""), dial(t, h, "alice", "")
	reader.hook(4404, "m")
	const n = 500
	for i := range n {
		s := dp("m", 1, i) // all of one time
		writer.write(wire.AppendSendOne(nil, writer.seqs.Next(), wire.Seq{}, nil, &s))
	}
	for i := range n {
		if diff := cmp.Diff([]string{fmt.Sprint("m=", i)}, reader.next().items()); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestManySubscribersDelayNobody: in the original 20 subscribers and 32 outstanding writes were enough for minutes.
func TestManySubscribersDelayNobody(t *testing.T) {
	h := hubtest.New(t)
	writer := dial(t, h, "alice", "")
	var readers []*client
	for range 20 {
		r := dial(t, h, "alice", "")
		r.hook(4404, "m")
		readers = append(readers, r)
	}
	const n = 320
	started := time.Now()
	for i := range n {
		s := dp("m", i, i)
		writer.write(wire.AppendSendOne(nil, writer.seqs.Next(), wire.Seq{}, nil, &s))
	}
	for _, r := range readers {
		for range n {
			r.next()
		}
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("%d writes to 20 subscribers took %v", n, took)
	}
}

// TestRevokedLogins ends the logins of one agent, and then of all of a user's.
func TestRevokedLogins(t *testing.T) {
	h := hubtest.New(t)
	ctx := context.Background()
	alice, bob := dial(t, h, "alice", ""), dial(t, h, "bob", "")
	second := dial(t, h, "alice", "")
	alice.hook(4404, "m")
	agents, err := h.AgentsOf("alice")
	must(t, err)
	if _, err := h.RevokeSessions(ctx, "bob", agents[0].ID); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("an agent of another user: %v, want ErrNotFound", err)
	}
	started := time.Now()
	n, err := h.RevokeSessions(ctx, "alice", agents[0].ID)
	must(t, err)
	if n != 2 {
		t.Errorf("%d logins were revoked, want 2", n)
	}
	for _, c := range []*client{alice, second} {
		if code := c.closed(); code != 4403 {
			t.Errorf("closed with %d, want 4403", code)
		}
	}
	if took := time.Since(started); took > time.Second {
		t.Errorf("it took %v, want less than a second", took)
	}
	if code := connect(t, h, alice.cookie, "").closed(); code != 4403 {
		t.Errorf("the old cookie: %d, want 4403", code)
	}
	bob.send(4200, dp("m", 1, 1))
	again := dial(t, h, "alice", "")
	again.send(4200, dp("m", 1, 1))
	if n, err := h.RevokeSessions(ctx, "alice", ""); n != 1 || err != nil {
		t.Errorf("of all agents: %d, %v, want 1", n, err)
	}
	if n, err := h.RevokeSessions(ctx, "alice", ""); n != 0 || err != nil {
		t.Errorf("once more: %d, %v, want none", n, err)
	}
}

// TestSuspendedAgentIsCutOffWithinASecond: also one that reads nothing.
func TestSuspendedAgentIsCutOffWithinASecond(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	stalled(t, h, c.cookie)
	agents, err := h.AgentsOf("alice")
	must(t, err)
	started := time.Now()
	must(t, h.SuspendAgent(context.Background(), agents[0].ID))
	if code := c.closed(); code != 4403 {
		t.Errorf("closed with %d, want 4403", code)
	}
	if took := time.Since(started); took > time.Second {
		t.Errorf("the agent was cut off after %v, want within a second", took)
	}
	if code := connect(t, h, c.cookie, "").closed(); code != 4403 {
		t.Errorf("it came back and was closed with %d, want 4403", code)
	}
}

// TestWrongProofsAreLimited sends forged proofs until the hub does not look at them any more.
func TestWrongProofsAreLimited(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	key := h.User("alice")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(form url.Values) *http.Response {
		r, err := client.PostForm(h.URL()+"/login", form)
		must(t, err)
		return r
	}
	form := loginForm("alice", key)
	r := ask(form)
	var step1 struct{ Challenge []byte }
	must(t, json.NewDecoder(r.Body).Decode(&step1))
	_ = r.Body.Close()
	prove(t, form, key, step1.Challenge)
	good := form.Get("s")
	form.Set("s", "AAAA")
	last := 0
	for range 50 {
		r := ask(form)
		_ = r.Body.Close()
		if last = r.StatusCode; last == http.StatusTooManyRequests {
			if r.Header.Get("Retry-After") == "" || r.Header.Get("X-Request-Id") == "" {
				t.Errorf("headers %v", r.Header)
			}
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("50 forged proofs end with %d, want 429", last)
	}
	form.Set("s", good)
	if r := post(t, h, form); r.status != http.StatusOK {
		t.Errorf("from the hub's own process: %d, want 200", r.status)
	}
}

// TestDrain closes a hub that is being written to, and starts the next one on its directory: what was acknowledged is
// there, and every agent was told to come back.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	h := hubtest.Start(t, hub.Config{Dir: dir})
	const writers = 8
	acknowledged := make([]int, writers)
	codes := make([]int, writers)
	var all, begun sync.WaitGroup
	for w := range writers {
		c := dial(t, h, "alice", "")
		begun.Add(1)
		all.Go(func() {
			uri := metric.URI(fmt.Sprint("m", w))
			for i := 0; ; i++ {
				s := dp(uri, i, i)
				if err := c.ws.WriteMessage(websocket.TextMessage, wire.AppendSendOne(nil, c.seqs.Next(), wire.Seq{}, nil, &s)); err != nil {
					break
				}
				f, open := <-c.frames
				if !open {
					break
				}
				if f.status() == 4200 {
					acknowledged[w]++
				}
				if i == 20 {
					begun.Done()
				}
			}
			for range c.frames {
				continue // until the socket ends
			}
			codes[w] = closeCode(c.err)
		})
	}
	begun.Wait()
	must(t, h.Close())
	all.Wait()
	next := hubtest.Start(t, hub.Config{Dir: dir})
	details, err := next.Details(context.Background(), "alice", "")
	must(t, err)
	for w, d := range details {
		if int(d.Samples) < acknowledged[w] {
			t.Errorf("%s: %d samples are stored, %d were acknowledged", d.URI, d.Samples, acknowledged[w])
		}
		if codes[w] != websocket.CloseGoingAway {
			t.Errorf("writer %d was closed with %d, want 1001", w, codes[w])
		}
	}
	if len(details) != writers {
		t.Errorf("%d metrics, want %d", len(details), writers)
	}
}

func loginForm(user string, key *connection.Key) url.Values {
	return url.Values{"u": {user}, "pv": {"1"}, "k": {base64.StdEncoding.EncodeToString([]byte(key.Public().String()))}}
}

// prove adds the proof of a challenge to a form.
func prove(t *testing.T, form url.Values, key *connection.Key, challenge []byte) {
	t.Helper()
	plaintext, err := key.Decrypt(challenge)
	must(t, err)
	hash := connection.ChallengeHash(plaintext)
	signature, err := key.Sign(hash)
	must(t, err)
	form.Set("c", base64.StdEncoding.EncodeToString(hash[:]))
	form.Set("s", base64.StdEncoding.EncodeToString(signature))
}
