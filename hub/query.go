package hub

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// query returns what answers an action on the reader's goroutine, nil where a committer does. It holds up the
// requests behind it and nobody else.
func (c *conn) query(a wire.Action) func(*wire.Request) {
	switch a {
	case wire.ActionRequestData:
		return c.history
	case wire.ActionListURIs:
		return c.list
	case wire.ActionShare, wire.ActionUnshare:
		return c.share
	case wire.ActionListShares:
		return c.listShares
	case wire.ActionSince:
		return c.since
	}
	return nil
}

// unannounced returns the refusal of an action of ours that the agent has not announced, otherwise the refusal that
// there is already, nil for none.
func (c *conn) unannounced(r *wire.Request, refused *wire.Refusal) *wire.Refusal {
	var action wire.Action
	var seq wire.Seq
	if refused != nil {
		action, seq = refused.Action, refused.Irt
	} else {
		action, seq = r.Action, r.Seq
	}
	feature := action.Feature()
	if feature == "" || c.features.Has(feature) {
		return refused
	}
	return &wire.Refusal{Status: wire.StatusProtocol, Code: wire.CodeUnsupportedAction, V: "1", Irt: seq, Action: action,
		Reason: "unsupported action: " + wire.FeaturesHeader + " did not announce " + feature}
}

// accepted is the answer to a request whose results follow.
var accepted = wire.Response{Status: wire.StatusAccepted, Reason: "message accepted for processing"}

// answer answers a request on the reader's goroutine.
func (c *conn) answer(r *wire.Request, a wire.Response) {
	c.hub.measured.frame(r.Action, a.Status)
	c.respond(r.Seq, a)
}

// failed answers a request for which the store could not be read.
func (c *conn) failed(r *wire.Request, err error) {
	c.hub.log.Error("a request failed", zap.String("action", r.Action.String()), zap.Error(err))
	c.answer(r, unavailable)
}

// ownerNamed returns who is named in a request, the agent's own user for "", or nil where there is no such user.
func (c *conn) ownerNamed(name string) *user {
	if me := c.session.agent.user; name == "" || name == me.name {
		return me
	}
	return c.hub.directory.user(name)
}

// Error numbers of our own requests, beside those that the decoder refuses with.
const (
	codeListDenied     = 202752
	codeShareNoUser    = 202851
	codeShareForeign   = 202852
	codeShareSelf      = 202854
	codeUnshareMissing = 202951
	codeUnshareForeign = 202952
	codeSinceDenied    = 203252
)

// share is share and unshare. When a withdrawal is answered, nothing more that it forbids is handed to a socket.
func (c *conn) share(r *wire.Request) {
	c.answer(r, c.setShare(r))
}

func (c *conn) setShare(r *wire.Request) wire.Response {
	me, withdraw := c.session.agent.user, r.Action == wire.ActionUnshare
	foreign := codeShareForeign
	if withdraw {
		foreign = codeUnshareForeign
	}
	uri, own := ownURI(r.URI, me)
	if !own {
		return refusal(wire.StatusDenied, foreign, reasonForeign)
	}
	to := c.hub.directory.user(r.User)
	switch {
	case withdraw && (to == nil || to == me):
		return refusal(wire.StatusNotFound, codeUnshareMissing, "there is no such share")
	case to == nil:
		return refusal(wire.StatusNotFound, codeShareNoUser, "user "+r.User+" does not exist")
	case to == me:
		return refusal(wire.StatusDenied, codeShareSelf, "a share must be with another user")
	}
	uri = metric.URI(strings.Clone(string(uri))) // the request's strings share its whole frame
	ctx := context.Background()
	var err error
	if withdraw {
		err = c.hub.Unshare(ctx, me.name, uri, to.name)
	} else {
		err = c.hub.Share(ctx, me.name, uri, to.name)
	}
	switch {
	case err == nil, errors.Is(err, ErrExists):
		return executed
	case errors.Is(err, ErrNotFound):
		return refusal(wire.StatusNotFound, codeUnshareMissing, "there is no such share")
	}
	c.hub.log.Error("a share cannot be changed", zap.Error(err))
	return unavailable
}

// listShares answers list_shares.
func (c *conn) listShares(r *wire.Request) {
	given, received, err := c.hub.Shares(c.session.agent.user.name)
	if err != nil {
		c.failed(r, err)
		return
	}
	var all []wire.Share
	for _, s := range append(given, received...) {
		all = append(all, wire.Share{URI: s.URI.Global(s.Owner), User: s.To})
	}
	slices.SortFunc(all, compareShares)
	after, found := slices.BinarySearchFunc(all, wire.Share{URI: r.After, User: r.AfterUser}, compareShares)
	if found {
		after++
	}
	rest := all[after:]
	most := wire.MaxPage
	if r.Limit > 0 {
		most = r.Limit
	}
	l := wire.BeginList(nil, r.Action, c.hub.seqs.Next(), r.Seq, pageBytes)
	for len(rest) > 0 && l.Len() < most && l.Share(rest[0]) {
		rest = rest[1:]
	}
	c.answer(r, accepted)
	c.out.send(entry{frame: l.EndMore(len(rest) > 0)})
}

func compareShares(a, b wire.Share) int {
	if c := strings.Compare(string(a.URI), string(b.URI)); c != 0 {
		return c
	}
	return strings.Compare(a.User, b.User)
}
