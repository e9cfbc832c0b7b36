package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/hub/store/pebblestore"
	"github.com/komstream/komstream/internal/pipe"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// ErrClosed is returned by calls on a hub that was closed.
var ErrClosed = errors.New("hub: closed")

// Hub is a running hub. Make it with [Start]; its methods are safe for concurrent use.
type Hub struct {
	config     Config
	log        *zap.Logger
	store      store.Store
	directory  *directory
	challenges *challenges
	rsa        chan struct{} // one token a computation
	hashes     chan struct{} // one token a password
	limits     *guesses
	seqs       *wire.SeqSource
	series     atomic.Uint64 // given out last
	reading    *budget
	upgrade    *websocket.Upgrader
	features   wire.Features // what this hub has of our additions
	bus        bus.Bus
	clients    clients
	certified  certified

	handler   http.Handler
	server    *http.Server
	memory    *pipe.Listener
	listeners []net.Listener

	committers []*committer
	committing sync.WaitGroup
	serving    sync.WaitGroup // HTTP servers and chores
	sockets    sync.WaitGroup
	writers    sync.WaitGroup
	retaining  sync.Mutex
	house      chan struct{} // has the housekeeping done at once
	stop       chan struct{} // closed when shutdown begins
	stopped    chan struct{} // closed when it has ended
	closeOnce  sync.Once
	closeErr   error

	stats    counters
	measured *measured

	mu       sync.Mutex
	sessions map[string]*session
	conns    map[*conn]bool
	closing  bool
}

// Start starts a hub. The context bounds the start only; [Hub.Shutdown] or [Hub.Close] end the hub.
func Start(ctx context.Context, c Config) (*Hub, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Hub{
		config: c, log: c.Logger, challenges: newChallenges(c.LoginRate, c.UserLoginRate), rsa: make(chan struct{}, rsaAtOnce()),
		hashes: make(chan struct{}, hashesAtOnce), limits: newGuesses(), measured: newMeasured(),
		features: wire.OwnFeatures(),
		seqs:     wire.NewSeqSource(nil), reading: newBudget(readBudget), memory: pipe.Listen("hub"),
		house: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		sessions: map[string]*session{}, conns: map[*conn]bool{},
	}
	if h.bus = c.bus; h.bus == nil {
		h.bus = new(bus.Direct).Join() // alone
	}
	h.upgrade = h.upgrader()
	if h.clients, err = newClients(c); err != nil {
		return nil, err
	}
	if h.certified, err = newCertified(c); err != nil {
		return nil, err
	}
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	if err := h.listen(ctx); err != nil {
		return nil, errors.Join(err, h.store.Close())
	}
	h.run()
	return h, nil
}

// open opens the store and reads what is kept in memory.
func (h *Hub) open(ctx context.Context) (err error) {
	switch {
	case h.config.store != nil:
		h.store = h.config.store
	case h.config.MemoryStore:
		h.store = memstore.New()
	default:
		h.store, err = pebblestore.Open(pebblestore.Config{Dir: h.config.Dir, Logger: h.log})
		if err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	if err = h.load(ctx); err != nil {
		return errors.Join(err, h.store.Close())
	}
	return nil
}

func (h *Hub) load(ctx context.Context) (err error) {
	now := h.config.now()
	if h.directory, err = openDirectory(ctx, h.store, now); err != nil {
		return err
	}
	for _, c := range h.directory.cookies {
		if h.sessions[c.session] == nil {
			h.sessions[c.session] = newSession(c.session, c.agent, now)
		}
	}
	series, err := h.loadModels(ctx)
	if err != nil {
		return err
	}
	h.series.Store(series)
	return h.loadHooks(ctx)
}

// listen opens the ports.
func (h *Hub) listen(ctx context.Context) error {
	var config net.ListenConfig
	for i, address := range slices.Concat(h.config.Listen, h.config.ListenTLS) {
		l, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			for _, open := range h.listeners {
				_ = open.Close()
			}
			return fmt.Errorf("hub: listen: %w", err)
		}
		ours := listener{Listener: l}
		if i >= len(h.config.Listen) {
			ours.tls = h.certified.config
		}
		h.listeners = append(h.listeners, ours)
	}
	return nil
}

