package hub_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vectors decodes one of the golden files: see package vectortest. Numbers keep their text.
func vectors(t testing.TB, name string, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(vectortest.Text(t, name)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// httpClient reaches the hub through dial and keeps no connection.
func httpClient(dial dialer) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// login logs in and returns the value of the cookie.
func login(t testing.TB, h *hubtest.Hub, user string, key *connection.Key) string {
	t.Helper()
	form := url.Values{"u": {user}, "pv": {"1"}, "k": {base64.StdEncoding.EncodeToString([]byte(key.Public().String()))}}
	response := post(t, h, form)
	var step1 struct{ Challenge []byte }
	if err := json.Unmarshal(response.body, &step1); err != nil || response.status != 200 {
		t.Fatalf("step 1: %d %s", response.status, response.body)
	}
	plaintext, err := key.Decrypt(step1.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	hash := connection.ChallengeHash(plaintext)
	signature, err := key.Sign(hash)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("c", base64.StdEncoding.EncodeToString(hash[:]))
	form.Set("s", base64.StdEncoding.EncodeToString(signature))
	response = post(t, h, form)
	if response.status != 200 || strings.TrimSpace(string(response.body)) != "null" || len(response.cookies) != 1 {
		t.Fatalf("step 2: %d %s %v", response.status, response.body, response.cookies)
	}
	return response.cookies[0].Value
}

type response struct {
	status  int
	body    []byte
	cookies []*http.Cookie
	header  http.Header
}

func post(t testing.TB, h *hubtest.Hub, form url.Values) response {
	t.Helper()
	r, err := httpClient(h.DialContext).PostForm(h.URL()+"/login", form)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{r.StatusCode, body, r.Cookies(), r.Header}
}

// socket opens a websocket with the given cookie and headers.
func socket(t testing.TB, h *hubtest.Hub, cookie string, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	if header == nil {
		header = http.Header{}
	}
	if cookie != "" {
		header.Set("Cookie", "kid="+cookie)
	}
	d := websocket.Dialer{NetDialContext: h.DialContext, HandshakeTimeout: 10 * time.Second}
	return d.Dial("ws"+strings.TrimPrefix(h.URL(), "http")+"/", header)
}

// client is an agent that speaks the wire by hand. Its frames are decoded by encoding/json, which the hub does not use.
type client struct {
	t      testing.TB
	ws     *websocket.Conn
	cookie string
	frames chan frame // closed when the socket ends
	err    error      // why
	gone   bool       // the test has closed it
	seqs   *wire.SeqSource
}

type frame struct {
	V       json.Number    `json:"v"`
	Action  string         `json:"action"`
	Seq     string         `json:"seq"`
	Irt     *string        `json:"irt"`
	Via     []string       `json:"via"`
	Pos     uint64         `json:"pos"`
	Payload map[string]any `json:"payload"`
}

func (f frame) status() int { return number(f.Payload["status"]) }
func (f frame) code() int   { return number(f.Payload["error"]) }

func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// items returns "uri=content" of each item of a notification.
func (f frame) items() (all []string) {
	uris, _ := f.Payload["uris"].([]any)
	for _, u := range uris {
		item, _ := u.(map[string]any)
		all = append(all, fmt.Sprintf("%v=%v", item["uri"], item["content"]))
	}
	return all
}

// dial connects with a fresh login, which spares the arithmetic that login makes. features are what the agent announces.
func dial(t testing.TB, h *hubtest.Hub, user string, features string) *client {
	t.Helper()
	return connect(t, h, enter(t, h, user), features)
}

func enter(t testing.TB, h *hubtest.Hub, user string) (cookie string) {
	t.Helper()
	h.User(user)
	cookie, err := h.CookieOf(user)
	must(t, err)
	return cookie
}

func connect(t testing.TB, h *hubtest.Hub, cookie, features string) *client {
	t.Helper()
	header := http.Header{}
	if features != "" {
		header.Set(wire.FeaturesHeader, features)
	}
	ws, _, err := socket(t, h, cookie, header)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, ws: ws, cookie: cookie, frames: make(chan frame, 1<<16), seqs: wire.NewSeqSource(nil)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	t.Cleanup(func() {
		_ = ws.Close()
		<-done
	})
	return c
}

func (c *client) read() {
	defer close(c.frames)
	for {
		_, text, err := c.ws.ReadMessage()
		if err != nil {
			c.err = err
			return
		}
		var f frame
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&f); err != nil {
			c.err = fmt.Errorf("frame %.100s: %w", text, err)
			return
		}
		c.frames <- f
	}
}

// write sends a frame as it is.
func (c *client) write(text []byte) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, text); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame.
func (c *client) next() frame {
	c.t.Helper()
	select {
	case f, open := <-c.frames:
		if !open {
			c.t.Fatalf("the socket ended: %v", c.err)
		}
		return f
	case <-time.After(10 * time.Second):
		c.t.Fatal("no frame within 10 s")
	}
	panic("not reached")
}

// closed returns the close code of the socket, which is expected to end; -1 for an end without a close frame.
func (c *client) closed() int {
	c.t.Helper()
	for {
		select {
		case _, open := <-c.frames:
			if open {
				continue
			}
			return closeCode(c.err)
		case <-time.After(10 * time.Second):
			c.t.Fatal("the socket did not end within 10 s")
		}
	}
}

// closeCode returns the code of the close frame that ended a socket, -1 for none.
func closeCode(err error) int {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return -1
}

// quiet checks that nothing is on its way: the answer to an unknown action comes behind all that was queued before.
func (c *client) quiet() []frame {
	c.t.Helper()
	seq := c.seqs.Next()
	c.write(fmt.Appendf(nil, `{"v":1,"action":"none","seq":"%s","irt":null,"payload":{}}`, seq))
	var before []frame
	for {
		f := c.next()
		if f.Irt != nil && *f.Irt == seq.String() {
			return before
		}
		before = append(before, f)
	}
}

// ask sends a frame and returns the answer to it, and what came before.
func (c *client) ask(seq wire.Seq, text []byte) (answer frame, before []frame) {
	c.t.Helper()
	c.write(text)
	for {
		f := c.next()
		if f.Action == "generic_response" && f.Irt != nil && *f.Irt == seq.String() {
			return f, before
		}
		before = append(before, f)
	}
}

// expect is ask that wants a status.
func (c *client) expect(status int, seq wire.Seq, text []byte) frame {
	c.t.Helper()
	f, _ := c.ask(seq, text)
	if f.status() != status {
		c.t.Fatalf("%s: answered %v, want %d", text, f.Payload, status)
	}
	return f
}

func (c *client) send(status int, samples ...metric.Sample) frame {
	c.t.Helper()
	seq := c.seqs.Next()
	if len(samples) == 1 {
		return c.expect(status, seq, wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &samples[0]))
	}
	return c.expect(status, seq, wire.AppendSendMulti(nil, seq, wire.Seq{}, nil, samples[0].Time, samples))
}

