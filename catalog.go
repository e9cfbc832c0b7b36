package komstream

import (
	"context"
	"iter"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/metric"
)

type (
	// Entry is one metric that List yields: see [actors.Entry].
	Entry = actors.Entry
	// Share lets a user read a part of another's data model: see [actors.Share].
	Share = actors.Share
)

// List reads which metrics there are at prefix and below it, with the time of the newest sample of each, the value of
// datapoints, and what datasources supply: the user's own, all of them for "", or what another user has shared, at
// "owner:prefix". An error comes as the last pair and ends it: see [actors.Session.List].
func (s *Session) List(ctx context.Context, prefix metric.URI) iter.Seq2[Entry, error] {
	return s.s.List(ctx, prefix)
}

// Share lets a user read one of the session's own URIs and everything below it, existing or not: see
// [actors.Session.Share].
func (s *Session) Share(ctx context.Context, uri metric.URI, user string) error {
	return s.s.Share(ctx, uri, user)
}

// Unshare withdraws a share. When it returns nil, the hub sends nothing that only this share allowed any more: see
// [actors.Session.Unshare].
func (s *Session) Unshare(ctx context.Context, uri metric.URI, user string) error {
	return s.s.Unshare(ctx, uri, user)
}

// Shares returns the shares that the user gave, and those that the user got.
func (s *Session) Shares(ctx context.Context) (given, received []Share, err error) {
	return s.s.Shares(ctx)
}
