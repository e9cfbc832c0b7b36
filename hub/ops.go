package hub

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ops serves what operators and their machines ask: /healthz says that the process lives, /readyz whether it accepts
// agents and writes (503 with the reason where not), /metrics the figures in Prometheus' format. It tells nothing of
// users or metrics by name, but is meant for an address of its own: the hub itself never serves it on Config.Listen.
func (h *Hub) Ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.registry(), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}

// Ready returns nil while the hub accepts agents and their writes, and otherwise why not.
func (h *Hub) Ready() error {
	h.mu.Lock()
	closing := h.closing
	h.mu.Unlock()
	if closing {
		return errors.New("hub: closing")
	}
	return h.store.Ready()
}

// Profiles serves the process's profiles below /debug/pprof/. They tell of memory and code: serve them to the
// administrator only.
func (h *Hub) Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
