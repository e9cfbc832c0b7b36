package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// AgentID names an authorised key of a user: 32 hex digits.
type AgentID string

// Agent is an authorised key of a user.
type Agent struct {
	ID     AgentID
	Key    connection.PublicKey
	Active bool // false while suspended
	Added  time.Time
}

// Errors of the accounts, wrapped with the name they are about.
var (
	// ErrNotFound is wrapped where a user, an agent, a share or a metric does not exist.
	ErrNotFound = errors.New("does not exist")
	// ErrExists is wrapped where a user, an agent or a share exists already.
	ErrExists = errors.New("exists already")
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime ends the program where there is no randomness
	return b
}

// AddUser makes an account. The name is kept in lower case. It fails with [ErrExists] for a taken name.
func (h *Hub) AddUser(ctx context.Context, name string) error {
	lower, err := metric.ParseUsername(name)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	d := h.directory
	d.changes.Lock()
	defer d.changes.Unlock()
	if d.user(lower) != nil {
		return fmt.Errorf("hub: user %s: %w", lower, ErrExists)
	}
	u := &user{id: d.lastID + 1, name: lower}
	err = d.store.Commit(ctx, &store.Batch{Records: []store.Record{
		record(store.TableUsers, userKey(u.id), userRecord{ID: u.id, Name: u.name}),
	}})
	if err != nil {
		return fmt.Errorf("hub: adding user %s: %w", lower, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.putUser(u)
	return nil
}

// Users returns the names of all accounts, sorted.
func (h *Hub) Users() []string {
	var names []string
	for _, u := range h.directory.allUsers() {
		names = append(names, u.name)
	}
	slices.Sort(names)
	return names
}

func (d *directory) mustUser(name string) (*user, error) {
	if u := d.user(name); u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("hub: user %q: %w", name, ErrNotFound)
}

// AddAgent authorises a key to act for a user, and returns its name. It fails with [ErrExists] for a key that the
// user has authorised already; different users may authorise one key.
func (h *Hub) AddAgent(ctx context.Context, username string, key connection.PublicKey) (AgentID, error) {
	if key.IsZero() {
		return "", errors.New("hub: agent: the key must not be the zero value")
	}
	d := h.directory
	u, err := d.mustUser(username)
	if err != nil {
		return "", err
	}
	d.changes.Lock()
	defer d.changes.Unlock()
	if d.agentByKey(u, key) != nil {
		return "", fmt.Errorf("hub: agent with key %s of user %s: %w", key.Fingerprint(), u.name, ErrExists)
	}
	a := &agent{id: AgentID(hex.EncodeToString(randomBytes(16))), user: u, key: key, added: h.config.now().UTC()}
	a.active.Store(true)
	if err := d.storeAgent(ctx, a, true); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agents[a.id], d.keys[keyOf(u, key)] = a, a
	return a.id, nil
}

func (d *directory) storeAgent(ctx context.Context, a *agent, active bool) error {
	err := d.store.Commit(ctx, &store.Batch{Records: []store.Record{
		record(store.TableAgents, string(a.id), agentRecord{a.user.id, a.key.String(), active, a.added}),
	}})
	if err != nil {
		return fmt.Errorf("hub: storing agent %s: %w", a.id, err)
	}
	return nil
}

func (d *directory) mustAgent(id AgentID) (*agent, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a := d.agents[id]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("hub: agent %q: %w", id, ErrNotFound)
}

// SuspendAgent denies an agent everything and closes its sockets. Its cookies stay for [Hub.ActivateAgent], and so do
// its hooks, as long as those of any session without a socket. When it returns, nothing more is handed to its sockets.
func (h *Hub) SuspendAgent(ctx context.Context, id AgentID) error { return h.setActive(ctx, id, false) }

// ActivateAgent ends a suspension.
func (h *Hub) ActivateAgent(ctx context.Context, id AgentID) error { return h.setActive(ctx, id, true) }

func (h *Hub) setActive(ctx context.Context, id AgentID, active bool) error {
	d := h.directory
	d.changes.Lock()
	defer d.changes.Unlock()
	a, err := d.mustAgent(id)
	if err != nil {
		return err
	}
	if err := d.storeAgent(ctx, a, active); err != nil {
		return err
	}
	a.active.Store(active)
	d.version.Add(1)
	if !active {
		h.closeSockets(func(s *session) bool { return s.agent == a })
	}
	return nil
}

// RemoveAgent takes the authorisation from a key for good, with its cookies, sessions and hooks, and closes its
// sockets.
func (h *Hub) RemoveAgent(ctx context.Context, id AgentID) error {
	d := h.directory
	d.changes.Lock()
	defer d.changes.Unlock()
	a, err := d.mustAgent(id)
	if err != nil {
		return err
	}
	err = d.store.Commit(ctx, &store.Batch{Records: []store.Record{{Table: store.TableAgents, Key: string(id)}}})
	if err != nil {
		return fmt.Errorf("hub: removing agent %s: %w", id, err)
	}
	a.removed.Store(true)
	d.version.Add(1)
	d.mu.Lock()
	delete(d.agents, id)
	delete(d.keys, keyOf(a.user, a.key))
	d.mu.Unlock()
	h.closeSockets(func(s *session) bool { return s.agent == a })
	h.dropSessions(func(s *session) bool { return s.agent == a })
	return d.sweepCookies(ctx, h.config.now())
}

// AgentsOf returns the authorised keys of a user, the oldest first.
func (h *Hub) AgentsOf(username string) ([]Agent, error) {
	d := h.directory
	u, err := d.mustUser(username)
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []Agent
	for _, a := range d.agents {
		if a.user == u {
			all = append(all, Agent{a.id, a.key, a.active.Load(), a.added})
		}
	}
	slices.SortFunc(all, func(a, b Agent) int {
		return cmp.Or(a.Added.Compare(b.Added), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}
