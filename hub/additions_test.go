package hub_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// allFeatures are what komstream's own agents announce.
var allFeatures = wire.OwnFeatures().String()

// query sends a query and returns the list that follows its answer.
func (c *client) query(append func(seq wire.Seq) []byte) frame {
	c.t.Helper()
	seq := c.seqs.Next()
	c.expect(4202, seq, append(seq))
	for {
		if f := c.next(); f.Irt != nil && *f.Irt == seq.String() {
			return f
		}
	}
}

// refused sends a query and checks that it is refused with a reason.
func (c *client) refused(status, code int, append func(seq wire.Seq) []byte) string {
	c.t.Helper()
	seq := c.seqs.Next()
	f := c.expect(status, seq, append(seq))
	reason, _ := f.Payload["reason"].(string)
	if f.code() != code || reason == "" {
		c.t.Errorf("answered %v, want %d and a reason", f.Payload, code)
	}
	return reason
}

func objects(f frame, name string) (all []map[string]any) {
	list, _ := f.Payload[name].([]any)
	for _, x := range list {
		object, _ := x.(map[string]any)
		all = append(all, object)
	}
	return all
}

// TestAdditionsNeedTheirFeatures sends every action of ours, right and wrong, as an original agent does.
func TestAdditionsNeedTheirFeatures(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	c := dial(t, h, "alice", wire.FeatureVia)
	p := func(action, payload string) func(seq wire.Seq) []byte {
		return func(seq wire.Seq) []byte {
			return fmt.Appendf(nil, `{"v":1,"action":"%s","seq":"%s","irt":null,"payload":%s}`, action, seq, payload)
		}
	}
	for action, payload := range map[string]string{
		"delete_uri": `{"uri":"a","type":null}`, "list_uris": `{"uri":null,"after":null,"limit":null}`,
		"share": `{"uri":"a","user":"bob"}`, "unshare": `{"uri":"a","user":"bob"}`, "list_shares": `{"after":null,"limit":null}`,
		"send_batch": `{"sends":[]}`, "since": `{"owner":null,"position":0,"limit":null}`,
	} {
		for _, payload := range []string{payload, `{}`} {
			if reason := c.refused(4400, 200000, p(action, payload)); !strings.Contains(reason, "did not announce") {
				t.Errorf("%s %s: %s", action, payload, reason)
			}
		}
	}
	c.refused(4400, 200000, p("missed_data", `{"uris":[]}`))
}

// TestListPages lists random data models page by page and compares them with what was sent.
func TestListPages(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice, bob := dial(t, h, "alice", allFeatures), dial(t, h, "bob", allFeatures)
	want := map[metric.URI]string{}
	for i := range 60 {
		var levels []string
		for range 1 + random.IntN(3) {
			levels = append(levels, []string{"a", "a-b", "ab", "B", "c_"}[random.IntN(5)])
		}
		uri := metric.URI(strings.Join(levels, "."))
		if _, made := want[uri]; made {
			continue
		}
		if random.IntN(2) == 0 {
			alice.send(4200, dp(uri, 50, "0"))
			alice.send(4200, dp(uri, 100-i, i))
			alice.send(4200, dp(uri, 10, "0"))
			want[uri] = fmt.Sprint("p ", metric.TicksOf(at(max(50, 100-i))).Time().Unix(), " ", i)
			if 100-i < 50 {
				want[uri] = fmt.Sprint("p ", at(50).Unix(), " 0")
			}
		} else {
			alice.send(4200, ds(uri, i, "text"))
			want[uri] = fmt.Sprint("d ", at(i).Unix(), " <nil>")
		}
	}
	must(t, h.Share(context.Background(), "alice", "a", "bob"))
	list := func(c *client, owner string, prefix metric.URI) (got []string) {
		after := metric.URI("")
		for {
			limit := 1 + random.IntN(9)
			f := c.query(func(seq wire.Seq) []byte { return wire.AppendList(nil, seq, prefix, after, limit) })
			entries := objects(f, "uris")
			if len(entries) > limit || len(entries) < limit && f.Payload["more"] == true {
				t.Fatalf("%d entries of at most %d, more %v", len(entries), limit, f.Payload["more"])
			}
			for _, e := range entries {
				last, err := metric.ParseTimeUUID(e["t"].(string))
				must(t, err)
				got = append(got, fmt.Sprint(e["uri"], " ", e["type"], " ", last.Time().Unix(), " ", e["content"]))
				after = metric.URI(e["uri"].(string))
			}
			if f.Payload["more"] != true {
				return got
			}
		}
	}
	for _, prefix := range []metric.URI{"", "a", "ab", "a.a", "c_.B", "nothing"} {
		expected := map[string][]string{}
		uris := make([]metric.URI, 0, len(want))
		for uri := range want {
			if prefix == "" || uri.Within(prefix) {
				uris = append(uris, uri)
			}
		}
		slices.SortFunc(uris, func(a, b metric.URI) int { return cmp.Compare(a, b) })
		for _, uri := range uris {
			expected[""] = append(expected[""], fmt.Sprint(uri, " ", want[uri]))
			expected["alice:"] = append(expected["alice:"], fmt.Sprint("alice:", uri, " ", want[uri]))
		}
		if diff := gocmp.Diff(expected[""], list(alice, "", prefix)); diff != "" {
			t.Errorf("seed %d, prefix %q: %s", seed, prefix, diff)
		}
		if prefix == "" || !prefix.Within("a") {
			bob.refused(4430, 202752, func(seq wire.Seq) []byte { return wire.AppendList(nil, seq, "alice:"+max(prefix, "x"), "", 0) })
			continue
		}
		if diff := gocmp.Diff(expected["alice:"], list(bob, "alice:", "ALICE:"+prefix)); diff != "" {
			t.Errorf("seed %d, prefix %q, shared: %s", seed, prefix, diff)
		}
	}
	bob.refused(4430, 202752, func(seq wire.Seq) []byte { return wire.AppendList(nil, seq, "nobody:a", "", 0) })
}

