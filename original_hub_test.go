package komstream_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/pipe"
	"github.com/komstream/komstream/metric"
)

// originalHub is a strict model of the hub that this library was not made for: it announces nothing and knows nothing
// of via and pos, pages without marking the last page, works on several requests at once and answers them as they get
// ready, notifies when it likes, lets the older of two sockets take the session down with it, and gives some refusals
// no reason. It notes what no original agent would do. It has one user, and lives in a bubble.
type originalHub struct {
	t      *testing.T
	key    *connection.Key
	random func(n int) int
	page   map[string]int // rows of a page by type
	listen *pipe.Listener
	work   sync.WaitGroup // what answers and notifies

	mu       sync.Mutex
	series   map[string]*originalSeries
	hooks    map[string]map[string]bool // session → uris
	sockets  map[string]*originalSocket // session → the socket that gets its notifications
	open     map[*originalSocket]bool
	proofs   map[string]bool // hashes of challenges
	logins   int
	faults   []string        // what no original agent would do
	refuse   map[string]bool // uris of which samples are refused, without a reason
	requests []originalRequest
}

// originalSeries is a metric.
type originalSeries struct {
	kind string
	rows []originalRow // in order of time
}

type originalRow struct {
	t     metric.TimeUUID
	value string
}

// originalRequest is a request as it came; the fields that it lacks are nil.
type originalRequest struct {
	V       json.RawMessage `json:"v"`
	Action  string          `json:"action"`
	Seq     metric.TimeUUID `json:"seq"`
	Irt     *string         `json:"irt"`
	Payload struct {
		URI        string           `json:"uri"`
		T          *metric.TimeUUID `json:"t"`
		Content    *string          `json:"content"`
		Start, End *metric.TimeUUID
		Count      *int
		URIs       []struct{ URI, Type, Content string }
	} `json:"payload"`
}

// newOriginalHub starts the model in the bubble of the test.
func newOriginalHub(t *testing.T, seed uint64) *originalHub {
	source := mathrand.New(mathrand.NewPCG(seed, 0))
	var lock sync.Mutex
	h := &originalHub{
		t: t, key: hubtest.Key(0), listen: pipe.Listen("original"), page: map[string]int{"p": 1000, "d": 100},
		series: map[string]*originalSeries{}, hooks: map[string]map[string]bool{}, refuse: map[string]bool{},
		sockets: map[string]*originalSocket{}, open: map[*originalSocket]bool{}, proofs: map[string]bool{},
		random: func(n int) int {
			lock.Lock()
			defer lock.Unlock()
			return source.IntN(n)
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", h.login)
	mux.HandleFunc("/{$}", h.socket)
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(h.listen)
	}()
	t.Cleanup(func() {
		h.cut(0)
		_ = server.Close()
		<-done
		h.work.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, fault := range h.faults {
			t.Errorf("no original agent would do that: %s", fault)
		}
	})
	return h
}

// config is what a session needs to use this hub.
func (h *originalHub) config() komstream.Config {
	return komstream.Config{Username: "alice", Key: h.key, Dial: h.dial}
}

func (h *originalHub) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.listen.DialContext(ctx, network, address)
}

// fault notes what no original agent would do. The lock is held.
func (h *originalHub) fault(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// login is both steps, as far as an agent with a good key sees them.
func (h *originalHub) login(w http.ResponseWriter, r *http.Request) {
	key, _ := base64.StdEncoding.DecodeString(r.PostFormValue("k"))
	h.mu.Lock()
	defer h.mu.Unlock()
	if string(key) != h.key.Public().String() || r.PostFormValue("u") != "alice" || r.PostFormValue("pv") != "1" {
		h.fault("login with the form %v", r.PostForm)
	}
	w.Header().Set("Content-Type", `application/json; charset="utf-8"`)
	if r.PostFormValue("c") == "" {
		plaintext := make([]byte, 64)
		_, _ = rand.Read(plaintext)
		challenge, _ := h.key.Public().Encrypt(plaintext)
		hash := connection.ChallengeHash(plaintext)
		h.proofs[string(hash[:])] = true
		_ = json.NewEncoder(w).Encode(map[string][]byte{"challenge": challenge})
		return
	}
	proof, _ := base64.StdEncoding.DecodeString(r.PostFormValue("c"))
	signature, _ := base64.StdEncoding.DecodeString(r.PostFormValue("s"))
	if !h.proofs[string(proof)] || !h.key.Public().Verify([32]byte(proof), signature) {
		h.fault("login with the proof %x", proof)
	}
	delete(h.proofs, string(proof))
	h.logins++
	http.SetCookie(w, &http.Cookie{Name: "kid", Value: fmt.Sprint("session", h.logins), Path: "/", HttpOnly: true})
	_, _ = w.Write([]byte("null"))
}

// originalSocket is one websocket.
type originalSocket struct {
	session string
	writing sync.Mutex
	ws      *websocket.Conn
	late    chan func() // notifications, one after the other
	gone    chan struct{}

	sends int // samples not answered yet; the hub's lock
	seqs  map[metric.TimeUUID]bool
}

func (h *originalHub) socket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	ws.SetReadLimit(10 << 20)
	s := &originalSocket{ws: ws, late: make(chan func(), 1<<16), gone: make(chan struct{}), seqs: map[metric.TimeUUID]bool{}}
	defer close(s.gone)
	defer ws.Close()
	if cookie, err := r.Cookie("kid"); err == nil {
		s.session = cookie.Value
	}
	h.mu.Lock()
	known := strings.HasPrefix(s.session, "session")
	if known {
		h.sockets[s.session], h.open[s] = s, true
	}
	h.mu.Unlock()
	if !known {
		_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4403, "Access denied"))
		return
	}
	h.work.Go(s.notify)
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			break
		}
		h.receive(s, text)
	}
	h.mu.Lock()
	delete(h.open, s)
	// The defect: whichever socket closes, the session gets no notification any more.
	delete(h.sockets, s.session)
	h.mu.Unlock()
}

