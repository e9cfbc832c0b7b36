package komstream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/metric"
)

// TestOriginalAgents lets agents of each dialect, written from the protocol's description, work with the hub over
// loopback, beside a session of ours.
func TestOriginalAgents(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			w := newAgentWorld(t, d)
			t.Run("hooks, sends and echoes", w.converse)
			t.Run("another user's metrics", w.share)
			t.Run("history", w.history)
			t.Run("refusals have reasons", w.refusals)
			t.Run("hooks outlive the socket", w.reconnect)
			t.Run("two sockets with one cookie", w.twoSockets)
			t.Run("no cookie", w.stranger)
		})
	}
}

// agentWorld is a hub that listens, an agent of alice and a session of bob, who shares what is below "open".
type agentWorld struct {
	h     *hubtest.Hub
	agent *originalAgent
	d     dialect
	bob   *komstream.Session
}

func newAgentWorld(t *testing.T, d dialect) *agentWorld {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	w := &agentWorld{h: h, d: d, agent: newOriginalAgent(t, d, h.URL(), "Alice", h.User("alice"))}
	w.agent.login()
	w.agent.connect()
	bob, err := komstream.Open(t.Context(), komstream.Config{Hub: h.URL(), Username: "bob", Key: h.User("bob")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bob.Close() })
	w.bob = bob
	if err := h.Share(t.Context(), "bob", "open", "alice"); err != nil {
		t.Fatal(err)
	}
	return w
}

// begin gives the agent the test whose part runs.
func (w *agentWorld) begin(t *testing.T) *originalAgent {
	outer := w.agent.t
	w.agent.t = t
	t.Cleanup(func() { w.agent.t = outer })
	return w.agent
}

// tell has bob write a number.
func (w *agentWorld) tell(t *testing.T, uri metric.URI, at metric.TimeUUID, v int) {
	t.Helper()
	if err := w.bob.Send(t.Context(), metric.Datapoint(uri, at.Time(), v)); err != nil {
		t.Fatal(err)
	}
	if err := w.bob.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *agentWorld) converse(t *testing.T) {
	a := w.begin(t)
	t1, t2 := second(1).String(), second(2).String()
	a.ask("hook_to_uri", map[string]any{"uri": "cpu"}, 4404, 201400)
	a.ask("send_dp_data", map[string]any{"uri": "ALICE:cpu", "t": t1, "content": "007.50"}, 4200, 0)
	a.notified(t1, "cpu p 7.50")
	a.ask("hook_to_uri", map[string]any{"uri": "cpu"}, 4200, 0)
	a.ask("send_ds_data", map[string]any{"uri": "df", "t": t1, "content": "näive\n"}, 4200, 0)
	a.ask("hook_to_uri", map[string]any{"uri": "alice:df"}, 4200, 0)
	a.ask("send_multi_data", map[string]any{"t": t2, "uris": []map[string]any{
		{"uri": "cpu", "type": "p", "content": 8}, {"uri": "df", "type": "d", "content": "x"},
		{"uri": "unhooked", "type": "p", "content": "1e5"},
	}}, 4200, 0)
	a.notified(t2, "df d x", "cpu p 8")
	a.ask("unhook_from_uri", map[string]any{"uri": "df"}, 4200, 0)
	if a.d().name != "agent 0.8" { // which does not know the action
		a.ask("send_ds_info", map[string]any{"uri": "df", "supplies": []string{"md1", "md2.x"}}, 4200, 0)
	}
	// Original agents choose a node for every message: an older sequence is no repetition.
	for i := range 5 {
		a.ask("send_dp_data", map[string]any{"uri": "count", "t": second(i).String(), "content": "1"}, 4200, 0)
	}
	start, end := second(0).String(), second(9).String()
	if rows := a.read("count", &start, &end, nil); len(rows) != 5 {
		t.Errorf("%d of 5 samples are stored", len(rows))
	}
}

// d returns the agent's dialect.
func (a *originalAgent) d() dialect { return a.dialect }

func (w *agentWorld) share(t *testing.T) {
	a := w.begin(t)
	a.ask("hook_to_uri", map[string]any{"uri": "Bob:open.door"}, 4404, 201400)
	w.tell(t, "open.door", second(1), 1)
	a.notified(second(1).String(), "bob:open.door p 1")
	if rows := a.read("bob:open.door", nil, nil, ptr(1)); len(rows) > 1 {
		t.Errorf("rows %v", rows)
	}
	a.next() // the page: an agent that left the bounds open takes it for what it did not ask
}

