package connection

import (
	"context"
	"fmt"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// What hubs of komstream answer to the requests of this file.
type (
	// Entry is one metric of a [Listing].
	Entry = wire.Entry
	// Listing is a page of a data model.
	Listing = wire.Listing
	// Share lets a user read a URI, which is global, and everything below it.
	Share = wire.Share
	// Shares is a page of shares.
	Shares = wire.Shares
	// Log is a page of an owner's log of arrivals.
	Log = wire.Log
	// Logged is one message of a [Log].
	Logged = wire.Logged
)

// List asks for the metrics at prefix and below it, the session's own or shared by another user, all of the
// session's own for "". done gets a page of them, those behind after, or the first page for "". At a hub without the
// feature list_uris the error is [ErrUnsupported].
func (r *Requests) List(ctx context.Context, prefix, after metric.URI, done func(Listing, error)) {
	if after != "" {
		if err := after.Check(); err != nil {
			done(Listing{}, fmt.Errorf("connection: list_uris after: %w", err))
			return
		}
	}
	var page Listing
	r.add(ctx, &request{
		action: wire.ActionListURIs, uri: prefix, large: true,
		encode: func(b []byte, seq Seq) []byte { return wire.AppendList(b, seq, prefix, after, 0) },
		reply:  func(m *Message) { page = *m.Listing },
		done:   func(_ Response, err error) { done(page, err) },
	})
}

// Share lets a user read a URI of the session's own and everything below it. Sharing again what is shared succeeds.
// An unknown user is an error that matches [ErrNotFound]. At a hub without the feature share the error is
// [ErrUnsupported].
func (r *Requests) Share(ctx context.Context, uri metric.URI, user string, done func(error)) {
	r.share(ctx, wire.ActionShare, uri, user, done)
}

// Unshare withdraws a share. When it succeeds, the hub hands nothing more that it forbids to the other user's
// sessions. Where there is no such share the error matches [ErrNotFound].
func (r *Requests) Unshare(ctx context.Context, uri metric.URI, user string, done func(error)) {
	r.share(ctx, wire.ActionUnshare, uri, user, done)
}

func (r *Requests) share(ctx context.Context, action wire.Action, uri metric.URI, user string, done func(error)) {
	name, err := metric.ParseUsername(user)
	if err != nil {
		done(fmt.Errorf("connection: %s: %w", action, err))
		return
	}
	r.add(ctx, &request{
		action: action, uri: uri, done: withoutResponse(done),
		encode: func(b []byte, seq Seq) []byte { return wire.AppendShare(b, action, seq, uri, name) },
	})
}

// Shares asks for the shares that the session's user gave and got. done gets a page of them, those behind after, or
// the first page for the zero Share. At a hub without the feature share the error is [ErrUnsupported].
func (r *Requests) Shares(ctx context.Context, after Share, done func(Shares, error)) {
	var page Shares
	r.add(ctx, &request{
		action: wire.ActionListShares, large: true,
		encode: func(b []byte, seq Seq) []byte { return wire.AppendListShares(b, seq, after, 0) },
		reply:  func(m *Message) { page = *m.Shares },
		done:   func(_ Response, err error) { done(page, err) },
	})
}

// Since asks for the messages of an owner's log of arrivals behind a position, the oldest first, as far as they may be
// read; the owner "" is the session's user. done gets a page of at most limit messages, 0 for as many as the hub
// gives at a time. At a hub without the feature since the error is [ErrUnsupported].
func (r *Requests) Since(ctx context.Context, owner string, position uint64, limit int, done func(Log, error)) {
	if owner != "" {
		name, err := metric.ParseUsername(owner)
		if err != nil {
			done(Log{}, fmt.Errorf("connection: since: %w", err))
			return
		}
		owner = name
	}
	if position > 1<<63-1 || limit < 0 {
		done(Log{}, fmt.Errorf("connection: since: position %d must be below 2^63 and limit %d not negative", position, limit))
		return
	}
	var page Log
	r.add(ctx, &request{
		action: wire.ActionSince, large: true,
		encode: func(b []byte, seq Seq) []byte { return wire.AppendSince(b, seq, owner, position, limit) },
		reply:  func(m *Message) { page = *m.Log },
		done:   func(_ Response, err error) { done(page, err) },
	})
}
