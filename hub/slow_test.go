package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// stalled connects a subscriber that reads nothing until the test does.
func stalled(t *testing.T, h *hubtest.Hub, cookie string) *websocket.Conn {
	t.Helper()
	ws, _, err := socket(t, h, cookie, nil)
	must(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	must(t, ws.SetReadDeadline(time.Now().Add(30*time.Second)))
	return ws
}

func readFrame(t *testing.T, ws *websocket.Conn) (f frame) {
	t.Helper()
	_, text, err := ws.ReadMessage()
	must(t, err)
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	must(t, d.Decode(&f))
	return f
}

// TestSlowSubscriberLosesNothing fills the queue of one subscriber many times over. Writers and other subscribers must
// not wait for it, and once it reads, it must get everything in order.
func TestSlowSubscriberLosesNothing(t *testing.T) {
	const messages = 1500
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	writer, fast := dial(t, h, "alice", ""), dial(t, h, "alice", "")
	slow := stalled(t, h, enter(t, h, "alice"))
	seq := writer.seqs.Next()
	must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, seq, "m")))
	if f := readFrame(t, slow); f.Action != "generic_response" {
		t.Fatal(f)
	}
	fast.hook(4404, "m")
	text := strings.Repeat("x", 1000)
	for i := range messages {
		writer.send(4200, ds("m", i, text+fmt.Sprint(i)))
	}
	for i := range messages {
		if diff := cmp.Diff([]string{fmt.Sprint("m=", text, i)}, fast.next().items()); diff != "" {
			t.Fatalf("the fast one, message %d: %s", i, diff)
		}
	}
	for i := range messages {
		f := readFrame(t, slow)
		if diff := cmp.Diff([]string{fmt.Sprint("m=", text, i)}, f.items()); diff != "" || f.Pos != uint64(i+1) {
			t.Fatalf("the slow one, message %d at %d: %s", i, f.Pos, diff)
		}
	}
	if s := h.Stats(); s.Replayed == 0 || s.Lost != 0 || s.Queued+s.Replayed != 2*messages {
		t.Errorf("stats %+v, want some replayed, none lost and %d in all", s, 2*messages)
	}
	// Having caught up, it is served live again.
	writer.send(4200, ds("m", messages, "live"))
	if diff := cmp.Diff([]string{"m=live"}, readFrame(t, slow).items()); diff != "" {
		t.Error(diff)
	}
}

// TestWithdrawalReachesQueuedPushes withdraws a right while notifications wait in the queue and in the log of a
// stalled subscriber. It may get those that were on the wire, none of the others.
func TestWithdrawalReachesQueuedPushes(t *testing.T) {
	ctx := context.Background()
	for name, withdraw := range map[string]func(h *hubtest.Hub) error{
		"share": func(h *hubtest.Hub) error { return h.Unshare(ctx, "alice", "m", "bob") },
		"suspended": func(h *hubtest.Hub) error {
			agents, err := h.AgentsOf("bob")
			return errors.Join(err, h.SuspendAgent(ctx, agents[0].ID))
		},
	} {
		t.Run(name, func(t *testing.T) { withdrawFromQueue(ctx, t, withdraw) })
	}
}

func withdrawFromQueue(ctx context.Context, t *testing.T, withdraw func(*hubtest.Hub) error) {
	const messages = 600
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	alice := dial(t, h, "alice", "")
	slow := stalled(t, h, enter(t, h, "bob"))
	must(t, h.Share(ctx, "alice", "m", "bob"))
	for _, uri := range []string{"alice:m", "own"} {
		must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, alice.seqs.Next(), metric.URI(uri))))
		readFrame(t, slow)
	}
	text := strings.Repeat("x", 1000)
	for i := range messages {
		alice.send(4200, ds("m", i, text))
	}
	started := time.Now()
	must(t, withdraw(h))
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the withdrawal took %v", took)
	}
	got := 0
	for {
		_, _, err := slow.ReadMessage()
		if err != nil {
			break // it was in the middle of a write for longer than the withdrawal waits
		}
		got++
	}
	// The connection holds 64 KiB; one more may have been in the middle of being written.
	if most := 64<<10/1000 + 2; got > most {
		t.Errorf("%d notifications were read after the withdrawal, want at most the %d on the wire", got, most)
	}
}

// TestAnswersAreNotLost lets an agent ask for much and read nothing: the hub must stop reading it, and answer all once
// it reads.
func TestAnswersAreNotLost(t *testing.T) {
	const requests = 300
	h := hubtest.Start(t, hub.Config{MemoryStore: true})
	writer := dial(t, h, "alice", "")
	text := strings.Repeat("x", 10_000)
	for i := range 40 {
		writer.send(4200, ds("m", i, text))
	}
	slow := stalled(t, h, writer.cookie)
	wrote := make(chan error, 1)
	go func() {
		for range requests {
			frame := []byte(`{"v":1,"action":"request_data","seq":"` + writer.seqs.Next().String() +
				`","irt":null,"payload":{"uri":"m","start":null,"end":null,"count":30}}`)
			if err := slow.WriteMessage(websocket.TextMessage, frame); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	for i := range requests {
		answer, page := readFrame(t, slow), readFrame(t, slow)
		if answer.Action != "generic_response" || page.Action != "send_data_interval" {
			t.Fatalf("request %d: %s, %s", i, answer.Action, page.Action)
		}
	}
	must(t, <-wrote)
}