// TestSuppliesAreStored tells what a text supplies and reads it from the list, before and after a restart.
func TestSuppliesAreStored(t *testing.T) {
	dir := t.TempDir()
	h := hubtest.Start(t, hub.Config{Dir: dir})
	c := dial(t, h, "alice", allFeatures)
	c.send(4200, ds("df", 1, "x"), ds("none", 1, "x"), ds("unsaid", 1, "x"))
	tell := func(uri metric.URI, supplies []metric.URI) {
		seq := c.seqs.Next()
		c.expect(4200, seq, wire.AppendInfo(nil, seq, uri, supplies))
	}
	check := func(c *client) {
		t.Helper()
		var got []string
		f := c.query(func(seq wire.Seq) []byte { return wire.AppendList(nil, seq, "", "", 0) })
		for _, e := range objects(f, "uris") {
			got = append(got, fmt.Sprint(e["uri"], " ", e["supplies"]))
		}
		if diff := gocmp.Diff([]string{"df [a b.c]", "none []", "unsaid <nil>"}, got); diff != "" {
			t.Error(diff)
		}
	}
	tell("df", []metric.URI{"x"})
	tell("df", []metric.URI{"a", "b.c"})
	tell("df", nil)
	tell("none", []metric.URI{})
	check(c)
	must(t, h.Close())
	h = hubtest.Start(t, hub.Config{Dir: dir})
	cookie, err := h.CookieOf("alice")
	must(t, err)
	check(connect(t, h, cookie, allFeatures))
}

