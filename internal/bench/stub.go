package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// stub is as much of a hub as an agent needs to come to life: it lets everybody in, hooks everything, and answers each
// request for history with the same rows. Then it sends what it is told. It lives in a process of its own.
type stub struct {
	w        *Workload
	filled   time.Time
	rows     []byte // the rows of every page, encoded
	serve    func(c *stubConn)
	listener net.Listener
	server   *http.Server

	mu    sync.Mutex
	conns map[string]*stubConn // by cookie
}

// stubConn is one agent's socket.
type stubConn struct {
	ws   *websocket.Conn
	user string
	mu   sync.Mutex // for whole frames
}

// startStub listens on a free port of this machine.
func startStub(ctx context.Context, w *Workload, filled time.Time) (*stub, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stub{w: w, filled: filled, rows: encodeRows(w, filled), listener: l, conns: map[string]*stubConn{}}
	s.serve = s.answer
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("/", s.socket)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends with close
	return s, nil
}

func (s *stub) close() {
	_ = s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.ws.Close()
	}
}

// encodeRows returns what stands between the brackets of a page.
func encodeRows(w *Workload, filled time.Time) []byte {
	page := wire.BeginPage(nil, wire.Seq{}, wire.Seq{}, "x", metric.KindDatapoint, metric.MaxTime)
	before := len(page.End(metric.MinTime))
	for i := range w.Samples {
		ticks, number := row(filled, i)
		value, _ := metric.NumberOf(number) // finite
		page.Row(metric.NewTimeUUID(ticks, metric.PlainLow), value, 0)
	}
	b := page.End(metric.MinTime)
	return b[before-len("]}}") : len(b)-len("]}}")]
}

// login gives a challenge, and believes every proof: what it costs to check one is not what is measured here.
func (s *stub) login(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", `application/json; charset="utf-8"`)
	if r.PostFormValue("c") != "" {
		http.SetCookie(rw, &http.Cookie{Name: "kid", Value: r.PostFormValue("u"), Path: "/"})
		_, _ = rw.Write([]byte("null"))
		return
	}
	text, err := base64.StdEncoding.DecodeString(r.PostFormValue("k"))
	if err != nil {
		http.Error(rw, "k is not base64", http.StatusBadRequest)
		return
	}
	key, err := connection.ParsePublicKey(string(text))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	plain := make([]byte, connection.ChallengeSize)
	_, _ = rand.Read(plain) // never fails
	challenge, err := key.Encrypt(plain)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(rw).Encode(map[string][]byte{"challenge": challenge})
}

func (s *stub) socket(rw http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("kid")
	if err != nil {
		http.Error(rw, "no cookie", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{ReadBufferSize: 16 << 10, WriteBufferSize: 64 << 10}
	ws, err := up.Upgrade(rw, r, http.Header{wire.FeaturesHeader: {wire.FeaturesOf(wire.FeatureVia, wire.FeaturePos).String()}})
	if err != nil {
		return // the upgrader has answered
	}
	c := &stubConn{ws: ws, user: cookie.Value}
	s.mu.Lock()
	s.conns[cookie.Value] = c
	s.mu.Unlock()
	defer ws.Close()
	s.serve(c)
}

// answer answers an agent's requests until its socket ends.
func (s *stub) answer(c *stubConn) {
	var d wire.Decoder
	var out, body []byte
	seqs := wire.NewSeqSource(time.Now)
	for {
		_, frame, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		request, refusal := d.DecodeRequest(frame)
		if refusal != nil {
			return
		}
		response := wire.Response{Status: 4200}
		if request.Action == wire.ActionRequestData {
			response.Status = 4202
		}
		body = wire.AppendResponse(body[:0], seqs.Next(), request.Seq, response)
		out = appendFrame(out[:0], body)
		if request.Action == wire.ActionRequestData {
			body = s.page(body[:0], seqs.Next(), request)
			out = appendFrame(out, body)
		}
		if c.write(out) != nil {
			return
		}
	}
}

// page answers a request for history with everything there is: agents only look at start and end of a page.
func (s *stub) page(b []byte, seq wire.Seq, r *wire.Request) []byte {
	start, end := metric.MinTime, metric.MaxTime
	if r.Start != nil {
		start = *r.Start
	}
	if r.End != nil {
		end = *r.End
	}
	page := wire.BeginPage(b, seq, r.Seq, r.URI, metric.KindDatapoint, end)
	b = page.End(start)
	b = append(b[:len(b)-len("]}}")], s.rows...)
	return append(b, "]}}"...)
}

// write writes whole frames that are complete with their headers.
func (c *stubConn) write(frames []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.ws.NetConn()
	// The websocket library leaves the deadlines of its pongs behind.
	if err := conn.SetWriteDeadline(time.Now().Add(roundTimeout)); err != nil {
		return err
	}
	_, err := conn.Write(frames)
	return err
}

// chunk is how many bytes go into one write when nothing is to be paced: the sender must never be behind.
const chunk = 64 << 10

// feed sends the messages of a round.
func (s *stub) feed(ctx context.Context, cookie string, spec roundSpec) error {
	s.mu.Lock()
	c := s.conns[cookie]
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("bench: %q is not connected", cookie)
	}
	frames, length := newEncoder(s.w, s.filled).load(spec)
	if spec.Rate > 0 {
		return c.pace(ctx, frames, length, spec)
	}
	for len(frames) > 0 {
		n := min(len(frames), chunk/length*length+length)
		if err := c.write(frames[:n]); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

// pace sends each message at its time, or at once when that has passed.
func (c *stubConn) pace(ctx context.Context, frames []byte, length int, spec roundSpec) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range spec.Frames {
		if wait := time.Until(spec.at(spec.First + int64(i))); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := c.write(frames[i*length : (i+1)*length]); err != nil {
			return err
		}
	}
	return nil
}
