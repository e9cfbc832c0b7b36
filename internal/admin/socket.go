package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/komstream/komstream/hub"
)

const (
	socketName = "admin.sock"
	// maxSocketPath is what every unix has room for in the address of a socket.
	maxSocketPath = 103
	maxRequest    = 64 << 10
	// socketTimeout bounds reading a request and writing its answer.
	socketTimeout = 30 * time.Second
)

// SocketPath returns where the socket of a data directory is.
func SocketPath(dir string) string { return filepath.Join(dir, socketName) }

// Server offers a hub's accounts on the socket of its data directory. Make it with [Serve].
type Server struct {
	server *http.Server
	done   chan struct{}
}

// Serve starts to offer the accounts of h, which must be the hub that serves dir: a socket that an earlier process left
// behind is replaced. The socket has mode 0600. The error says so when the path of dir is too long for one.
func Serve(h *hub.Hub, dir string) (*Server, error) {
	path := SocketPath(dir)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("admin: socket path %s of %d bytes must have at most %d: use a shorter data directory",
			path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("admin: old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin: socket: %w", err)
	}
	// The directory is the owner's alone, so nobody gets in before this.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin: socket: %w", err), l.Close())
	}
	s := &Server{
		server: &http.Server{
			Handler:           handler(h),
			ReadHeaderTimeout: socketTimeout, ReadTimeout: socketTimeout, WriteTimeout: socketTimeout,
		},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(l) // it ends by Close only
	}()
	return s, nil
}

// Close ends the service, waits for requests in progress, and removes the socket. Close it before the hub.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), socketTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	<-s.done
	return err
}

func handler(h *hub.Hub) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var request Request
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&request)
		var reply Reply
		if err == nil {
			// The request is read, and answering it takes as long as it takes: who asks owns the hub.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // not to be had, it is as before
			reply, err = execute(r.Context(), h, request)
		}
		if err != nil {
			reply = Reply{Error: err.Error()}
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_ = json.NewEncoder(w).Encode(reply) // whoever asked has gone
	})
	mux.Handle("GET /", h.Ops())
	mux.Handle("GET /debug/pprof/", h.Profiles())
	return mux
}

// Accounts are the accounts of one data directory. Make it with [Open]; one goroutine at a time may use it.
type Accounts struct {
	client *http.Client // of the socket; nil where hub is set
	hub    *hub.Hub
}

// Open returns the accounts of a data directory: through the hub that serves it, or, where none does, by opening it,
// which makes it where there is none. Close it soon: a hub cannot start meanwhile.
func Open(ctx context.Context, dir string) (*Accounts, error) {
	path := SocketPath(dir)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	if len(path) <= maxSocketPath {
		if conn, err := dial(ctx, "", ""); err == nil {
			_ = conn.Close() // it was only to see whether somebody answers
			return &Accounts{client: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
		}
	}
	h, err := hub.Start(ctx, hub.Config{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("admin: no hub answers on %s, and the directory cannot be opened: %w", path, err)
	}
	return &Accounts{hub: h}, nil
}

// Running reports whether a hub serves the directory.
func (a *Accounts) Running() bool { return a.client != nil }

// Do executes one request. The error is what the hub says, in its words.
func (a *Accounts) Do(ctx context.Context, r Request) (Reply, error) {
	if a.hub != nil {
		return execute(ctx, a.hub, r)
	}
	body, err := json.Marshal(r)
	if err != nil {
		return Reply{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hub/", bytes.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return Reply{}, fmt.Errorf("admin: hub does not answer: %w", err)
	}
	defer response.Body.Close()
	var reply Reply
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		return Reply{}, fmt.Errorf("admin: answer of the hub, HTTP %s: %w", response.Status, err)
	}
	if reply.Error != "" {
		return Reply{}, errors.New(reply.Error)
	}
	return reply, nil
}

// Close gives the directory or the connection back.
func (a *Accounts) Close() error {
	if a.hub != nil {
		return a.hub.Close()
	}
	a.client.CloseIdleConnections()
	return nil
}
