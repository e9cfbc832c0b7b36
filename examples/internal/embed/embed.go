package embed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
)

// limit is how long an example may take. It is there so that one which waits for something in vain says so.
const limit = time.Minute

// Hub is a hub in a directory that goes away with it, and the keys of its users.
type Hub struct {
	*hub.Hub
	keys map[string]*connection.Key
}

// Main runs an example with a hub that knows the given users, and ends the program when it returns: with status 1
// and the error on standard error when there is one. The context ends with an interrupt, and after a minute.
func Main(example func(context.Context, *Hub) error, users ...string) {
	if err := run(example, users); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(example func(context.Context, *Hub) error, users []string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	dir, err := os.MkdirTemp("", "komstream-example-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h, err := hub.Start(ctx, hub.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()

	keys, err := register(ctx, h, users)
	if err != nil {
		return err
	}
	return example(ctx, &Hub{h, keys})
}

// register makes the accounts and authorises a new key for each. Making a key takes seconds: all are made at once.
func register(ctx context.Context, h *hub.Hub, users []string) (map[string]*connection.Key, error) {
	made := make([]*connection.Key, len(users))
	faults := make([]error, len(users))
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() { made[i], faults[i] = connection.GenerateKey() })
	}
	all.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	keys := make(map[string]*connection.Key, len(users))
	for i, user := range users {
		if err := h.AddUser(ctx, user); err != nil {
			return nil, err
		}
		if _, err := h.AddAgent(ctx, user, made[i].Public()); err != nil {
			return nil, err
		}
		keys[user] = made[i]
	}
	return keys, nil
}

// Config returns what a session of the user needs to reach the hub. Set further fields before you open it.
func (h *Hub) Config(user string) komstream.Config {
	return komstream.Config{Hub: h.URL(), Dial: h.DialContext, Username: user, Key: h.keys[user]}
}
