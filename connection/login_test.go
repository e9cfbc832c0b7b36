package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/internal/pipe"
)

// loginHub is the hub's side of a login, as simple as it gets.
type loginHub struct {
	user  string
	key   PublicKey
	hash  [32]byte
	calls int
}

func (h *loginHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.calls++
	w.Header().Set("Content-Type", `application/json; charset="utf-8"`)
	fail := func(status, code int) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error": %d}`, code)
	}
	key, err := base64Text(r.FormValue("k"))
	switch {
	case r.FormValue("pv") != "1":
		fail(400, 105202)
	case r.FormValue("u") != h.user:
		fail(403, 3702)
	case err != nil || string(key) != h.key.String():
		fail(403, 3703)
	case r.FormValue("s") == "":
		plaintext := []byte(strings.Repeat("p", ChallengeSize))
		h.hash = ChallengeHash(plaintext)
		challenge, err := h.key.Encrypt(plaintext)
		if err != nil {
			fail(500, 1)
			return
		}
		json.NewEncoder(w).Encode(map[string][]byte{"challenge": challenge})
	default:
		hash, _ := base64Text(r.FormValue("c"))
		signature, _ := base64Text(r.FormValue("s"))
		if string(hash) != string(h.hash[:]) || !h.key.Verify(h.hash, signature) {
			fail(403, 3810)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "other", Value: "x"})
		http.SetCookie(w, &http.Cookie{Name: "kid", Value: "the-session", Path: "/", HttpOnly: true})
		fmt.Fprint(w, "null")
	}
}

func base64Text(text string) (b []byte, err error) {
	err = json.Unmarshal([]byte(`"`+text+`"`), &b)
	return b, err
}

// loginAt logs in at a handler that is served over a pipe.
func loginAt(ctx context.Context, t *testing.T, handler http.Handler, change func(*LoginConfig)) (cookie Cookie, err error) {
	t.Helper()
	l := pipe.Listen("hub")
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	config := LoginConfig{URL: "http://hub/login", Username: "Alice", Key: goldenKey(t), Dial: l.DialContext}
	if change != nil {
		change(&config)
	}
	cookie, err = Login(ctx, config)
	server.Close()
	return cookie, err
}

func TestLoginProvesTheKeyAndReturnsTheCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &loginHub{user: "alice", key: goldenKey(t).Public()}
		cookie, err := loginAt(t.Context(), t, hub, nil)
		if err != nil || cookie != NewCookie("the-session") || hub.calls != 2 {
			t.Errorf("cookie %#v, %v after %d calls", cookie.pair, err, hub.calls)
		}
	})
}

func TestLoginRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		hub    *loginHub
		status int
		code   int
		denied bool
	}{
		{"unknown user", &loginHub{user: "bob", key: goldenKey(t).Public()}, 403, 3702, true},
		{"unknown key", &loginHub{user: "alice"}, 403, 3703, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := loginAt(t.Context(), t, c.hub, nil)
			var e *LoginError
			if !errors.As(err, &e) || e.Step != 1 || e.Status != c.status || e.Code != c.code || errors.Is(err, ErrAccessDenied) != c.denied {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
}

func TestLoginErrorsSayWhatCame(t *testing.T) {
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	// secondStep passes the first step and answers the second one.
	secondStep := func(status int, header, body string) http.HandlerFunc {
		hub := &loginHub{user: "alice", key: goldenKey(t).Public()}
		return func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("s") == "" {
				hub.ServeHTTP(w, r)
				return
			}
			answer(status, header, body)(w, r)
		}
	}
	const jsonType = "Content-Type: application/json"
	other, err := ParsePublicKey(goldenLogin(t).Other)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Encrypt([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	foreignBody, _ := json.Marshal(map[string][]byte{"challenge": foreign})
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		step    int
		want    string
		denied  bool
	}{
		{"login page", answer(200, "Content-Type: text/html", "<html>"), 1, "text/html: is this the login URL of a hub?", false},
		{"redirect", answer(302, "Location: https://evil.example/", ""), 1, `redirects to "https://evil.example/"`, false},
		{"proxy error", answer(502, "Content-Type: text/html", "<html>"), 1, "HTTP 502: Bad Gateway, it has 6 bytes of text/html", false},
		{"proxy denies", answer(403, "Content-Type: text/html", "<html>"), 1, "HTTP 403: Forbidden", true},
		{"unavailable", answer(503, jsonType, `{"error": 3702}`), 1, "HTTP 503, error 3702: no such user", false},
		{"unknown number", answer(500, jsonType, `{"error": 77}`), 1, "HTTP 500, error 77: Internal Server Error", false},
		{"no JSON", answer(200, jsonType, "oops"), 1, "no challenge", false},
		{"null", answer(200, jsonType, "null"), 1, "no challenge", false},
		{"challenge not base64", answer(200, jsonType, `{"challenge": "?"}`), 1, "no challenge", false},
		{"challenge of another type", answer(200, jsonType, `{"challenge": 5}`), 1, "no challenge", false},
		{"challenge for another key", answer(200, jsonType, string(foreignBody)), 1, "not for this key", false},
		{"endless", answer(200, jsonType, strings.Repeat(" ", 1<<20)), 1, "more than 65536 bytes", false},
		{"no cookie", secondStep(200, jsonType, "null"), 2, "no cookie", false},
		{"empty cookie", secondStep(200, "Set-Cookie: kid=", "null"), 2, "", false},
		{"wrong signature", secondStep(403, jsonType, `{"error": 3810}`), 2, "error 3810: signature does not verify", true},
		{"late", secondStep(403, jsonType, `{"error": 3808}`), 2, "challenge has expired", false},
		{"not found", secondStep(404, "Content-Type: text/plain", "no"), 2, "HTTP 404: Not Found", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			cookie, err := loginAt(t.Context(), t, c.handler, nil)
			var e *LoginError
			if !errors.As(err, &e) || e.Step != c.step || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrAccessDenied) != c.denied {
				t.Errorf("%s: error %v, want one of step %d with %q", c.name, err, c.step, c.want)
			}
			if !cookie.IsZero() {
				t.Errorf("%s: got a cookie", c.name)
			}
		})
	}
}

func TestLoginEndsWithItsContextAndItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.FormValue("u") // the server watches the connection only once the body is read
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := loginAt(ctx, t, silent, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		if _, err := loginAt(t.Context(), t, silent, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != DefaultLoginTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestLoginChecksItsConfiguration(t *testing.T) {
	for name, config := range map[string]LoginConfig{
		"user":   {URL: "http://hub/login", Username: "a b", Key: goldenKey(t)},
		"key":    {URL: "http://hub/login", Username: "alice"},
		"scheme": {URL: "ftp://hub/login", Username: "alice", Key: goldenKey(t)},
		"host":   {URL: "/login", Username: "alice", Key: goldenKey(t)},
	} {
		if _, err := Login(t.Context(), config); err == nil || errors.As(err, new(*LoginError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoginOverARealSocketWithACallersClient(t *testing.T) {
	server := httptest.NewServer(&loginHub{user: "alice", key: goldenKey(t).Public()})
	defer server.Close()
	cookie, err := Login(t.Context(), LoginConfig{URL: server.URL, Username: "alice", Key: goldenKey(t), Client: server.Client()})
	if err != nil || cookie.IsZero() {
		t.Errorf("%v, %v", cookie, err)
	}
	server.Client().CloseIdleConnections()
}

func FuzzLoginAnswer(f *testing.F) {
	for _, body := range []string{`{"challenge": "AAAA"}`, `{"error": 3702}`, "null", "", "<html>", `{"challenge": {}}`} {
		f.Add(200, "application/json", body, "kid=x")
	}
	key := goldenKey(f)
	f.Fuzz(func(t *testing.T, status int, contentType, body, cookie string) {
		if status < 200 || status > 999 {
			return
		}
		client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Set-Cookie", cookie)
			w.WriteHeader(status)
			w.WriteString(body)
			return w.Result(), nil
		})}
		_, err := Login(t.Context(), LoginConfig{URL: "http://hub/login", Username: "alice", Key: key, Client: client})
		// No fuzzer finds a challenge for the key.
		var e *LoginError
		if !errors.As(err, &e) || e.Error() == "" {
			t.Errorf("%v", err)
		}
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
