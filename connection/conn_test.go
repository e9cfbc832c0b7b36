package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/pipe"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// scriptHub is the hub's end of a test: it does the handshake, and the test does the rest on the socket.
type scriptHub struct {
	t        *testing.T
	listener *pipe.Listener
	server   *http.Server
	sockets  chan *websocket.Conn
	headers  chan http.Header
	features string
}

// newScriptHub must be called inside a synctest bubble.
func newScriptHub(t *testing.T) *scriptHub {
	h := &scriptHub{t: t, listener: pipe.Listen("hub"), features: "via, pos",
		sockets: make(chan *websocket.Conn, 1), headers: make(chan http.Header, 1)}
	h.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, http.Header{wire.FeaturesHeader: {h.features}})
		if err != nil {
			t.Error(err)
			return
		}
		h.headers <- r.Header
		h.sockets <- ws
	})}
	go h.server.Serve(h.listener)
	t.Cleanup(func() { h.server.Close() })
	return h
}

// dial connects and returns both ends.
func (h *scriptHub) dial(change func(*DialConfig)) (*Conn, *websocket.Conn) {
	h.t.Helper()
	config := DialConfig{URL: "http://hub/", Cookie: NewCookie("secret"), Dial: h.listener.DialContext}
	if change != nil {
		change(&config)
	}
	c, err := Dial(h.t.Context(), config)
	if err != nil {
		h.t.Fatal(err)
	}
	ws := <-h.sockets
	h.t.Cleanup(func() { ws.Close() })
	return c, ws
}

// events is a Handler that writes down what comes, and blocks notifications while gate is held.
type events struct {
	gate sync.Mutex
	mu   sync.Mutex
	list []string
}

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprintf(format, args...))
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

func (e *events) Notification(n *wire.Notification, _ wire.Seq) {
	e.gate.Lock()
	defer e.gate.Unlock()
	for _, i := range n.Items {
		e.add("%s=%.40s", i.URI, i.Content)
	}
}
func (e *events) Response(r *wire.Response, _ wire.Seq) { e.add("response %d", r.Status) }
func (e *events) Interval(i *wire.Interval, _ wire.Seq) { e.add("interval of %d", len(i.Rows)) }
func (e *events) Missed(all []wire.Missed)              { e.add("missed %v", all) }
func (e *events) Malformed(err error)                   { e.add("malformed: %v", err) }

// run starts Run and returns where its result comes.
func run(ctx context.Context, c *Conn, e Handler, sources ...Source) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, e, sources...) }()
	return done
}

var hubSeqs = wire.NewSeqSource(nil)

func notification(uri metric.URI, text string) []byte {
	v, err := metric.TextOf(text)
	if err != nil {
		panic(err)
	}
	return wire.AppendNotification(nil, hubSeqs.Next(), metric.NewTimeUUID(0, metric.PlainLow), nil, 0, "",
		[]wire.RequestItem{{URI: uri, Kind: metric.KindDatasource, Value: v}})
}

func write(t *testing.T, ws *websocket.Conn, kind int, frame []byte) {
	t.Helper()
	if err := ws.WriteMessage(kind, frame); err != nil {
		t.Fatal(err)
	}
}

// readRequest reads the next request at the hub's end.
func readRequest(t *testing.T, ws *websocket.Conn) *wire.Request {
	t.Helper()
	_, frame, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	r, refusal := new(wire.Decoder).DecodeRequest(frame)
	if refusal != nil {
		t.Fatalf("malformed %s: %+v", frame, refusal)
	}
	return r
}

func TestConnCarriesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		header := <-h.headers
		if got := header.Get("Cookie"); got != "kid=secret" {
			t.Errorf("cookie %q", got)
		}
		own := wire.OwnFeatures()
		if got := header.Get(wire.FeaturesHeader); got != own.String() || !c.Features().Has("via") || c.Features().Has("delete_uri") {
			t.Errorf("features %q and %v", got, c.Features())
		}
		ctx, cancel := context.WithCancel(t.Context())
		requests, outbox, e := NewRequests(), NewOutbox(OutboxConfig{Username: "alice"}), new(events)
		send(t, outbox, metric.Datapoint("a", at(0), 1))
		requests.Hook(t.Context(), "b", func(pending bool, err error) { e.add("hook %v %v", pending, err) })
		done := run(ctx, c, e, requests, outbox)

		// The request goes first, though the sample was there before.
		r := readRequest(t, ws)
		if r.Action != wire.ActionHookToURI {
			t.Errorf("first %v", r.Action)
		}
		write(t, ws, websocket.TextMessage, wire.AppendResponse(nil, hubSeqs.Next(), r.Seq, wire.Response{Status: 4404, Code: 201400, Reason: "x"}))
		if r = readRequest(t, ws); r.Action != wire.ActionSendDpData {
			t.Errorf("second %v", r.Action)
		}
		write(t, ws, websocket.BinaryMessage, wire.AppendResponse(nil, hubSeqs.Next(), r.Seq, wire.Response{Status: 4200}))
		if err := outbox.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		write(t, ws, websocket.TextMessage, notification("b", "one"))
		write(t, ws, websocket.BinaryMessage, notification("b", "two"))
		write(t, ws, websocket.TextMessage, []byte("{"))
		write(t, ws, websocket.TextMessage, []byte(`{"v": 1, "action": "future", "seq": null, "irt": null, "payload": {}}`))
		write(t, ws, websocket.TextMessage, wire.AppendResponse(nil, hubSeqs.Next(), hubSeqs.Next(), wire.Response{Status: 4430, Reason: "x"}))
		write(t, ws, websocket.TextMessage, wire.AppendInterval(nil, hubSeqs.Next(), hubSeqs.Next(), "b", 'p', metric.MinTime, metric.MaxTime, nil))
		synctest.Wait()
		got := e.all()
		if len(got) != 7 || got[0] != "hook true <nil>" || got[1] != "b=one" || got[2] != "b=two" ||
			!strings.HasPrefix(got[3], "malformed: wire: frame") || !strings.Contains(got[4], "future") ||
			got[5] != "response 4430" || got[6] != "interval of 0" {
			t.Errorf("events\n%s", strings.Join(got, "\n"))
		}
		if s := c.Stats(); s.FramesIn != 8 || s.FramesOut != 2 || s.Malformed != 2 || s.BytesIn == 0 || s.BytesOut == 0 {
			t.Errorf("%+v", s)
		}
		cancel()
		_, _, err := ws.ReadMessage()
		if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("hub's end: %v", err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		requests.Close()
	})
}

