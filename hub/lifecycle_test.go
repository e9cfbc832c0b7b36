package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
)

func TestSilentSocketsAreClosed(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PingInterval: 20 * time.Millisecond})
	alive := dial(t, h, "alice", "")
	silent := stalled(t, h, enter(t, h, "alice")) // reads nothing, so answers no ping
	for h.Stats().Sockets != 1 {
		alive.quiet()
	}
	alive.send(4200, dp("m", 1, 1))
	for {
		if _, _, err := silent.NextReader(); err != nil {
			break
		}
	}
}

func TestCloseAnswersWhatIsUnderWay(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	for i := range 500 {
		s := dp("m", i, i)
		c.write(wire.AppendSendOne(nil, c.seqs.Next(), wire.Seq{}, nil, &s))
	}
	must(t, errors.Join(h.Close(), h.Close()))
	if code := c.closed(); code != websocket.CloseGoingAway {
		t.Errorf("closed with %d, want 1001", code)
	}
	if _, err := h.DialContext(context.Background(), "", ""); err == nil {
		t.Error("a closed hub was dialled")
	}
	if err := h.AddUser(context.Background(), "bob"); err == nil {
		t.Error("a closed hub took a user")
	}
	if err := h.Delete(context.Background(), "alice", "m"); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Delete: %v, want ErrClosed", err)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, PushBytes: 64 << 10})
	writer := dial(t, h, "alice", "")
	slow := stalled(t, h, enter(t, h, "alice"))
	must(t, slow.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, writer.seqs.Next(), "m")))
	readFrame(t, slow)
	for i := range 300 {
		writer.send(4200, ds("m", i, strings.Repeat("x", 1000)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	_ = h.Shutdown(ctx)
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("Shutdown took %v with a subscriber that does not read", took)
	}
}

// TestStartStopStress starts and stops hubs while agents come and go; TestMain looks for goroutines left.
func TestStartStopStress(t *testing.T) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 3 {
				config := hub.Config{Dir: t.TempDir() + fmt.Sprint(i), Listen: []string{"127.0.0.1:0"}}
				h, err := hub.Start(context.Background(), config)
				if err != nil {
					t.Error(err)
					return
				}
				var agents sync.WaitGroup
				for range 5 {
					agents.Go(func() {
						d := websocket.Dialer{NetDialContext: h.DialContext}
						if ws, _, err := d.Dial("ws://hub/", nil); err == nil {
							_, _, _ = ws.NextReader()
							_ = ws.Close()
						}
					})
				}
				if err := h.Close(); err != nil {
					t.Error(err)
				}
				agents.Wait()
			}
		})
	}
	all.Wait()
}
