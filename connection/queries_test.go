package connection

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// reply hands a frame of a hub to requests.
func reply(t *testing.T, r *Requests, frame []byte) bool {
	t.Helper()
	var d wire.Decoder
	m, err := d.Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	return r.Reply(m.Irt, &m)
}

func TestListsAreHandedOut(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	var listing Listing
	var shares Shares
	var log Log
	done := 0
	note := func(err error) {
		if done++; err != nil {
			t.Error(err)
		}
	}
	r.List(t.Context(), "", "b", func(l Listing, err error) { listing = l; note(err) })
	r.Shares(t.Context(), Share{URI: "alice:a", User: "bob"}, func(s Shares, err error) { shares = s; note(err) })
	r.Since(t.Context(), "Bob", 7, 5, func(l Log, err error) { log = l; note(err) })
	r.Share(t.Context(), "a", "Bob", note)
	r.Unshare(t.Context(), "a", "bob", note)
	all := takeRequests(t, r)
	if len(all) != 5 || !r.Large() {
		t.Fatalf("asked %v", all)
	}
	for i := range 3 {
		respond(t, r, all[i], 4202, 0, "message accepted for processing")
	}
	respond(t, r, all[3], 4200, 0, "")
	respond(t, r, all[4], 4200, 0, "")
	if done != 2 {
		t.Errorf("%d are done before their lists came", done)
	}
	lists := wire.BeginList(nil, wire.ActionListURIs, hubSeqs.Next(), all[0].seq, 1000)
	lists.Entry(&Entry{URI: "c", Kind: metric.KindDatapoint})
	frame := lists.EndMore(true)
	if reply(t, r, []byte(strings.Replace(string(frame), all[0].seq.String(), all[1].seq.String(), 1))) {
		t.Error("a list was taken for another")
	}
	if !reply(t, r, frame) || reply(t, r, frame) {
		t.Error("the list must be taken once")
	}
	given := wire.BeginList(nil, wire.ActionListShares, hubSeqs.Next(), all[1].seq, 1000)
	given.Share(Share{URI: "alice:c", User: "bob"})
	reply(t, r, given.EndMore(false))
	none := wire.BeginList(nil, wire.ActionSince, hubSeqs.Next(), all[2].seq, 1000)
	reply(t, r, none.EndLog(9, true, true))
	if done != 5 || len(listing.Entries) != 1 || !listing.More || len(shares.Shares) != 1 || log.Next != 9 || !log.More || !log.Complete {
		t.Errorf("%d done: %+v %+v %+v", done, listing, shares, log)
	}
}

func TestQueriesNeedTheirFeatures(t *testing.T) {
	r := newRequests(wire.FeaturesOf(wire.FeatureVia))
	for feature, ask := range map[string]func(done func(error)){
		wire.FeatureList: func(done func(error)) { r.List(t.Context(), "", "", func(_ Listing, err error) { done(err) }) },
		wire.FeatureShare: func(done func(error)) {
			r.Share(t.Context(), "a", "bob", func(err error) {
				done(err)
				r.Unshare(t.Context(), "a", "bob", func(err error) {
					done(err)
					r.Shares(t.Context(), Share{}, func(_ Shares, err error) { done(err) })
				})
			})
		},
		wire.FeatureSince: func(done func(error)) { r.Since(t.Context(), "", 0, 0, func(_ Log, err error) { done(err) }) },
	} {
		asked := 0
		ask(func(err error) {
			asked++
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), feature) {
				t.Errorf("%s: %v", feature, err)
			}
		})
		for range 3 {
			if sent := takeRequests(t, r); sent != nil {
				t.Errorf("%s: sent %v", feature, sent)
			}
		}
		if asked == 0 {
			t.Errorf("%s: no error", feature)
		}
	}
}

func TestQueriesCheckWhatTheyAreGiven(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	for want, ask := range map[string]func(done func(error)){
		`list_uris: metric: uri "a b" must`:          func(done func(error)) { r.List(t.Context(), "a b", "", func(_ Listing, err error) { done(err) }) },
		`list_uris after: metric: uri "a b"`:         func(done func(error)) { r.List(t.Context(), "", "a b", func(_ Listing, err error) { done(err) }) },
		`share: metric: username "a b" must`:         func(done func(error)) { r.Share(t.Context(), "a", "a b", done) },
		`unshare: metric: uri "" must`:               func(done func(error)) { r.Unshare(t.Context(), "", "bob", done) },
		`since: metric: username "a b"`:              func(done func(error)) { r.Since(t.Context(), "a b", 0, 0, func(_ Log, err error) { done(err) }) },
		`position 9223372036854775808 must be below`: func(done func(error)) { r.Since(t.Context(), "", 1<<63, 0, func(_ Log, err error) { done(err) }) },
		`limit -1 not negative`:                      func(done func(error)) { r.Since(t.Context(), "", 0, -1, func(_ Log, err error) { done(err) }) },
	} {
		var got error
		ask(func(err error) { got = err })
		if got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	if sent := takeRequests(t, r); sent != nil {
		t.Errorf("sent %v", sent)
	}
}

// TestListAfterItsContext answers a query whose context has ended: the answer is taken and changes nothing.
func TestListAfterItsContext(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	r.List(ctx, "", "", func(l Listing, err error) {
		if len(l.Entries) > 0 {
			t.Error("entries after the end")
		}
		ended <- err
	})
	all := takeRequests(t, r)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	respond(t, r, all[0], 4202, 0, "")
	l := wire.BeginList(nil, wire.ActionListURIs, hubSeqs.Next(), all[0].seq, 1000)
	l.Entry(&Entry{URI: "c", Kind: metric.KindDatapoint})
	if !reply(t, r, l.EndMore(false)) {
		t.Error("the answer was not taken")
	}
}

func TestQueryRefused(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	var got error
	r.Since(t.Context(), "bob", 0, 0, func(_ Log, err error) { got = err })
	respond(t, r, takeRequests(t, r)[0], 4430, 203252, "msg exec denied")
	if want := "connection: hub refused since: 4430/203252 msg exec denied"; got == nil || got.Error() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
