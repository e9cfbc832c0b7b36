package hubtest_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/komstream/komstream/hub/hubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestUserIsMadeOnce(t *testing.T) {
	h := hubtest.New(t)
	alice := h.User("alice")
	if h.User("alice") != alice || h.User("bob") == alice {
		t.Error("a user has one key, and the first few users different ones")
	}
	agents, err := h.AgentsOf("alice")
	if err != nil || len(agents) != 1 || !agents[0].Key.Equal(alice.Public()) {
		t.Errorf("agents %v, %v", agents, err)
	}
	if hubtest.Key(0) != hubtest.Key(3) {
		t.Error("there are three keys")
	}
	c, err := h.Dial(context.Background(), "tcp", "anywhere")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
