package hub

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/komstream/komstream/hub/store"
)

// RevokeSessions ends every login of a user, or of one agent of the user's where id is not "": the cookies are good
// for nothing any more, the sockets are closed with 4403, and the hooks are gone. Agents log in afresh by themselves.
// It returns how many logins there were. When it returns nil, nothing more is handed to those sockets.
func (h *Hub) RevokeSessions(ctx context.Context, username string, id AgentID) (int, error) {
	d := h.directory
	u, err := d.mustUser(username)
	if err != nil {
		return 0, err
	}
	if id != "" {
		a, err := d.mustAgent(id)
		if err != nil {
			return 0, err
		}
		if a.user != u {
			return 0, fmt.Errorf("hub: agent %q of user %s: %w", id, u.name, ErrNotFound)
		}
	}
	d.changes.Lock()
	defer d.changes.Unlock()
	// Logins being made do not end in a cookie from now on, and what they have stored is found below.
	d.mu.RLock()
	for _, a := range d.agents {
		if a.user == u && (id == "" || a.id == id) {
			a.revoked.Add(1)
		}
	}
	d.mu.RUnlock()
	hashes, sessions, err := d.loginsOf(ctx, u, id)
	if err != nil || len(hashes) == 0 {
		return 0, err
	}
	var b store.Batch
	for hash := range hashes {
		b.Delete(store.TableCookies, string(hash[:]))
	}
	if err := d.store.Commit(ctx, &b); err != nil {
		return 0, fmt.Errorf("hub: revoking logins of user %s: %w", u.name, err)
	}
	d.mu.Lock()
	for hash := range hashes {
		delete(d.cookies, hash)
	}
	d.mu.Unlock()
	revoked := func(s *session) bool { return sessions[s.id] }
	h.closeSockets(revoked)
	h.dropSessions(revoked)
	return len(hashes), nil
}

// loginsOf returns the cookies and sessions of a user's agents, or of one of them.
func (d *directory) loginsOf(ctx context.Context, u *user, id AgentID) (map[cookieHash]bool, map[string]bool, error) {
	hashes, sessions := map[cookieHash]bool{}, map[string]bool{}
	err := d.store.Records(ctx, store.TableCookies, func(key, value []byte) error {
		var r cookieRecord
		if err := json.Unmarshal(value, &r); err != nil {
			return err
		}
		d.mu.RLock()
		a := d.agents[r.Agent]
		d.mu.RUnlock()
		if a != nil && a.user == u && (id == "" || a.id == id) && len(key) == len(cookieHash{}) {
			hashes[cookieHash(key)], sessions[r.Session] = true, true
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("hub: logins of user %s: %w", u.name, err)
	}
	return hashes, sessions, nil
}