func TestConnEndsAsTheHubSays(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(ws *websocket.Conn)
		denied bool
		code   int
		want   string
	}{
		{"denied", closeWith(4403, "Access denied"), true, 4403, "hub closed the connection: 4403 Access denied"},
		{"unavailable", closeWith(4503, ""), false, 4503, "hub closed the connection: 4503"},
		{"normal", closeWith(1000, "bye"), false, 1000, "1000 bye"},
		{"no code", func(ws *websocket.Conn) { ws.WriteMessage(websocket.CloseMessage, nil) }, false, 1005, "1005"},
		{"cut", func(ws *websocket.Conn) { ws.NetConn().Close() }, false, 0, "connection lost"},
		{"garbage", func(ws *websocket.Conn) { ws.NetConn().Write([]byte{0xff, 0xff, 0xff, 0xff}) }, false, 0, "connection lost"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newScriptHub(t)
			conn, ws := h.dial(nil)
			outbox := NewOutbox(OutboxConfig{Username: "alice"})
			send(t, outbox, metric.Datapoint("a", at(0), 1))
			done := run(t.Context(), conn, new(events), outbox)
			readRequest(t, ws)
			c.end(ws)
			err := <-done
			var closed *CloseError
			if errors.As(err, &closed); closed == nil && c.code != 0 || closed != nil && closed.Code != c.code {
				t.Errorf("%s: close error %+v", c.name, closed)
			}
			if errors.Is(err, ErrAccessDenied) != c.denied || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			if s := outbox.Stats(); s.Queued != 1 || s.InFlight != 0 {
				t.Errorf("%s: %+v", c.name, s)
			}
		})
	}
}

func closeWith(code int, text string) func(*websocket.Conn) {
	return func(ws *websocket.Conn) {
		ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, text))
	}
}

// TestTheReasonOfARefusalSurvivesAFailingWrite: the hub sends 4403 and goes, while we write.
func TestTheReasonOfARefusalSurvivesAFailingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		closeWith(4403, "Access denied")(ws)
		ws.Close()
		outbox := NewOutbox(OutboxConfig{Username: "alice"})
		send(t, outbox, metric.Datapoint("a", at(0), 1))
		if err := c.Run(t.Context(), new(events), outbox); !errors.Is(err, ErrAccessDenied) {
			t.Error(err)
		}
	})
}

func TestASilentHubIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		_ = ws // nobody reads at the hub's end: no pong
		start := time.Now()
		err := <-run(t.Context(), c, new(events))
		var e net.Error
		if d := time.Since(start); !errors.As(err, &e) || !e.Timeout() || d < DefaultSilence*7/8 || d > DefaultSilence+closeWait {
			t.Errorf("%v after %v", err, d)
		}
	})
}

func TestPingsKeepAnIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		pings := 0
		answer := ws.PingHandler()
		ws.SetPingHandler(func(data string) error { pings++; return answer(data) })
		pongs := 0
		ws.SetPongHandler(func(string) error { pongs++; return nil })
		go func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		done := run(ctx, c, new(events))
		<-time.After(time.Minute)
		if err := ws.WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(time.Second)); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if want := int(time.Hour/DefaultPingInterval) - 1; pings < want || pings > want+1 || pongs != 1 {
			t.Errorf("%d pings, want about %d; %d pongs", pings, want, pongs)
		}
	})
}

func TestABusyHandlerIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		go func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		e := new(events)
		e.gate.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		free := time.AfterFunc(3*DefaultSilence, e.gate.Unlock)
		defer free.Stop()
		done := run(ctx, c, busy{e}, NewRequests())
		write(t, ws, websocket.TextMessage, notification("a", "first"))
		write(t, ws, websocket.TextMessage, notification("a", "second"))
		<-time.After(3*DefaultSilence + time.Second)
		if got := e.all(); len(got) != 2 {
			t.Errorf("events %v", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// busy takes three times the silence for the first notification.
type busy struct{ *events }

func (b busy) Notification(n *wire.Notification, seq wire.Seq) {
	if len(b.all()) == 0 {
		<-time.After(3 * DefaultSilence)
		b.add("first")
		return
	}
	b.add("next")
}

func TestSlowAndFragmentedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		e := new(events)
		ctx, cancel := context.WithCancel(t.Context())
		done := run(ctx, c, e)
		// In fragments, half a minute apart: together longer than the silence.
		w, err := ws.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		frame := notification("a", strings.Repeat("x", 100_000))
		for part := range slices.Chunk(frame, len(frame)/6+1) {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
			<-time.After(30 * time.Second)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		// Byte by byte.
		raw := ws.NetConn()
		text := notification("b", "slow")
		if len(text) < 126 {
			t.Fatal("needs the long form of the length")
		}
		for _, b := range append([]byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}, text...) {
			if _, err := raw.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := e.all(); len(got) != 2 || got[0] != "a="+strings.Repeat("x", 40) || got[1] != "b=slow" {
			t.Errorf("events %.100q", got)
		}
		cancel()
		<-done
	})
}

func TestReadLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		large bool
		fits  bool
	}{
		{"small", 1000, false, true},
		{"large", 5000, false, false},
		{"large while text is asked for", 5000, true, true},
		{"too large for anything", 50_000, true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newScriptHub(t)
			conn, ws := h.dial(func(d *DialConfig) { d.ReadLimit, d.LargeReadLimit = 3000, 20_000 })
			requests := NewRequests()
			if c.large {
				requests.Data(t.Context(), Query{URI: "m"}, func(Page) {}, func(error) {})
			}
			e := new(events)
			ctx, cancel := context.WithCancel(t.Context())
			done := run(ctx, conn, e, requests)
			synctest.Wait()
			write(t, ws, websocket.TextMessage, notification("a", strings.Repeat("x", c.size)))
			synctest.Wait()
			if got := len(e.all()) == 1; got != c.fits {
				t.Errorf("%s: arrived %v", c.name, got)
			}
			cancel()
			if err := <-done; !c.fits && !strings.Contains(err.Error(), "bytes") && !errors.Is(err, websocket.ErrReadLimit) {
				t.Errorf("%s: %v", c.name, err)
			}
			if !c.fits {
				for {
					if _, _, err := ws.ReadMessage(); err != nil {
						if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
							t.Errorf("%s: hub's end: %v", c.name, err)
						}
						break
					}
				}
			}
			requests.Close()
		})
	}
}

func TestAHubThatDoesNotReadIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, _ := h.dial(func(d *DialConfig) { d.Silence = time.Hour })
		outbox := NewOutbox(OutboxConfig{Username: "alice"})
		send(t, outbox, metric.Datasource("a", at(0), strings.Repeat("x", metric.MaxText)))
		start := time.Now()
		err := c.Run(t.Context(), new(events), outbox)
		if d := time.Since(start); d < DefaultWriteTimeout || d > DefaultWriteTimeout+2*closeWait || !strings.Contains(err.Error(), "writing") {
			t.Errorf("%v after %v", err, d)
		}
		if s := outbox.Stats(); s.Queued != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAfterACutTheNextConnectionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		outbox := NewOutbox(OutboxConfig{Username: "alice"})
		for i := range 5 {
			send(t, outbox, metric.Datapoint("a", at(i), i))
		}
		c, ws := h.dial(nil)
		<-h.headers
		done := run(t.Context(), c, new(events), outbox)
		var first []wire.Seq
		for range 5 {
			first = append(first, readRequest(t, ws).Seq)
		}
		write(t, ws, websocket.TextMessage, wire.AppendResponse(nil, hubSeqs.Next(), first[0], wire.Response{Status: 4200}))
		synctest.Wait()
		ws.NetConn().Close()
		<-done

		c, ws = h.dial(nil)
		ctx, cancel := context.WithCancel(t.Context())
		done = run(ctx, c, new(events), outbox)
		for i := 1; i < 5; i++ {
			r := readRequest(t, ws)
			if r.Seq != first[i] || r.Time.Time().Unix() != int64(i) {
				t.Errorf("frame %d of time %v has the sequence %v, had %v", i, r.Time, r.Seq, first[i])
			}
			write(t, ws, websocket.TextMessage, wire.AppendResponse(nil, hubSeqs.Next(), r.Seq, wire.Response{Status: 4200}))
		}
		if err := outbox.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestRunCleansUpWhenTheHandlerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptHub(t)
		c, ws := h.dial(nil)
		outbox := NewOutbox(OutboxConfig{Username: "alice"})
		write(t, ws, websocket.TextMessage, notification("a", "x"))
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.Run(t.Context(), panics{}, outbox)
		}()
		if outbox.wake != nil {
			t.Error("outbox is still attached")
		}
	})
}

type panics struct{ Handler }

func (panics) Notification(*wire.Notification, wire.Seq) { panic("test") }
