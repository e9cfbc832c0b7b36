package hub

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/wire"
)

// writeBuffers are shared by all sockets: one is taken for a frame only, so that a quiet socket costs none.
var writeBuffers sync.Pool

func (h *Hub) upgrader() *websocket.Upgrader {
	return &websocket.Upgrader{
		ReadBufferSize:  0, // the HTTP server's
		WriteBufferSize: 4096,
		WriteBufferPool: &writeBuffers,
		CheckOrigin:     h.originAllowed,
		// Compression is never negotiated: it would let strangers make the hub inflate.
		EnableCompression: false,
	}
}

// socket serves an agent's websocket. The handshake is completed whoever asks, since agents look for the close code.
func (h *Hub) socket(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && r.URL.Path != "" {
		http.NotFound(w, r)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is where agents connect by websocket", http.StatusUpgradeRequired)
		return
	}
	if !h.enter() {
		http.Error(w, "the hub is closing", http.StatusServiceUnavailable)
		return
	}
	served := false
	defer func() {
		if !served {
			h.leave()
		}
	}()
	features := wire.ParseFeatures(r.Header.Get(wire.FeaturesHeader))
	ws, err := h.upgrade.Upgrade(w, r, http.Header{wire.FeaturesHeader: {h.features.String()}})
	if err != nil {
		return // Upgrade has answered
	}
	var login *cookie
	if sent, err := r.Cookie(cookieName); err == nil {
		login = h.directory.cookieOf(sent.Value, h.config.now())
	}
	if login == nil {
		// No frame of a stranger is parsed.
		sayClose(ws, closeDenied, "Access denied")
		linger(ws.NetConn())
		_ = ws.Close()
		return
	}
	c := h.newConn(ws, features)
	if !h.attach(login, c) {
		sayClose(ws, closeGoingAway, "")
		_ = ws.Close()
		return
	}
	served = true
	// In a goroutine of its own, so that the HTTP server's buffers and deep stack go.
	go func() {
		defer h.leave()
		defer h.detach(c)
		c.serve()
	}()
}

// originAllowed accepts agents, which send no Origin, and pages of the hub's own origin. A page of another site could
// otherwise use the cookie of whoever looks at it.
func (h *Hub) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if public := h.clients.public; public != nil {
		return u.Scheme == public.Scheme && strings.EqualFold(u.Host, public.Host)
	}
	scheme := "http"
	if h.clients.secure(r) {
		scheme = "https"
	}
	return u.Scheme == scheme && strings.EqualFold(u.Host, r.Host)
}
