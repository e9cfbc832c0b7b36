package komstream_test

import (
	"context"
	"log"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
)

// noon is when the samples of the examples begin, so that they print the same every time.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// startHub starts a hub in this process that keeps everything in memory and knows one user. The key is one of the
// tests': a program makes its own with connection.LoadOrCreateKey.
func startHub(username string) (*hub.Hub, *connection.Key) {
	h, err := hub.Start(context.Background(), hub.Config{MemoryStore: true})
	if err != nil {
		log.Fatal(err)
	}
	return h, addUser(h, username)
}

// addUser makes an account with an authorised agent.
func addUser(h *hub.Hub, username string) *connection.Key {
	key := hubtest.Key(0)
	if err := h.AddUser(context.Background(), username); err != nil {
		log.Fatal(err)
	}
	if _, err := h.AddAgent(context.Background(), username, key.Public()); err != nil {
		log.Fatal(err)
	}
	return key
}

// openSession opens a session without impulses with a hub of its own. end closes both.
func openSession() (session *komstream.Session, end func()) {
	h, key := startHub("alice")
	session, err := komstream.Open(context.Background(), komstream.Config{Dial: h.DialContext, Username: "alice", Key: key})
	if err != nil {
		log.Fatal(err)
	}
	return session, func() {
		if err := session.Close(); err != nil {
			log.Fatal(err)
		}
		if err := h.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