// run starts the goroutines.
func (h *Hub) run() {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", h.login)
	mux.HandleFunc("/login/{$}", h.login)
	mux.HandleFunc("/", h.socket)
	h.handler = mux
	h.server = &http.Server{
		Handler:           h.certified.challenges(mux),
		ConnContext:       connContext,
		ReadHeaderTimeout: h.config.HandshakeTimeout,
		ReadTimeout:       2 * h.config.HandshakeTimeout,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(h.log.Named("http")),
	}
	for range min(4, runtime.GOMAXPROCS(0)) {
		c := newCommitter(h)
		h.committers = append(h.committers, c)
		h.committing.Go(c.run)
	}
	for _, l := range append([]net.Listener{listener{Listener: h.memory}}, h.listeners...) {
		h.serving.Go(func() { _ = h.server.Serve(l) })
	}
	h.serving.Go(h.chores)
	h.serving.Go(h.housekeeping)
}

// committerOf returns the committer of an owner's data model.
func (h *Hub) committerOf(owner *user) *committer {
	return h.committers[owner.id%uint64(len(h.committers))]
}

// Agents serves login and websocket, for a server of the caller's. Shut that server down before the hub.
func (h *Hub) Agents() http.Handler { return h.handler }

// DialContext connects an agent of the same process, in memory; network and address are ignored. The connection
// buffers 64 KiB each way and ends with the hub.
func (h *Hub) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return h.memory.DialContext(ctx, network, address)
}

// Addrs returns the addresses that the hub listens on: those of Config.Listen and then those of Config.ListenTLS.
func (h *Hub) Addrs() []net.Addr {
	all := make([]net.Addr, len(h.listeners))
	for i, l := range h.listeners {
		all[i] = l.Addr()
	}
	return all
}

// Addr returns the first of [Hub.Addrs], or nil.
func (h *Hub) Addr() net.Addr {
	if len(h.listeners) == 0 {
		return nil
	}
	return h.listeners[0].Addr()
}

// URL returns where agents find the hub: Config.PublicURL, or the first address it listens on, or a name that only
// [Hub.DialContext] can resolve.
func (h *Hub) URL() string {
	switch {
	case h.clients.public != nil:
		return h.config.PublicURL
	case len(h.config.Listen) > 0:
		return "http://" + h.listeners[0].Addr().String()
	case len(h.listeners) > 0:
		return "https://" + h.listeners[0].Addr().String()
	}
	return "http://hub"
}

// Delete removes a metric of a user with all its samples; its hooks become pending. It is how a metric's type is
// changed. It fails with [ErrNotFound] where there is no such metric.
func (h *Hub) Delete(ctx context.Context, username string, uri metric.URI) error {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return err
	}
	if err := uri.Check(); err != nil {
		return fmt.Errorf("hub: delete: %w", err)
	}
	local, own := ownURI(uri, u)
	if !own {
		return fmt.Errorf("hub: delete %s: must be a uri of the user %s", uri, u.name)
	}
	return h.do(ctx, u, func(g *group) error {
		if !g.delete(u.model, local, 0) {
			return fmt.Errorf("hub: metric %s of user %s: %w", local, u.name, ErrNotFound)
		}
		return nil
	})
}

// List returns a user's metrics at prefix and below it, sorted by uri; all for "".
func (h *Hub) List(username string, prefix metric.URI) ([]metric.Metric, error) {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return nil, err
	}
	all := u.model.list(prefix)
	if err := h.committerOf(u).barrier(); err != nil {
		return nil, fmt.Errorf("hub: list: %w", err)
	}
	return all, nil
}
