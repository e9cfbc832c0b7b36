package connection

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/pipe"
)

func TestDialErrorsSayWhatCame(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
		denied  bool
	}{
		{"page", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) }, `"200 OK" is no websocket handshake`, false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, `redirects to "https://evil.example/"`, false},
		{"forbidden", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, "403 Forbidden", true},
		{"bad gateway", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }, "502 Bad Gateway", false},
		{"cut", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "no connection", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := pipe.Listen("hub")
			server := &http.Server{Handler: c.handler}
			go server.Serve(l)
			defer server.Close()
			_, err := Dial(t.Context(), DialConfig{URL: "ws://hub/", Cookie: NewCookie("very-secret"), Dial: l.DialContext})
			var e *DialError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrAccessDenied) != c.denied {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			if strings.Contains(err.Error(), "very-secret") {
				t.Errorf("%s: the cookie is in %v", c.name, err)
			}
		})
	}
}

func TestDialEndsWithItsContextAndItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipe.Listen("hub") // accepts and says nothing
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
			}
		}()
		defer l.Close()
		config := DialConfig{URL: "ws://hub/", Dial: l.DialContext}
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		start := time.Now()
		if _, err := Dial(ctx, config); !errors.Is(err, stopped) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		if _, err := Dial(t.Context(), config); !strings.Contains(err.Error(), "in time") || time.Since(start) != DefaultHandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := Dial(ctx, config); err == nil {
			t.Error("dialled with an ended context")
		}
	})
}

func TestDialChecksItsURL(t *testing.T) {
	for _, url := range []string{"", "hub", "ftp://hub/", "ws://user:pass@hub/", "ws:///path", "://"} {
		if _, err := Dial(t.Context(), DialConfig{URL: url}); err == nil || errors.As(err, new(*DialError)) || !strings.Contains(err.Error(), "agent URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for from, want := range map[string]string{
		"http://hub/a": "ws://hub/a", "https://hub": "wss://hub", "ws://hub:8080/": "ws://hub:8080/", "wss://hub/?x=1#y": "wss://hub/?x=1",
	} {
		if got, err := websocketURL(from); err != nil || got != want {
			t.Errorf("%s became %s, %v; want %s", from, got, err, want)
		}
	}
}

func TestDialOverRealSocketsWithTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		closeWith(4403, "Access denied")(ws)
		ws.ReadMessage()
		ws.Close()
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport)
	c, err := Dial(t.Context(), DialConfig{URL: server.URL, TLS: transport.TLSClientConfig})
	if err != nil {
		t.Fatal(err)
	}
	if c.Features().String() != "" {
		t.Errorf("features %v of an original hub", c.Features())
	}
	if err := c.Run(t.Context(), new(events)); !errors.Is(err, ErrAccessDenied) {
		t.Error(err)
	}
	if _, err := Dial(t.Context(), DialConfig{URL: server.URL}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown certificate: %v", err)
	}
}
