package hub_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// dribble is a connection that writes one byte at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (n int, err error) {
	for n = range p {
		if _, err = d.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// TestSplitAndSlowFrames: a message in many fragments, each byte of them a segment of its own, with pings between, is
// the message it is.
func TestSplitAndSlowFrames(t *testing.T) {
	h := hubtest.New(t)
	cookie := enter(t, h, "alice")
	d := websocket.Dialer{
		WriteBufferSize: 16, // what is longer is fragmented
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := h.DialContext(ctx, network, address)
			return dribble{conn}, err
		},
	}
	ws, _, err := d.Dial("ws://hub/", http.Header{"Cookie": {"kid=" + cookie}})
	must(t, err)
	defer ws.Close()
	pongs := 0
	ws.SetPongHandler(func(data string) error {
		if data != "are you there" {
			t.Errorf("pong %q, want what the ping said", data)
		}
		pongs++
		return nil
	})
	must(t, ws.SetReadDeadline(time.Now().Add(10*time.Second)))
	seqs := wire.NewSeqSource(nil)
	for range 3 {
		s := metric.Datapoint("cpu.user", "2026-11-24T10:00:00Z", 1)
		text := wire.AppendSendOne(nil, seqs.Next(), wire.Seq{}, nil, &s)
		w, err := ws.NextWriter(websocket.TextMessage)
		must(t, err)
		_, err = w.Write(text[:len(text)/2])
		must(t, err)
		must(t, ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)))
		_, err = w.Write(text[len(text)/2:])
		must(t, err)
		must(t, w.Close())
		_, answer, err := ws.ReadMessage()
		must(t, err)
		var decoder wire.Decoder
		m, err := decoder.Decode(answer)
		must(t, err)
		if m.Response == nil || m.Response.Status != wire.StatusExecuted {
			t.Errorf("answered %s, want 4200", answer)
		}
	}
	if pongs != 3 {
		t.Errorf("%d pongs, want 3", pongs)
	}
}
