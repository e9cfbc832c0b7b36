package hub

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// directory is who there is and who may read what. It is all in memory; the store has it too. Changes are made by
// one caller at a time, stored first, and then shown.
type directory struct {
	store   store.Store
	changes sync.Mutex // held over a change: store, then memory

	// version counts the withdrawals of rights. A verdict is good for as long as the version it was made under.
	version atomic.Uint64

	mu      sync.RWMutex
	users   map[string]*user // by name, lower case
	byID    map[uint64]*user
	agents  map[AgentID]*agent
	keys    map[string]*agent // by user name, blank, key text
	shares  map[shareKey]map[metric.URI]bool
	cookies map[cookieHash]*cookie
	lastID  uint64
}

// user is an account. Users are never removed, so that a pointer says who somebody is.
type user struct {
	id       uint64
	name     string
	model    *model
	settings atomic.Pointer[settings] // nil for none
	heard    bool                     // what other hubs store is subscribed
}

// agent is a key that may act for a user.
type agent struct {
	id      AgentID
	user    *user
	key     connection.PublicKey
	added   time.Time
	active  atomic.Bool
	removed atomic.Bool
	revoked atomic.Uint64 // how often its logins were ended
}

func (a *agent) mayAct() bool { return a.active.Load() && !a.removed.Load() }

type shareKey struct{ owner, to uint64 }

// cookieHash is the SHA-256 of a cookie's value: what a thief of the store finds opens no socket.
type cookieHash [sha256.Size]byte

// cookie is a login. The session that it opens has its own id, so that it outlives reconnects and restarts.
type cookie struct {
	agent   *agent
	session string
	expires time.Time
}

// The records of the directory, as JSON: a missing field reads as its zero value, an unknown one is ignored, so that
// fields can be added.
type (
	userRecord struct {
		ID   uint64 `json:"id"`
		Name string `json:"name"`
		settings
	}
	agentRecord struct {
		User   uint64    `json:"user"`
		Key    string    `json:"key"`
		Active bool      `json:"active"`
		Added  time.Time `json:"added"`
	}
	shareRecord struct {
		Owner uint64     `json:"owner"`
		To    uint64     `json:"to"`
		URI   metric.URI `json:"uri"`
	}
	cookieRecord struct {
		Agent   AgentID   `json:"agent"`
		Session string    `json:"session"`
		Expires time.Time `json:"expires"`
	}
)

