package actors

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Entry is one metric of a data model, as List yields it.
type Entry = connection.Entry

// Share lets a user read a part of another's data model: User may read URI, which names its owner, and everything
// below it.
type Share = connection.Share

// List reads which metrics there are at prefix and below it, sorted by the bytes of their local URIs: the user's own,
// all of them for "", or those that another user has shared, at "owner:prefix". They are asked for page by page as the
// loop goes on; break ends it. What is made or deleted meanwhile may or may not be among them. An error ends it, too,
// as the last pair: a [*connection.RefusedError] when the hub refuses, one that matches connection.ErrUnsupported at
// a hub that cannot list, the context's cause. A connection that is lost meanwhile is waited for.
func (s *Session) List(ctx context.Context, prefix metric.URI) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := s.list(ctx, prefix, func(e Entry) bool { return yield(e, nil) }); err != nil {
			yield(Entry{}, err)
		}
	}
}

func (s *Session) list(ctx context.Context, prefix metric.URI, yield func(Entry) bool) error {
	if err := s.outside(ctx, "list"); err != nil {
		return err
	}
	after := metric.URI("")
	for {
		page, err := ask(func(done func(connection.Listing, error)) { s.requests.List(ctx, prefix, after, done) })
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			after = e.URI
			if !yield(e) {
				return nil
			}
		}
		if !page.More || len(page.Entries) == 0 {
			return nil
		}
	}
}

// Share lets a user read one of the session's own URIs and everything below it, existing or not. Sharing again what
// is shared succeeds. An unknown user is an error that matches connection.ErrNotFound. At a hub that cannot, the error
// matches connection.ErrUnsupported; there, shares are made in the owner's account. A connection that is lost
// meanwhile is waited for.
func (s *Session) Share(ctx context.Context, uri metric.URI, user string) error {
	if err := s.checkShare(ctx, "share", uri); err != nil {
		return err
	}
	_, err := ask(func(done func(struct{}, error)) {
		s.requests.Share(ctx, uri.For(s.config.Username), user, func(err error) { done(struct{}{}, err) })
	})
	return err
}

// Unshare withdraws a share. When it returns nil, the hub sends nothing that only this share allowed any more, neither
// updates nor history, not even what it had queued. Hooks of the other user stay and are silent. Where there is no
// such share the error matches connection.ErrNotFound. A connection that is lost meanwhile is waited for.
func (s *Session) Unshare(ctx context.Context, uri metric.URI, user string) error {
	if err := s.checkShare(ctx, "unshare", uri); err != nil {
		return err
	}
	tries := 0
	_, err := ask(func(done func(struct{}, error)) {
		tries++
		s.requests.Unshare(ctx, uri.For(s.config.Username), user, func(err error) { done(struct{}{}, err) })
	})
	if tries > 1 && errors.Is(err, connection.ErrNotFound) {
		return nil // the one before, whose answer was lost, did it
	}
	return err
}

// Shares returns the shares that the user gave to others, and those that others gave to the user, sorted by the bytes
// of URI and user. The rest is as with [Session.List].
func (s *Session) Shares(ctx context.Context) (given, received []Share, err error) {
	if err := s.outside(ctx, "list of shares"); err != nil {
		return nil, nil, err
	}
	var after Share
	for {
		page, err := ask(func(done func(connection.Shares, error)) { s.requests.Shares(ctx, after, done) })
		if err != nil {
			return nil, nil, err
		}
		for _, share := range page.Shares {
			if after = share; share.URI.For(s.config.Username).IsLocal() {
				given = append(given, share)
			} else {
				received = append(received, share)
			}
		}
		if !page.More || len(page.Shares) == 0 {
			return given, received, nil
		}
	}
}

// checkShare checks what does not need the hub.
func (s *Session) checkShare(ctx context.Context, what string, uri metric.URI) error {
	if err := s.outside(ctx, what); err != nil {
		return err
	}
	if err := uri.Check(); err != nil {
		return fmt.Errorf("komstream: %s: %w", what, err)
	}
	if local := uri.For(s.config.Username); !local.IsLocal() {
		return fmt.Errorf("komstream: %s: %q belongs to %s: only the owner shares", what, string(uri), local.Owner())
	}
	return nil
}

// outside returns an error inside a run, where nothing must wait for the hub.
func (s *Session) outside(ctx context.Context, what string) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: %s by a run of %q: %w", what, name, impulse.ErrInsideRun)
	}
	return nil
}

// ask asks until a connection lives long enough for the answer, and returns it.
func ask[T any](request func(done func(T, error))) (T, error) {
	type answer struct {
		result T
		err    error
	}
	for {
		answers := make(chan answer, 1)
		request(func(result T, err error) { answers <- answer{result, err} })
		if a := <-answers; !errors.Is(a.err, connection.ErrDisconnected) {
			return a.result, a.err
		}
	}
}
