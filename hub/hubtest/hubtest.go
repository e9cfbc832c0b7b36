package hubtest

import (
	"context"
	"embed"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
)

// Hub is a running hub of a test.
type Hub struct {
	*hub.Hub
	t testing.TB

	mu   sync.Mutex
	keys map[string]*connection.Key
}

// New starts a hub whose data dies with the test. It listens on no port: use [Hub.Dial].
func New(t testing.TB) *Hub {
	t.Helper()
	return Start(t, hub.Config{Dir: t.TempDir()})
}

// Start starts a hub with the given configuration, and closes it when the test ends.
func Start(t testing.TB, c hub.Config) *Hub {
	t.Helper()
	h, err := hub.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Hub{Hub: h, t: t, keys: map[string]*connection.Key{}}
}

// User makes an account, on the first call for a name, and returns a key that may act for it.
func (h *Hub) User(name string) *connection.Key {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.keys[name]; k != nil {
		return k
	}
	k := Key(len(h.keys))
	ctx := context.Background()
	if err := h.AddUser(ctx, name); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.AddAgent(ctx, name, k.Public()); err != nil {
		h.t.Fatal(err)
	}
	h.keys[name] = k
	return k
}

// Dial connects to the hub in memory, as the Dial function of a session.
func (h *Hub) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return h.DialContext(ctx, network, address)
}

//go:embed testdata/key*.pem
var keyFiles embed.FS

// keyCount is the number of files key0.pem, key1.pem and so on.
const keyCount = 3

// Key returns one of a few keys that are known to everybody, so that tests need not wait for new ones. The same n
// gives the same key, and not every n another. Never authorise one outside a test.
func Key(n int) *connection.Key { return keys()[n%keyCount] }

var keys = sync.OnceValue(func() (all [keyCount]*connection.Key) {
	for i := range all {
		text, err := keyFiles.ReadFile(fmt.Sprintf("testdata/key%d.pem", i))
		if err == nil {
			all[i], err = connection.ParseKey(text)
		}
		if err != nil {
			panic(fmt.Sprintf("hubtest: embedded key %d: %v", i, err)) // the files are part of the package
		}
	}
	return all
})
