package komstream_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/connection"
)

// originalAgent is an agent of the years before this library, written from the protocol's description alone: its own
// login arithmetic, its own key texts, encoding/json. It speaks in one of the dialects.
type originalAgent struct {
	t       *testing.T
	dialect dialect
	base    string // http://127.0.0.1:PORT
	user    string
	key     *rsa.PrivateKey
	client  *http.Client
	ws      *websocket.Conn
	frames  chan originalFrame // closed when the socket ends
	err     error              // why
}

// dialect is what differs between the agents.
type dialect struct {
	name    string
	keyText func(*rsa.PublicKey) string
	seq     func() string
}

var dialects = []dialect{
	{"agent 0.8", pemText, func() string { return randomSeq()[:20] }},
	{"agent 0.9 to 0.12", openSSHText, randomSeq},
}

func pemText(k *rsa.PublicKey) string {
	der, _ := x509.MarshalPKIXPublicKey(k)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func openSSHText(k *rsa.PublicKey) string {
	var blob []byte
	field := func(b []byte) {
		blob = binary.BigEndian.AppendUint32(blob, uint32(len(b)))
		blob = append(blob, b...)
	}
	field([]byte("ssh-rsa"))
	field([]byte{1, 0, 1})
	field(append([]byte{0}, k.N.Bytes()...)) // a modulus of whole bytes has its highest bit set
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(blob)
}

// originalFrame is a message of the hub, as such an agent reads it.
type originalFrame struct {
	V       int
	Action  string
	Seq     string
	Irt     *string
	Payload struct {
		Status, Error int
		Reason        *string

		T    string
		URIs []struct{ URI, Type, Content string }

		URI        struct{ URI, Type string }
		Start, End string
		Data       [][2]string
	}
}

// newOriginalAgent takes a key of the hub's test kit apart: only its numbers are used.
func newOriginalAgent(t *testing.T, d dialect, base, user string, key *connection.Key) *originalAgent {
	t.Helper()
	text, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{DisableKeepAlives: true}
	return &originalAgent{
		t: t, dialect: d, base: base, user: user, key: parsed.(*rsa.PrivateKey),
		client: &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute},
	}
}

func (a *originalAgent) post(form url.Values) (status int, body string, cookies []*http.Cookie) {
	a.t.Helper()
	r, err := a.client.PostForm(a.base+"/login", form)
	if err != nil {
		a.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return r.StatusCode, strings.TrimSpace(string(text)), r.Cookies()
}

// login proves the possession of the key. The cookie stays in the jar.
func (a *originalAgent) login() {
	a.t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	form := url.Values{"u": {a.user}, "k": {b64([]byte(a.dialect.keyText(&a.key.PublicKey)))}, "pv": {"1"}}
	status, body, _ := a.post(form)
	var answer struct{ Challenge []byte }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Challenge) != a.key.Size() {
		a.t.Fatalf("step 1: %d %s", status, body)
	}
	plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, a.key, answer.Challenge, nil)
	if err != nil || len(plaintext) != 64 {
		a.t.Fatalf("challenge of %d bytes: %v", len(plaintext), err)
	}
	digest := sha256.New()
	for range 30 {
		digest.Write(plaintext)
	}
	hash := digest.Sum(nil)
	signed := sha256.Sum256(hash)
	signature, err := rsa.SignPSS(rand.Reader, a.key, 5, signed[:], &rsa.PSSOptions{SaltLength: a.key.Size() - 34})
	if err != nil {
		a.t.Fatal(err)
	}
	form.Set("c", b64(hash))
	form.Set("s", b64(signature))
	status, body, cookies := a.post(form)
	if status != http.StatusOK || body != "null" || len(cookies) != 1 {
		a.t.Fatalf("step 2: %d %s %v", status, body, cookies)
	}
	// A jar drops what is not for this host or this scheme.
	if c := cookies[0]; c.Name != "kid" || c.Path != "/" || !c.HttpOnly || c.Secure || c.Domain != "" {
		a.t.Errorf("cookie %+v", c)
	}
}

// connect opens the websocket with the cookies of the jar, and no header of ours.
func (a *originalAgent) connect() {
	a.t.Helper()
	ws, _, err := (&websocket.Dialer{Jar: a.client.Jar}).Dial("ws"+strings.TrimPrefix(a.base, "http")+"/", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	a.ws, a.frames = ws, make(chan originalFrame, 1<<12)
	frames, done := a.frames, make(chan struct{})
	go func() {
		defer close(done)
		defer close(frames)
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				a.err = err
				return
			}
			var f originalFrame
			if err := decodeOriginal(text, &f); err != nil {
				a.err = fmt.Errorf("frame %.200s: %w", text, err)
				return
			}
			frames <- f
		}
	}()
	a.t.Cleanup(func() {
		_ = ws.Close()
		<-done
	})
}