func ptr[T any](v T) *T { return &v }

// history asks in the ways after which original agents waited for ever at the original hub.
func (w *agentWorld) history(t *testing.T) {
	a := w.begin(t)
	const rows = 2500
	var all []metric.Sample
	for i := range rows {
		all = append(all, metric.Datapoint("open.long", second(i).Time(), i))
	}
	if err := w.bob.Send(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	if err := w.bob.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	low, high, inside, after := metric.MinTime.String(), metric.MaxTime.String(), second(100).String(), second(rows).String()
	for _, c := range []struct {
		name       string
		start, end string
		count      *int
		want       int
	}{
		{"all", low, high, nil, rows},
		{"a count that is hit exactly", low, high, ptr(10), 10},
		{"a count of two pages and more", low, high, ptr(1500), 1499}, // the row at the border counts twice
		{"no limit", inside, after, ptr(0), rows - 100},
		{"more than there is", inside, after, ptr(5000), rows - 100},
		{"reversed bounds", after, inside, nil, rows - 100},
		{"nothing", after, after, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.begin(t)
			got := a.read("bob:open.long", &c.start, &c.end, c.count)
			if len(got) != c.want {
				t.Fatalf("%d rows, want %d", len(got), c.want)
			}
			for i, row := range got {
				if n := rows - 1 - i; row != [2]string{second(n).String(), fmt.Sprint(n)} {
					t.Fatalf("row %d is %v, want %d", i, row, n)
				}
			}
		})
	}
	a.ask("request_data", map[string]any{"uri": "nowhere", "start": low, "end": high, "count": nil}, 4404, 201600)
}

func (w *agentWorld) refusals(t *testing.T) {
	a := w.begin(t)
	at := second(1).String()
	a.ask("send_dp_data", map[string]any{"uri": "bob:open.door", "t": at, "content": "1"}, 4430, 201202)
	a.ask("send_dp_data", map[string]any{"uri": "df", "t": at, "content": "1"}, 4430, 201200)
	a.ask("send_dp_data", map[string]any{"uri": "cpu", "t": at, "content": "NaN"}, 4400, 202102)
	a.ask("send_ds_data", map[string]any{"uri": "cpu", "t": at, "content": "x"}, 4430, 201100)
	a.ask("hook_to_uri", map[string]any{"uri": "bob:closed"}, 4430, 52411)
	a.ask("hook_to_uri", map[string]any{"uri": "nobody:x"}, 4430, 201402)
	a.ask("request_data", map[string]any{"uri": "cpu", "start": nil, "end": nil, "count": nil}, 4400, 202504)
	a.ask("send_multi_data", map[string]any{"t": at, "uris": []map[string]any{
		{"uri": "twice", "type": "d", "content": "a"}, {"uri": "alice:twice", "type": "d", "content": "b"},
	}}, 4501, 6003)
	a.ask("delete_uri", map[string]any{"uri": "cpu", "type": nil}, 4400, 200000) // not announced
	// The dialect before 0.8: the time under another name.
	a.ask("send_dp_data", map[string]any{"uri": "cpu", "ts": "2017-02-13T10:00:00+00:00", "content": "1"}, 4400, 202103)
}

func (w *agentWorld) reconnect(t *testing.T) {
	a := w.begin(t)
	a.disconnect()
	w.tell(t, "open.door", second(2), 2) // nobody is there to be told
	a.connect()
	a.ask("hook_to_uri", map[string]any{"uri": "barrier"}, 4404, 201400) // the hub has the new socket
	w.tell(t, "open.door", second(3), 3)
	a.notified(second(3).String(), "bob:open.door p 3")
}

func (w *agentWorld) twoSockets(t *testing.T) {
	a := w.begin(t)
	old := *a
	a.connect()
	a.ask("hook_to_uri", map[string]any{"uri": "barrier"}, 4404, 201400)
	old.disconnect()
	w.tell(t, "open.door", second(4), 4)
	a.notified(second(4).String(), "bob:open.door p 4")
}

func (w *agentWorld) stranger(t *testing.T) {
	a := newOriginalAgent(t, w.d, w.h.URL(), "alice", w.h.User("alice"))
	a.connect()
	select {
	case f, open := <-a.frames:
		if open {
			t.Fatalf("a stranger gets %+v", f)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a stranger is not sent away")
	}
	var closed *websocket.CloseError
	if !errors.As(a.err, &closed) || closed.Code != 4403 || closed.Text != "Access denied" {
		t.Errorf("the socket ended with %v, want 4403 Access denied", a.err)
	}
}