func openDirectory(ctx context.Context, s store.Store, now time.Time) (*directory, error) {
	d := &directory{
		store: s, users: map[string]*user{}, byID: map[uint64]*user{}, agents: map[AgentID]*agent{},
		keys: map[string]*agent{}, shares: map[shareKey]map[metric.URI]bool{}, cookies: map[cookieHash]*cookie{},
	}
	d.version.Store(1)
	for _, table := range []struct {
		table store.Table
		load  func(key string, value []byte) error
	}{
		{store.TableUsers, d.loadUser}, {store.TableAgents, d.loadAgent}, {store.TableShares, d.loadShare},
		{store.TableCookies, func(key string, value []byte) error { return d.loadCookie(key, value, now) }},
	} {
		err := s.Records(ctx, table.table, func(key, value []byte) error {
			if err := table.load(string(key), value); err != nil {
				return fmt.Errorf("hub: record %q of table %d: %w", key, table.table, err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *directory) loadUser(_ string, value []byte) error {
	var r userRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	u := &user{id: r.ID, name: r.Name}
	u.settings.Store(&r.settings)
	d.putUser(u)
	return nil
}

func (d *directory) putUser(u *user) {
	u.model = newModel(u)
	d.users[u.name], d.byID[u.id] = u, u
	d.lastID = max(d.lastID, u.id)
}

func (d *directory) loadAgent(key string, value []byte) error {
	var r agentRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	public, err := connection.ParsePublicKey(r.Key)
	if err != nil {
		return err
	}
	u := d.byID[r.User]
	if u == nil {
		return fmt.Errorf("user %d does not exist", r.User)
	}
	a := &agent{id: AgentID(key), user: u, key: public, added: r.Added}
	a.active.Store(r.Active)
	d.agents[a.id], d.keys[keyOf(u, public)] = a, a
	return nil
}

func (d *directory) loadShare(_ string, value []byte) error {
	var r shareRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	d.putShare(shareKey{r.Owner, r.To}, r.URI)
	return nil
}

func (d *directory) putShare(k shareKey, uri metric.URI) {
	if d.shares[k] == nil {
		d.shares[k] = map[metric.URI]bool{}
	}
	d.shares[k][uri] = true
}

func (d *directory) loadCookie(key string, value []byte, now time.Time) error {
	var r cookieRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	a := d.agents[r.Agent]
	if a == nil || len(key) != sha256.Size || now.After(r.Expires) {
		return nil // removed with the next sweep
	}
	d.cookies[cookieHash([]byte(key))] = &cookie{agent: a, session: r.Session, expires: r.Expires}
	return nil
}

// keyOf is how an agent is found by what it shows at login. Parsed keys are compared, by their canonical text.
func keyOf(u *user, key connection.PublicKey) string { return u.name + " " + key.String() }

func record(table store.Table, key string, value any) store.Record {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // our own record types always encode
	}
	return store.Record{Table: table, Key: key, Value: text}
}

func userKey(id uint64) string { return string(binary.BigEndian.AppendUint64(nil, id)) }

func shareRecordKey(k shareKey, uri metric.URI) string {
	return userKey(k.owner) + userKey(k.to) + string(uri)
}

// user returns the account of that name in any case, or nil.
func (d *directory) user(name string) *user {
	lower, err := metric.ParseUsername(name)
	if err != nil {
		return nil
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.users[lower]
}

// userByID returns the account with that number, or nil.
func (d *directory) userByID(id uint64) *user {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byID[id]
}

// allUsers returns the accounts in no order.
func (d *directory) allUsers() []*user {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]*user, 0, len(d.users))
	for _, u := range d.users {
		all = append(all, u)
	}
	return all
}

// agentByKey returns the agent of a user with that key, removed ones not, or nil.
func (d *directory) agentByKey(u *user, key connection.PublicKey) *agent {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.keys[keyOf(u, key)]
}

// authorize decides whether a user's agent may read a uri of an owner, given local to the owner and whether or not
// there is such a metric. It is the only place that decides. A nil agent stands for the user in the Go API.
func (d *directory) authorize(reader *user, a *agent, owner *user, uri metric.URI) bool {
	if a != nil && (a.user != reader || !a.mayAct()) {
		return false
	}
	if reader == owner {
		return true
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	granted := d.shares[shareKey{owner.id, reader.id}]
	if len(granted) == 0 {
		return false
	}
	for more := true; more; uri, more = uri.Parent() {
		if granted[uri] {
			return true
		}
	}
	return false
}

// cookieOf returns the live login of a cookie's value, or nil.
func (d *directory) cookieOf(value string, now time.Time) *cookie {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c := d.cookies[sha256.Sum256([]byte(value))]
	if c == nil || now.After(c.expires) || !c.agent.mayAct() {
		return nil
	}
	return c
}

// addCookie stores a new login and returns the value of its cookie.
func (d *directory) addCookie(ctx context.Context, a *agent, expires time.Time) (string, error) {
	revoked := a.revoked.Load()
	value := hex.EncodeToString(randomBytes(32))
	c := &cookie{agent: a, session: hex.EncodeToString(randomBytes(16)), expires: expires}
	hash := cookieHash(sha256.Sum256([]byte(value)))
	// No lock over the commit: logins are many and independent, and their syncs are shared.
	err := d.store.Commit(ctx, &store.Batch{Records: []store.Record{
		record(store.TableCookies, string(hash[:]), cookieRecord{a.id, c.session, expires}),
	}})
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.revoked.Load() != revoked {
		// The record, where it was stored too late to be deleted, is worth nothing: nobody has the value.
		return "", errRevoked
	}
	d.cookies[hash] = c
	return value, nil
}

// errRevoked is a login that was ended while it was being made.
var errRevoked = errors.New("hub: the agent's logins were revoked meanwhile")

// sweepCookies forgets the logins that have expired or whose agent is gone.
func (d *directory) sweepCookies(ctx context.Context, now time.Time) error {
	var b store.Batch
	err := d.store.Records(ctx, store.TableCookies, func(key, value []byte) error {
		var r cookieRecord
		if err := json.Unmarshal(value, &r); err != nil {
			return err
		}
		d.mu.RLock()
		a := d.agents[r.Agent]
		d.mu.RUnlock()
		if a == nil || now.After(r.Expires) {
			b.Delete(store.TableCookies, string(key))
		}
		return nil
	})
	if err != nil || b.Empty() {
		return err
	}
	if err := d.store.Commit(ctx, &b); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range b.Records {
		delete(d.cookies, cookieHash([]byte(r.Key)))
	}
	return nil
}