// TestSharesOverTheWire gives, lists and withdraws shares by the owner's own agent.
func TestSharesOverTheWire(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice, bob := dial(t, h, "alice", allFeatures), dial(t, h, "bob", allFeatures)
	h.User("carol")
	set := func(action wire.Action, uri metric.URI, user string) func(seq wire.Seq) []byte {
		return func(seq wire.Seq) []byte { return wire.AppendShare(nil, action, seq, uri, user) }
	}
	share := func(c *client, status int, uri metric.URI, user string) {
		t.Helper()
		seq := c.seqs.Next()
		c.expect(status, seq, set(wire.ActionShare, uri, user)(seq))
	}
	share(alice, 4200, "cpu", "BOB")
	share(alice, 4200, "cpu", "bob") // again
	share(alice, 4200, "Alice:mem", "carol")
	share(bob, 4200, "disk", "alice")
	alice.refused(4404, 202851, set(wire.ActionShare, "cpu", "nobody"))
	alice.refused(4430, 202852, set(wire.ActionShare, "bob:cpu", "carol"))
	alice.refused(4430, 202854, set(wire.ActionShare, "cpu", "alice"))
	alice.refused(4404, 202951, set(wire.ActionUnshare, "cpu.user", "bob"))
	alice.refused(4404, 202951, set(wire.ActionUnshare, "cpu", "nobody"))
	alice.refused(4430, 202952, set(wire.ActionUnshare, "bob:disk", "alice"))
	list := func(c *client, limit int) (got []string) {
		var after wire.Share
		for {
			f := c.query(func(seq wire.Seq) []byte { return wire.AppendListShares(nil, seq, after, limit) })
			for _, s := range objects(f, "shares") {
				got = append(got, fmt.Sprint(s["uri"], " ", s["user"]))
				after = wire.Share{URI: metric.URI(s["uri"].(string)), User: s["user"].(string)}
			}
			if f.Payload["more"] != true {
				return got
			}
		}
	}
	want := []string{"alice:cpu bob", "alice:mem carol", "bob:disk alice"}
	for _, limit := range []int{0, 1, 2, 3} {
		if diff := gocmp.Diff(want, list(alice, limit)); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
	if diff := gocmp.Diff([]string{"alice:cpu bob", "bob:disk alice"}, list(bob, 0)); diff != "" {
		t.Error(diff)
	}
	alice.send(4200, dp("cpu.user", 1, 1))
	bob.hook(4200, "alice:cpu.user")
	seq := alice.seqs.Next()
	alice.expect(4200, seq, set(wire.ActionUnshare, "cpu", "bob")(seq))
	alice.send(4200, dp("cpu.user", 2, 2))
	if late := bob.quiet(); len(late) > 0 {
		t.Errorf("after the withdrawal bob gets %v", late)
	}
	bob.refused(4430, 202752, func(seq wire.Seq) []byte { return wire.AppendList(nil, seq, "alice:cpu", "", 0) })
}

// stalledWith is stalled for an agent that announces features.
func stalledWith(t *testing.T, h *hubtest.Hub, cookie, features string) *websocket.Conn {
	t.Helper()
	ws, _, err := socket(t, h, cookie, http.Header{wire.FeaturesHeader: {features}})
	must(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	must(t, ws.SetReadDeadline(time.Now().Add(30*time.Second)))
	return ws
}

// TestOwnWithdrawalReachesQueues withdraws a share over the wire while what it allows waits in the queue of a stalled
// subscriber: once it is answered, no more than what was on the wire may come.
func TestOwnWithdrawalReachesQueues(t *testing.T) {
	const messages = 600
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	alice := dial(t, h, "alice", allFeatures)
	slow := stalledWith(t, h, enter(t, h, "bob"), allFeatures)
	seq := alice.seqs.Next()
	alice.expect(4200, seq, wire.AppendShare(nil, wire.ActionShare, seq, "m", "bob"))
	must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, alice.seqs.Next(), "alice:m")))
	readFrame(t, slow)
	text := strings.Repeat("x", 1000)
	for i := range messages {
		alice.send(4200, ds("m", i, text))
	}
	seq = alice.seqs.Next()
	alice.expect(4200, seq, wire.AppendShare(nil, wire.ActionUnshare, seq, "m", "bob"))
	got := 0
	for {
		if _, _, err := slow.ReadMessage(); err != nil {
			break // the withdrawal cut the write that it had waited for
		}
		got++
	}
	if most := 64<<10/1000 + 2; got > most {
		t.Errorf("%d frames were read after the withdrawal, want at most the %d on the wire", got, most)
	}
}

// batch returns a send_batch of samples, one a part.
func batch(seq wire.Seq, samples ...metric.Sample) []byte {
	b := wire.BeginBatch(nil, seq, wire.Seq{}, []metric.Origin{{1}})
	for i := range samples {
		b.Send(samples[i].Time, samples[i:i+1])
	}
	return b.End()
}

func TestBatchIsOneRequestOfManyMessages(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	c := dial(t, h, "alice", allFeatures)
	c.hook(4404, "a")
	seq := c.seqs.Next()
	sent := batch(seq, dp("a", 1, 1), dp("a", 2, 2), ds("b", 1, "x"), dp("alice:a", 3, "7"))
	c.expect(4200, seq, sent)
	for i, want := range []string{"a=1", "a=2", "a=7"} {
		f := c.next()
		if pos := []uint64{1, 2, 4}[i]; f.Pos != pos || f.items()[0] != want || len(f.Via) != 1 {
			t.Errorf("notification %d: %v at %d via %v, want %s at %d", i, f.items(), f.Pos, f.Via, want, pos)
		}
	}
	c.expect(4200, seq, sent) // a repetition
	if again := c.quiet(); len(again) > 0 || h.Stats().Samples != 4 {
		t.Errorf("a repetition is notified: %v, %+v", again, h.Stats())
	}
	seq = c.seqs.Next()
	c.expect(4200, seq, batch(seq))

	// All or nothing: what comes before the bad one is not stored, nor is what it would have made.
	for _, refusal := range []struct {
		status, code int
		bad          metric.Sample
	}{
		{4430, 201309, dp("bob:a", 5, 5)}, {4400, 201308, ds("a", 5, "no number")}, {4400, 201308, ds("new", 5, "no number")},
	} {
		reason := c.refused(refusal.status, refusal.code, func(seq wire.Seq) []byte {
			return batch(seq, dp("new", 4, 4), dp("a", 4, 4), refusal.bad)
		})
		if !strings.HasPrefix(reason, "sends[2]: ") {
			t.Errorf("reason %q does not name the part", reason)
		}
	}
	if rows := c.history("a"); !slices.Equal(rows, []string{"7", "2", "1"}) {
		t.Errorf("history %v", rows)
	}
	c.hook(4404, "new")
}

