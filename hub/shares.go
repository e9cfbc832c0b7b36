package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// Share is a grant: To may read URI of Owner and everything below it, existing or not.
type Share struct {
	Owner, To string
	URI       metric.URI // local to the owner
}

// Share lets a user read a uri of owner, given local to the owner or with the owner's name, and all below it. It
// fails with [ErrExists] where the very same share exists; one that a wider share covers is made all the same.
func (h *Hub) Share(ctx context.Context, owner string, uri metric.URI, to string) error {
	d := h.directory
	d.changes.Lock()
	defer d.changes.Unlock()
	k, local, err := d.shareOf(owner, uri, to)
	if err != nil {
		return err
	}
	if d.shared(k, local) {
		return fmt.Errorf("hub: share of %s:%s with %s: %w", owner, local, to, ErrExists)
	}
	err = d.store.Commit(ctx, &store.Batch{Records: []store.Record{
		record(store.TableShares, shareRecordKey(k, local), shareRecord{k.owner, k.to, local}),
	}})
	if err != nil {
		return fmt.Errorf("hub: storing a share: %w", err)
	}
	d.mu.Lock()
	d.putShare(k, local)
	d.mu.Unlock()
	d.version.Add(1) // a cached "no" must end too
	return nil
}

// Unshare withdraws a share. When it returns nil, nothing that only this share allowed is handed to a socket any
// more: queued notifications are dropped, and a socket that is still writing one after a second is closed. The
// hooks stay and are silent; sharing again revives them. It fails with [ErrNotFound] where there is no such share.
func (h *Hub) Unshare(ctx context.Context, owner string, uri metric.URI, to string) error {
	d := h.directory
	d.changes.Lock()
	defer d.changes.Unlock()
	k, local, err := d.shareOf(owner, uri, to)
	if err != nil {
		return err
	}
	if !d.shared(k, local) {
		return fmt.Errorf("hub: share of %s:%s with %s: %w", owner, local, to, ErrNotFound)
	}
	var b store.Batch
	b.Delete(store.TableShares, shareRecordKey(k, local))
	err = d.store.Commit(ctx, &b)
	if err != nil {
		return fmt.Errorf("hub: withdrawing a share: %w", err)
	}
	d.mu.Lock()
	delete(d.shares[k], local)
	if len(d.shares[k]) == 0 {
		delete(d.shares, k)
	}
	d.mu.Unlock()
	d.version.Add(1)
	h.quiesce(func(s *session) bool { return s.agent.user.id == k.to })
	return nil
}

// Shares returns what a user has shared and what was shared with the user, sorted.
func (h *Hub) Shares(username string) (given, received []Share, err error) {
	d := h.directory
	u, err := d.mustUser(username)
	if err != nil {
		return nil, nil, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for k, uris := range d.shares {
		for uri := range uris {
			s := Share{d.byID[k.owner].name, d.byID[k.to].name, uri}
			switch u.id {
			case k.owner:
				given = append(given, s)
			case k.to:
				received = append(received, s)
			}
		}
	}
	for _, list := range [][]Share{given, received} {
		slices.SortFunc(list, func(a, b Share) int {
			return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.To, b.To), cmp.Compare(a.URI, b.URI))
		})
	}
	return given, received, nil
}

// shareOf checks the parts of a share.
func (d *directory) shareOf(owner string, uri metric.URI, to string) (k shareKey, local metric.URI, err error) {
	from, err := d.mustUser(owner)
	if err != nil {
		return k, "", err
	}
	reader, err := d.mustUser(to)
	if err != nil {
		return k, "", err
	}
	if err := uri.Check(); err != nil {
		return k, "", fmt.Errorf("hub: share: %w", err)
	}
	local = uri.For(from.name)
	switch {
	case !local.IsLocal():
		return k, "", fmt.Errorf("hub: share of %s: must be a uri of the owner %s", uri, from.name)
	case from == reader:
		return k, "", fmt.Errorf("hub: share of %s: must be with another user than the owner", uri)
	}
	return shareKey{from.id, reader.id}, local, nil
}

func (d *directory) shared(k shareKey, uri metric.URI) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.shares[k][uri]
}
