package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/metric"
)

// listRemote lists metrics through a session: the user's own, or what an owner has shared.
func (o *options) listRemote(c *cobra.Command, owner string, prefix metric.URI) (rows []listed, err error) {
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return nil, err
	}
	defer session.end(&err)
	prefixes := []metric.URI{prefix}
	switch {
	case owner == "" || prefix == "" && metric.URI("x").Global(owner).For(session.where.User).IsLocal():
	case prefix != "":
		prefixes[0] = prefix.Global(owner)
	default:
		if prefixes, err = session.sharedBy(c.Context(), owner); err != nil {
			return nil, err
		}
	}
	for _, p := range prefixes {
		for e, err := range session.List(c.Context(), p) {
			if err != nil {
				return nil, err
			}
			row, err := session.entry(c.Context(), e, len(rows) < textsRead)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// textsRead bounds how many metrics a list reads a text of: each is a request.
const textsRead = 1000

// entry describes a metric. Lists have no texts in them, since those may be large: they are read one by one.
func (r *remote) entry(ctx context.Context, e komstream.Entry, read bool) (listed, error) {
	var last time.Time
	if !e.Last.IsZero() {
		last = e.Last.Time()
	}
	l := newListed(e.URI, e.Kind, last, time.Now())
	value := e.Value
	if e.Kind == metric.KindDatasource && !last.IsZero() && read {
		for s, err := range r.History(ctx, e.URI, komstream.Range{Last: 1}) {
			if errors.Is(err, komstream.ErrNotFound) {
				break // deleted meanwhile
			}
			if err != nil {
				return l, err
			}
			value = s.Value
		}
	}
	if value.Kind() != 0 {
		l.Value, l.text = jsonValue(value), valueText(value, 40)
	}
	return l, nil
}

// sharedBy returns the subtrees that an owner has shared with the user, without those within others.
func (r *remote) sharedBy(ctx context.Context, owner string) (all []metric.URI, err error) {
	_, received, err := r.Shares(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(received, func(a, b komstream.Share) int { return cmp.Compare(len(a.URI), len(b.URI)) })
	for _, share := range received {
		if share.URI.Owner() != owner || slices.ContainsFunc(all, func(x metric.URI) bool { return share.URI.Within(x) }) {
			continue
		}
		all = append(all, share.URI)
	}
	slices.Sort(all)
	return all, nil
}

// below returns the metrics at a uri and below it.
func (r *remote) below(ctx context.Context, uri metric.URI) (all []metric.URI, err error) {
	for e, err := range r.List(ctx, uri) {
		if err != nil {
			return nil, err
		}
		all = append(all, e.URI)
	}
	return all, nil
}

// completionTimeout is how long somebody waits who has pressed the tabulator.
const completionTimeout = 2 * time.Second

// completeURIs completes the names of the user's metrics, where the flags so far say how the hub is reached.
func (o *options) completeURIs(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	where, err := o.resolve()
	if err != nil {
		return nil, directive
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	session, err := openSession(ctx, where, completionTimeout, komstream.Events{})
	if err != nil {
		return nil, directive
	}
	defer session.end(&err)
	var names []string
	for e, err := range session.List(ctx, "") {
		if err != nil {
			break
		}
		if strings.HasPrefix(string(e.URI), typed) {
			names = append(names, string(e.URI)+"\t"+e.Kind.String())
		}
	}
	return names, directive
}
