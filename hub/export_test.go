package hub

import (
	"context"
	"time"

	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/store"
)

// CookieOf logs a user's only agent in without the arithmetic.
func (h *Hub) CookieOf(username string) (string, error) {
	agents, err := h.AgentsOf(username)
	if err != nil {
		return "", err
	}
	a, err := h.directory.mustAgent(agents[0].ID)
	if err != nil {
		return "", err
	}
	return h.directory.addCookie(context.Background(), a, time.Now().Add(time.Hour))
}

// Joined returns a configuration of a hub on a shared store and bus. The store's owner closes it.
func Joined(c Config, s store.Store, b bus.Bus) Config {
	c.MemoryStore, c.store, c.bus = true, unclosed{s}, b
	return c
}

type unclosed struct{ store.Store }

func (unclosed) Close() error { return nil }