// notify delivers notifications some time after the answers.
func (s *originalSocket) notify() {
	for {
		select {
		case f := <-s.late:
			f()
		case <-s.gone:
			return
		}
	}
}

// cut ends all sockets: with a close code, without one where it is -1, or without a close frame where it is 0.
func (h *originalHub) cut(code int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open {
		s.writing.Lock()
		switch {
		case code > 0:
			_ = s.ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, "Access denied"))
		case code < 0:
			_ = s.ws.WriteMessage(websocket.CloseMessage, nil)
		}
		s.writing.Unlock()
		_ = s.ws.Close()
	}
	if code == 4403 { // the cookies are worth nothing any more
		for session := range h.hooks {
			delete(h.hooks, session)
		}
	}
}

// write writes one frame as the original does.
func (s *originalSocket) write(action string, irt any, payload any) {
	frame, _ := json.Marshal(map[string]any{
		"v": 1, "action": action, "seq": randomSeq(), "irt": irt, "payload": payload,
	})
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.ws.WriteMessage(websocket.TextMessage, frame)
}

// randomSeq is a TimeUUID with a random node.
func randomSeq() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x10, b[8]&0x3f|0x80
	return hex.EncodeToString(b)
}

func (s *originalSocket) answer(seq metric.TimeUUID, status, code int, reason any) {
	s.write("generic_response", seq.String(), map[string]any{"status": status, "error": code, "reason": reason})
}

// receive takes one frame, and works on it while the next ones come.
func (h *originalHub) receive(s *originalSocket, text []byte) {
	var r originalRequest
	if err := json.Unmarshal(text, &r); err != nil || string(r.V) != "1" || !complete(text) {
		h.mu.Lock()
		h.fault("frame %.200s: %v", text, err)
		h.mu.Unlock()
		return
	}
	h.mu.Lock()
	if s.seqs[r.Seq] {
		h.fault("seq used twice: %.200s", text)
	}
	s.seqs[r.Seq] = true
	h.requests = append(h.requests, r)
	send := strings.HasPrefix(r.Action, "send_")
	if send {
		if s.sends++; s.sends > 1 {
			h.fault("samples sent while others are not answered: %.200s", text)
		}
	}
	h.mu.Unlock()
	h.work.Go(func() {
		h.dawdle(50) // some answers overtake others
		h.execute(s, &r)
	})
}

// payloadKeys are the keys of each action's payload. All of them are mandatory, even where they are null.
var payloadKeys = map[string]string{
	"send_dp_data": "content t uri", "send_ds_data": "content t uri", "send_multi_data": "t uris",
	"hook_to_uri": "uri", "unhook_from_uri": "uri", "request_data": "count end start uri",
}

// complete reports whether a frame has the keys that the protocol demands. More of them may stand in the envelope.
func complete(text []byte) bool {
	var frame map[string]json.RawMessage
	var payload map[string]json.RawMessage
	var action string
	if json.Unmarshal(text, &frame) != nil || json.Unmarshal(frame["payload"], &payload) != nil ||
		json.Unmarshal(frame["action"], &action) != nil || frame["seq"] == nil || frame["irt"] == nil {
		return false
	}
	return strings.Join(slices.Sorted(maps.Keys(payload)), " ") == payloadKeys[action]
}

