package hub_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/hub/store/pebblestore"
	"github.com/komstream/komstream/internal/wire"
)

func TestSendHookFanOutHistory(t *testing.T) {
	h := hubtest.New(t)
	a, b := connect(t, h, login(t, h, "alice", h.User("alice")), ""), dial(t, h, "alice", "")
	b.hook(4404, "cpu")
	a.send(4200, dp("cpu", 1, "1.50"))
	f := b.next()
	if diff := cmp.Diff([]string{"cpu=1.50"}, f.items()); diff != "" || f.Pos != 1 {
		t.Errorf("notification %+v: %s", f, diff)
	}
	a.send(4200, dp("cpu", 2, 7), ds("df", 2, "text"))
	if diff := cmp.Diff([]string{"cpu=7"}, b.next().items()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"7", "1.50"}, a.history("cpu")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"text"}, b.history("alice:df")); diff != "" {
		t.Error(diff)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]hub.Config{
		"no directory":  {},
		"two stores":    {Dir: "x", MemoryStore: true},
		"public URL":    {MemoryStore: true, PublicURL: "hub.example.org"},
		"negative life": {MemoryStore: true, CookieLife: -1},
		"negative rate": {MemoryStore: true, LoginRate: -1},
		"bad address":   {MemoryStore: true, Listen: []string{"127.0.0.1:0", "nowhere:-1"}},
	} {
		if h, err := hub.Start(context.Background(), c); err == nil {
			t.Errorf("%s: started", name)
			_ = h.Close()
		} else if !strings.HasPrefix(err.Error(), "hub: ") {
			t.Errorf("%s: error %q does not begin with the package", name, err)
		}
	}
}

func TestDirectoryIsPrivateAndOfOneProcess(t *testing.T) {
	dir := t.TempDir() + "/data"
	hubtest.Start(t, hub.Config{Dir: dir})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v, %v, want mode 0700", info, err)
	}
	_, err := hub.Start(context.Background(), hub.Config{Dir: dir})
	if !errors.Is(err, pebblestore.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second hub: %v, want an error that names the directory and its use", err)
	}
}

func TestListen(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	if h.Addr() == nil || h.URL() != "http://"+h.Addr().String() {
		t.Fatalf("Addr %v, URL %s", h.Addr(), h.URL())
	}
	r, err := httpClient((&netDialer{}).DialContext).Get(h.URL() + "/")
	must(t, err)
	defer r.Body.Close()
	if r.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("GET / by plain HTTP: %d, want 426", r.StatusCode)
	}
	c := dial(t, h, "alice", "")
	c.send(4200, dp("x", 1, 1))
}

func TestStrangersGet4403(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	h.User("alice")
	for name, cookie := range map[string]string{"none": "", "forged": strings.Repeat("a", 64)} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				ws, _, err := socket(t, h, cookie, nil)
				must(t, err)
				// A client that writes at once must get to see the code too.
				_ = ws.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", 20000)))
				_, _, err = ws.ReadMessage()
				if closeCode(err) != 4403 || !strings.HasSuffix(err.Error(), "Access denied") {
					t.Fatalf("read: %v, want close 4403 Access denied", err)
				}
				_ = ws.Close()
			}
		})
	}
}

func TestOriginIsChecked(t *testing.T) {
	h := hubtest.New(t)
	for origin, want := range map[string]int{
		"http://hub": 101, "http://evil": 403, "http://hub.evil": 403, "https://hub": 403, "null": 403, "": 101,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		ws, r, err := socket(t, h, "", header)
		if r == nil || r.StatusCode != want {
			t.Errorf("Origin %q: %v %v, want %d", origin, r, err, want)
		}
		if ws != nil {
			_ = ws.Close()
		}
	}
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	h := hubtest.New(t)
	header := http.Header{}
	d := websocket.Dialer{NetDialContext: h.DialContext, EnableCompression: true}
	ws, r, err := d.Dial("ws://hub/", header)
	must(t, err)
	defer ws.Close()
	if got := r.Header.Get("Sec-Websocket-Extensions"); got != "" {
		t.Errorf("extensions %q", got)
	}
	got := wire.ParseFeatures(r.Header.Get(wire.FeaturesHeader))
	if !got.Has(wire.FeaturePos) || !got.Has(wire.FeatureDelete) {
		t.Errorf("the hub announces %q", got)
	}
}

func TestFramesThatEndTheSocket(t *testing.T) {
	h := hubtest.New(t)
	cookie := enter(t, h, "alice")
	for name, c := range map[string]struct {
		kind  int
		frame string
		code  int
	}{
		"not JSON":          {websocket.TextMessage, "{", websocket.CloseNoStatusReceived},
		"not JSON, binary":  {websocket.BinaryMessage, "{", websocket.CloseNoStatusReceived},
		"not UTF-8":         {websocket.TextMessage, "\"\xff\"", websocket.CloseInvalidFramePayloadData},
		"over the limit":    {websocket.TextMessage, strings.Repeat(" ", 10<<20+1), websocket.CloseMessageTooBig},
		"empty":             {websocket.TextMessage, "", websocket.CloseNoStatusReceived},
		"nothing but space": {websocket.TextMessage, "  ", websocket.CloseNoStatusReceived},
	} {
		t.Run(name, func(t *testing.T) {
			x := connect(t, h, cookie, "")
			_ = x.ws.WriteMessage(c.kind, []byte(c.frame))
			if got := x.closed(); got != c.code {
				t.Errorf("closed with %d, want %d", got, c.code)
			}
		})
	}
	x := connect(t, h, cookie, "")
	seq := x.seqs.Next()
	must(t, x.ws.WriteMessage(websocket.BinaryMessage, wire.AppendHook(nil, seq, "x")))
	if f := x.next(); f.status() != 4404 {
		t.Errorf("a binary frame was answered %v", f)
	}
}
