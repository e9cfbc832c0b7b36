package hub_test

import (
	"context"
	"fmt"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
)

// A hub with two users, one of whom lets the other read a part of her data model.
func Example() {
	ctx := context.Background()
	h, err := hub.Start(ctx, hub.Config{MemoryStore: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	for _, name := range []string{"alice", "bob"} {
		if err := h.AddUser(ctx, name); err != nil {
			fmt.Println(err)
		}
	}
	key := hubtest.Key(0) // connection.LoadOrCreateKey("key.priv") in a program
	if _, err := h.AddAgent(ctx, "alice", key.Public()); err != nil {
		fmt.Println(err)
	}
	if err := h.Share(ctx, "alice", "host1.cpu", "bob"); err != nil {
		fmt.Println(err)
	}
	_, received, err := h.Shares("bob")
	fmt.Println(received, err)
	// Output: [{alice bob host1.cpu}] <nil>
}