// decodeOriginal reads a frame whose uri is a text or an object, and refuses what such an agent would not take.
func decodeOriginal(text []byte, f *originalFrame) error {
	if err := json.Unmarshal(text, f); err != nil {
		return err
	}
	var keys struct {
		V, Action, Seq, Irt, Payload json.RawMessage
	}
	if err := json.Unmarshal(text, &keys); err != nil {
		return err
	}
	if keys.V == nil || keys.Irt == nil || keys.Payload == nil {
		return fmt.Errorf("a key is missing")
	}
	if id, err := hex.DecodeString(f.Seq); err != nil || len(id) != 16 || id[6]>>4 != 1 || id[8]>>6 != 2 {
		return fmt.Errorf("seq %q is no TimeUUID", f.Seq)
	}
	switch f.Action {
	case "generic_response", "send_multi_data", "send_data_interval":
		return nil
	}
	return fmt.Errorf("action %q is not known", f.Action)
}

// disconnect closes the socket and waits until it is closed.
func (a *originalAgent) disconnect() {
	_ = a.ws.Close()
	for range a.frames {
	}
}

// send writes a request and returns its sequence.
func (a *originalAgent) send(action string, payload map[string]any) (seq string) {
	a.t.Helper()
	seq = a.dialect.seq()
	frame, _ := json.Marshal(map[string]any{"v": 1, "action": action, "seq": seq, "irt": nil, "payload": payload})
	if err := a.ws.WriteMessage(websocket.TextMessage, frame); err != nil {
		a.t.Fatal(err)
	}
	return seq
}

func (a *originalAgent) next() originalFrame {
	a.t.Helper()
	select {
	case f, open := <-a.frames:
		if !open {
			a.t.Fatalf("the socket ended: %v", a.err)
		}
		return f
	case <-time.After(20 * time.Second):
		a.t.Fatal("no frame within 20 s")
	}
	panic("not reached")
}

// ask writes a request and checks that the next frame is its answer.
func (a *originalAgent) ask(action string, payload map[string]any, status, code int) {
	a.t.Helper()
	seq := a.send(action, payload)
	f := a.next()
	p := &f.Payload
	if f.Action != "generic_response" || f.V != 1 || f.Irt == nil || *f.Irt != seq || p.Status != status || p.Error != code {
		a.t.Fatalf("%s %v is answered %.300s, want %d/%d to %s", action, payload, fmt.Sprintf("%+v", f), status, code, seq)
	}
	if status > 4202 && (p.Reason == nil || *p.Reason == "") {
		a.t.Errorf("%s %v is refused without a reason, which agents cannot bear", action, payload)
	}
}

// notified checks that the next frame is a notification: "uri type content" of each item.
func (a *originalAgent) notified(at string, items ...string) {
	a.t.Helper()
	f := a.next()
	var got []string
	for _, u := range f.Payload.URIs {
		got = append(got, u.URI+" "+u.Type+" "+u.Content)
	}
	if f.Action != "send_multi_data" || f.V != 1 || f.Irt != nil || f.Payload.T != at || strings.Join(got, ", ") != strings.Join(items, ", ") {
		a.t.Errorf("notified of %+v, want %v at %s", f, items, at)
	}
}

// read asks for a range as such an agent does, and waits for the answer's end as it does: until it has seen a page
// that begins where it asked, and one that ends there; a bound that it left open counts as seen.
func (a *originalAgent) read(uri string, start, end *string, count *int) (rows [][2]string) {
	a.t.Helper()
	seq := a.send("request_data", map[string]any{"uri": uri, "start": start, "end": end, "count": count})
	sawStart, sawEnd := start == nil, end == nil
	accepted := false
	for !accepted || !sawStart || !sawEnd {
		f := a.next()
		switch {
		case f.Irt == nil || *f.Irt != seq:
			a.t.Fatalf("%.300s comes inside the answer", fmt.Sprintf("%+v", f))
		case f.Action == "generic_response":
			if accepted = f.Payload.Status == 4202; !accepted {
				a.t.Fatalf("request_data is answered %+v", f.Payload)
			}
		case !accepted:
			a.t.Fatal("a page comes before the answer")
		default:
			sawStart = sawStart || f.Payload.Start == *start
			sawEnd = sawEnd || f.Payload.End == *end
			for _, row := range f.Payload.Data {
				if len(rows) == 0 || rows[len(rows)-1] != row {
					rows = append(rows, row)
				}
			}
		}
	}
	return rows
}