func (c *client) hook(status int, uri metric.URI) frame {
	c.t.Helper()
	seq := c.seqs.Next()
	return c.expect(status, seq, wire.AppendHook(nil, seq, uri))
}

func (c *client) unhook(status int, uri metric.URI) frame {
	c.t.Helper()
	seq := c.seqs.Next()
	return c.expect(status, seq, wire.AppendUnhook(nil, seq, uri))
}

// history returns the rows of a metric as "content", newest first, border rows once.
func (c *client) history(uri metric.URI) (rows []string) {
	c.t.Helper()
	seq := c.seqs.Next()
	c.expect(4202, seq, wire.AppendRequest(nil, seq, uri, metric.MinTime, metric.MaxTime, 0))
	last := ""
	for {
		f := c.next()
		if f.Action != "send_data_interval" {
			continue
		}
		data, _ := f.Payload["data"].([]any)
		for _, row := range data {
			pair, _ := row.([]any)
			if t := fmt.Sprint(pair[0]); t != last {
				rows = append(rows, fmt.Sprint(pair[1]))
				last = t
			}
		}
		if f.Payload["start"] == metric.MinTime.String() {
			return rows
		}
	}
}

func at(second int) time.Time { return time.Unix(1_700_000_000+int64(second), 0) }

func dp(uri metric.URI, second int, v any) metric.Sample {
	return metric.Datapoint(uri, at(second), fmt.Sprint(v))
}

func ds(uri metric.URI, second int, text string) metric.Sample {
	return metric.Datasource(uri, at(second), text)
}