// TestBatchBeyondAQuota refuses a batch in the middle of storing it.
func TestBatchBeyondAQuota(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	c := dial(t, h, "alice", allFeatures)
	c.hook(4404, "a")
	must(t, h.SetQuota(context.Background(), "alice", hub.Quota{Datapoints: 2, NumbersPerDay: 100}))
	reason := c.refused(4430, 51036, func(seq wire.Seq) []byte {
		return batch(seq, dp("a", 1, 1), dp("b", 1, 1), dp("c", 1, 1))
	})
	if !strings.HasPrefix(reason, "sends[2]: ") {
		t.Errorf("reason %q does not name the part", reason)
	}
	if all, err := h.List("alice", ""); err != nil || len(all) > 0 {
		t.Errorf("%v, metrics %v are left", err, all)
	}
	seq := c.seqs.Next()
	c.expect(4200, seq, batch(seq, dp("a", 1, 1), dp("b", 1, 1)))
	if f := c.next(); f.Pos != 1 || f.items()[0] != "a=1" {
		t.Errorf("notified %v at %d, want the first position", f.items(), f.Pos)
	}
}

// TestMissedDataSaysWhatWasLeftOut stalls an agent of ours until its queue overflows. It must be told exactly what it
// did not get, and then be served live.
func TestMissedDataSaysWhatWasLeftOut(t *testing.T) {
	const messages = 1500
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	writer := dial(t, h, "alice", allFeatures)
	slow := stalledWith(t, h, enter(t, h, "bob"), allFeatures)
	must(t, h.Share(context.Background(), "alice", "m", "bob"))
	for _, uri := range []metric.URI{"alice:m.a", "alice:m.b"} {
		must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, writer.seqs.Next(), uri)))
		readFrame(t, slow)
	}
	text := strings.Repeat("x", 1000)
	wrote := map[metric.URI]uint64{}
	for i := range messages {
		samples := []metric.Sample{ds("m.a", i, text)}
		if i%3 == 0 {
			samples = append(samples, ds("m.b", i, text))
		}
		for _, s := range samples {
			wrote[s.URI]++
		}
		writer.send(4200, samples...)
	}
	pushed, last := map[metric.URI]uint64{}, uint64(0)
	var f frame
	for f = readFrame(t, slow); f.Action == "send_multi_data"; f = readFrame(t, slow) {
		for _, item := range f.items() {
			uri, _, _ := strings.Cut(strings.TrimPrefix(item, "alice:"), "=")
			pushed[metric.URI(uri)]++
		}
		last = f.Pos
	}
	missed := objects(f, "uris")
	if f.Action != "missed_data" || len(missed) != 2 {
		t.Fatalf("%s about %d metrics", f.Action, len(missed))
	}
	for i, uri := range []metric.URI{"m.a", "m.b"} {
		m := missed[i]
		first, err := metric.ParseTimeUUID(m["first"].(string))
		must(t, err)
		to, err := metric.ParseTimeUUID(m["last"].(string))
		must(t, err)
		from, until := number(m["from"]), number(m["to"])
		if m["uri"] != "alice:"+string(uri) || uint64(number(m["count"])) != wrote[uri]-pushed[uri] ||
			uint64(from) <= last || first.Time().Unix() != at(from-1).Unix() || to.Time().Unix() != at(until-1).Unix() {
			t.Errorf("%v: pushed %d of %d, the last at %d", m, pushed[uri], wrote[uri], last)
		}
	}
	if s := h.Stats(); s.Replayed != 0 || s.Lost != 0 || s.Missed == 0 {
		t.Errorf("stats %+v", s)
	}
	writer.send(4200, ds("m.a", messages, "live"))
	if diff := gocmp.Diff([]string{"alice:m.a=live"}, readFrame(t, slow).items()); diff != "" {
		t.Error(diff)
	}
}