func (h *originalHub) execute(s *originalSocket, r *originalRequest) {
	p := &r.Payload
	switch r.Action {
	case "send_dp_data", "send_ds_data", "send_multi_data":
		h.mu.Lock()
		s.sends--
		h.mu.Unlock()
		h.store(s, r)
	case "hook_to_uri":
		h.mu.Lock()
		if h.hooks[s.session] == nil {
			h.hooks[s.session] = map[string]bool{}
		}
		h.hooks[s.session][p.URI] = true
		exists := h.series[p.URI] != nil
		h.mu.Unlock()
		if exists {
			s.answer(r.Seq, 4200, 0, "Hooked successfully")
		} else {
			s.answer(r.Seq, 4404, 201400, "Operation registered, but uri does not exist yet")
		}
	case "unhook_from_uri":
		h.mu.Lock()
		delete(h.hooks[s.session], p.URI)
		h.mu.Unlock()
		s.answer(r.Seq, 4200, 0, nil)
	case "request_data":
		h.history(s, r)
	default:
		s.answer(r.Seq, 4400, 200000, "unsupported action")
		h.mu.Lock()
		h.fault("action %q", r.Action)
		h.mu.Unlock()
	}
}

// store executes the three actions that send samples.
func (h *originalHub) store(s *originalSocket, r *originalRequest) {
	p := &r.Payload
	items := p.URIs
	if r.Action != "send_multi_data" {
		kind := map[string]string{"send_dp_data": "p", "send_ds_data": "d"}[r.Action]
		items = append(items, struct{ URI, Type, Content string }{p.URI, kind, *p.Content})
	}
	h.mu.Lock()
	for _, item := range items {
		if h.refuse[item.URI] {
			h.mu.Unlock()
			s.answer(r.Seq, 4501, 1, nil) // a refusal without a reason
			return
		}
	}
	h.mu.Unlock()
	s.answer(r.Seq, 4200, 0, nil)
	for _, item := range items {
		h.put(item.URI, item.Type, *p.T, item.Content)
	}
	h.fanOut(*p.T, items)
}

// put stores a sample without telling anybody.
func (h *originalHub) put(uri, kind string, t metric.TimeUUID, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.series[uri]
	if m == nil {
		m = &originalSeries{kind: kind}
		h.series[uri] = m
	}
	i, found := slices.BinarySearchFunc(m.rows, t, func(r originalRow, t metric.TimeUUID) int { return r.t.Compare(t) })
	if found {
		m.rows[i].value = value
		return
	}
	m.rows = slices.Insert(m.rows, i, originalRow{t, value})
}

// fanOut notifies the sessions that have hooked one of the items.
func (h *originalHub) fanOut(t metric.TimeUUID, items []struct{ URI, Type, Content string }) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for session, s := range h.sockets {
		var mine []map[string]string
		for _, item := range items {
			if h.hooks[session][item.URI] {
				mine = append(mine, map[string]string{"uri": item.URI, "type": item.Type, "content": item.Content})
			}
		}
		if len(mine) > 0 {
			s.late <- func() {
				h.dawdle(30)
				s.write("send_multi_data", nil, map[string]any{"t": t.String(), "uris": mine})
			}
		}
	}
}

// update stores a sample and notifies, as if another session had sent it.
func (h *originalHub) update(uri, kind string, t metric.TimeUUID, value string) {
	h.put(uri, kind, t, value)
	h.fanOut(t, []struct{ URI, Type, Content string }{{uri, kind, value}})
}

// history answers request_data: pages from the newest row to the oldest, the row at a border in both. The last page
// is not marked: where the count is exhausted it begins with its oldest row.
func (h *originalHub) history(s *originalSocket, r *originalRequest) {
	p := &r.Payload
	h.mu.Lock()
	m := h.series[p.URI]
	if p.Count == nil && (p.Start == nil || p.End == nil) {
		h.fault("request_data without a count and with an open side")
	}
	if p.Start != nil && p.End != nil && p.Start.Ticks() > p.End.Ticks() {
		h.fault("request_data with reversed bounds, whose answer an agent cannot recognise")
	}
	if m == nil {
		h.mu.Unlock()
		s.answer(r.Seq, 4404, 201600, "uri "+p.URI+" does not exist")
		return
	}
	rows, kind := slices.Clone(m.rows), m.kind
	h.mu.Unlock()
	s.answer(r.Seq, 4202, 0, "message accepted for processing")
	from, upper := metric.MinTime, metric.MaxTime
	if p.Start != nil {
		from = *p.Start
	}
	if p.End != nil {
		upper = *p.End
	}
	left := -1
	if p.Count != nil && *p.Count > 0 {
		left = *p.Count
	}
	for {
		limit := h.page[kind]
		if left >= 0 {
			limit = min(limit, left)
		}
		data, oldest := [][2]string{}, from
		for _, row := range slices.Backward(rows) {
			if len(data) < limit && row.t.Compare(from) >= 0 && row.t.Compare(upper) <= 0 {
				data, oldest = append(data, [2]string{row.t.String(), row.value}), row.t
			}
		}
		start := from
		if len(data) == limit {
			start = oldest
		}
		h.dawdle(5) // other answers come between
		s.write("send_data_interval", r.Seq.String(), map[string]any{
			"uri": map[string]string{"uri": p.URI, "type": kind}, "start": start.String(), "end": upper.String(), "data": data,
		})
		if left >= 0 {
			left -= len(data)
		}
		if len(data) < limit || left == 0 {
			return
		}
		upper = oldest
	}
}