// TestSincePages reads the log of arrivals as its owner and as a reader of a part.
func TestSincePages(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	alice, bob := dial(t, h, "alice", allFeatures), dial(t, h, "bob", allFeatures)
	since := func(c *client, owner string, position uint64, limit int) frame {
		t.Helper()
		return c.query(func(seq wire.Seq) []byte { return wire.AppendSince(nil, seq, owner, position, limit) })
	}
	if f := since(alice, "", 0, 0); len(objects(f, "messages")) != 0 || f.Payload["complete"] != true || f.Payload["more"] != false {
		t.Errorf("an empty log is %v", f.Payload)
	}
	bob.refused(4430, 203252, func(seq wire.Seq) []byte { return wire.AppendSince(nil, seq, "alice", 0, 0) })
	bob.refused(4430, 203252, func(seq wire.Seq) []byte { return wire.AppendSince(nil, seq, "nobody", 0, 0) })
	must(t, h.Share(context.Background(), "alice", "m", "bob"))
	for i := range 10 {
		seq := alice.seqs.Next()
		samples := []metric.Sample{dp("m.x", 0, i), dp("own", 0, i)}
		if i%2 == 1 {
			samples = samples[1:]
		}
		alice.expect(4200, seq, wire.AppendSendMulti(nil, seq, wire.Seq{}, []metric.Origin{{7}}, samples[0].Time, samples))
	}
	var got []string
	position := uint64(0)
	for more := true; more; {
		f := since(alice, "Alice", position, 3)
		for _, m := range objects(f, "messages") {
			got = append(got, fmt.Sprint(m["pos"], frame{Payload: m}.items(), m["via"]))
			if m["seq"] == nil || m["at"] == nil || m["t"] == nil {
				t.Errorf("message %v", m)
			}
		}
		position, more = uint64(number(f.Payload["next"])), f.Payload["more"] == true
	}
	var want, shared []string
	for i := range 10 {
		items := fmt.Sprintf("[m.x=%d own=%d]", i, i)
		if i%2 == 1 {
			items = fmt.Sprintf("[own=%d]", i)
		} else {
			shared = append(shared, fmt.Sprintf("%d[alice:m.x=%d]", i+1, i))
		}
		want = append(want, fmt.Sprint(i+1, items, " [0700000000000000]"))
	}
	if diff := gocmp.Diff(want, got); diff != "" || position != 10 {
		t.Errorf("next %d: %s", position, diff)
	}
	got = nil
	f := since(bob, "alice", 0, 0)
	for _, m := range objects(f, "messages") {
		got = append(got, fmt.Sprint(m["pos"], frame{Payload: m}.items()))
	}
	if diff := gocmp.Diff(shared, got); diff != "" || number(f.Payload["next"]) != 10 || f.Payload["more"] != false {
		t.Errorf("next %v: %s", f.Payload["next"], diff)
	}
	if f := since(alice, "", 99, 0); f.Payload["complete"] != false || number(f.Payload["next"]) != 10 {
		t.Errorf("a position of another log: %v", f.Payload)
	}
}

// TestEveryNotificationSaysWhereItComesFrom looks for via and pos on each kind of notification: of a metric that
// exists, of one that a pending hook waited for, and of those read from the log for a slow original agent.
func TestEveryNotificationSaysWhereItComesFrom(t *testing.T) {
	const messages = 300
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	writer, live := dial(t, h, "alice", allFeatures), dial(t, h, "alice", "via, pos")
	slow := stalled(t, h, enter(t, h, "alice"))
	live.hook(4404, "m")
	must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, writer.seqs.Next(), "m")))
	readFrame(t, slow)
	text := strings.Repeat("x", 1000)
	for i := range messages {
		seq, sample := writer.seqs.Next(), ds("m", i, text)
		writer.expect(4200, seq, wire.AppendSendOne(nil, seq, wire.Seq{}, []metric.Origin{{byte(i), 9}}, &sample))
	}
	for i := range messages {
		for name, f := range map[string]frame{"live": live.next(), "slow": readFrame(t, slow)} {
			if want := fmt.Sprintf("%02x09000000000000", byte(i)); f.Pos != uint64(i+1) || !slices.Equal(f.Via, []string{want}) {
				t.Fatalf("%s, message %d: at %d via %v, want %d and %s", name, i, f.Pos, f.Via, i+1, want)
			}
		}
	}
	if h.Stats().Replayed == 0 {
		t.Error("nothing was replayed")
	}
}
