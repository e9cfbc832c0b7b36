package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// asked is a request as the hub sees it.
type asked struct {
	seq    wire.Seq
	action wire.Action
	uri    metric.URI
	count  int
}

// takeRequests reads everything that can be sent now.
func takeRequests(t *testing.T, r *Requests) (all []asked) {
	t.Helper()
	var decoder wire.Decoder
	for frame := r.Next(nil); len(frame) > 0; frame = r.Next(nil) {
		q, refusal := decoder.DecodeRequest(frame)
		if refusal != nil {
			t.Fatalf("malformed %s: %+v", frame, refusal)
		}
		a := asked{seq: q.Seq, action: q.Action, uri: q.URI}
		if q.Count != nil {
			a.count = *q.Count
		}
		all = append(all, a)
	}
	return all
}

func respond(t *testing.T, r *Requests, to asked, status, code int, reason string) {
	t.Helper()
	if !r.Answer(to.seq, &wire.Response{Status: status, Code: code, Reason: reason}) {
		t.Errorf("answer to %v was not expected", to)
	}
}

func newRequests(hub wire.Features) *Requests {
	r := NewRequests()
	r.Attach(hub, func() {})
	return r
}

func TestRequestsGetTheirAnswers(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	var got []string
	note := func(name string) func(error) {
		return func(err error) { got = append(got, fmt.Sprint(name, " ", err)) }
	}
	r.Hook(t.Context(), "a", func(pending bool, err error) { got = append(got, fmt.Sprint("hook ", pending, " ", err)) })
	r.Hook(t.Context(), "b", func(pending bool, err error) { got = append(got, fmt.Sprint("hook ", pending, " ", err)) })
	r.Hook(t.Context(), "bob:c", func(pending bool, err error) {
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnavailable) || !errors.As(err, new(*RefusedError)) {
			t.Errorf("denied: %v", err)
		}
		got = append(got, fmt.Sprint("hook ", pending, " ", err))
	})
	r.Unhook(t.Context(), "a", note("unhook"))
	r.Delete(t.Context(), "a", metric.KindDatasource, note("delete"))
	r.Delete(t.Context(), "d", 0, func(err error) {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("not found: %v", err)
		}
	})
	r.Unhook(t.Context(), "e", func(err error) {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("unavailable: %v", err)
		}
	})
	all := takeRequests(t, r)
	if len(all) != 7 || all[0].action != wire.ActionHookToURI || all[4].action != wire.ActionDeleteURI {
		t.Fatalf("asked %v", all)
	}
	respond(t, r, all[1], 4404, 201400, "Operation registered") // in whatever order
	respond(t, r, all[0], 4200, 0, "Hooked successfully")
	respond(t, r, all[2], 4430, 52411, "msg exec denied")
	respond(t, r, all[3], 4200, 0, "")
	respond(t, r, all[4], 4200, 0, "")
	respond(t, r, all[5], 4404, 1, "")
	respond(t, r, all[6], 4503, 1, "")
	want := []string{
		"hook true <nil>",
		"hook false <nil>",
		"hook false connection: hub refused hook_to_uri of bob:c: 4430/52411 msg exec denied",
		"unhook <nil>",
		"delete <nil>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Answer(all[0].seq, &wire.Response{Status: 4200}) {
		t.Error("a second answer was taken")
	}
}

func TestRequestsAreBoundedAndInOrder(t *testing.T) {
	r := newRequests(wire.OwnFeatures())
	answered := 0
	for i := range MaxRequests + 10 {
		r.Hook(t.Context(), metric.URI(fmt.Sprintf("m%d", i)), func(bool, error) { answered++ })
	}
	all := takeRequests(t, r)
	if len(all) != MaxRequests || all[3].uri != "m3" {
		t.Fatalf("%d requests outstanding", len(all))
	}
	for _, a := range all[:4] {
		respond(t, r, a, 4200, 0, "")
	}
	if more := takeRequests(t, r); len(more) != 4 || more[0].uri != metric.URI(fmt.Sprintf("m%d", MaxRequests)) || answered != 4 {
		t.Errorf("%v after 4 answers", more)
	}
	r.Detach()
	if answered != MaxRequests+10 {
		t.Errorf("%d results", answered)
	}
}

func TestEveryRequestEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRequests(wire.OwnFeatures())
		var mu sync.Mutex // several contexts end at a time
		results := map[string][]error{}
		note := func(name string) func(bool, error) {
			return func(_ bool, err error) {
				mu.Lock()
				defer mu.Unlock()
				results[name] = append(results[name], err)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		r.Hook(ctx, "a", note("sent, stopped"))
		r.Hook(t.Context(), "b", note("sent, lost"))
		all := takeRequests(t, r)
		r.Hook(ctx, "c", note("waiting, stopped"))
		r.Hook(t.Context(), "d", note("waiting, lost"))
		cancel(stopped)
		synctest.Wait()
		respond(t, r, all[0], 4200, 0, "") // too late, but expected
		if more := takeRequests(t, r); len(more) != 1 || more[0].uri != "d" {
			t.Errorf("then asked %v", more)
		}
		r.Detach()
		r.Hook(t.Context(), "e", note("waiting, closed"))
		r.Hook(ctx, "f", note("ended context"))
		synctest.Wait()
		if takeRequests(t, r) != nil {
			t.Error("sent without a connection")
		}
		r.Close()
		r.Close()
		r.Hook(t.Context(), "g", note("closed"))
		r.Hook(t.Context(), "not valid", note("invalid"))
		for name, want := range map[string]error{
			"sent, stopped": stopped, "sent, lost": ErrDisconnected, "waiting, stopped": stopped,
			"waiting, lost": ErrDisconnected, "waiting, closed": ErrClosed, "ended context": stopped, "closed": ErrClosed,
		} {
			if got := results[name]; len(got) != 1 || !errors.Is(got[0], want) {
				t.Errorf("%s: %v, want %v once", name, got, want)
			}
		}
		if got := results["invalid"]; len(got) != 1 || !errors.As(got[0], new(*metric.InvalidError)) {
			t.Errorf("invalid: %v", got)
		}
	})
}

func TestRequestsWaitForAConnection(t *testing.T) {
	r := NewRequests()
	r.Hook(t.Context(), "a", func(bool, error) {})
	if takeRequests(t, r) != nil {
		t.Error("sent without a connection")
	}
	r.Attach(wire.Features{}, func() {})
	if all := takeRequests(t, r); len(all) != 1 {
		t.Errorf("%v", all)
	}
	r.Close()
}

func TestDeleteNeedsTheFeature(t *testing.T) {
	r := newRequests(wire.Features{})
	var got error
	r.Delete(t.Context(), "a", 0, func(err error) { got = err })
	hooked := false
	r.Hook(t.Context(), "b", func(bool, error) { hooked = true })
	all := takeRequests(t, r)
	if len(all) != 1 || all[0].uri != "b" || !errors.Is(got, ErrUnsupported) || !strings.Contains(got.Error(), wire.FeatureDelete) {
		t.Errorf("asked %v; %v", all, got)
	}
	respond(t, r, all[0], 4200, 0, "")
	if !hooked {
		t.Error("the next request was not answered")
	}
}

func TestDataDeliversPagesThenTheEnd(t *testing.T) {
	h := &modelHub{page: 3}
	for i := range 10 {
		h.series = append(h.series, metric.NewTimeUUID(metric.Ticks(i), metric.PlainLow))
	}
	r := newRequests(wire.OwnFeatures())
	var rows []Row
	ends := 0
	r.Data(t.Context(), Query{URI: "m", Count: 5}, func(p Page) { rows = append(rows, p.Rows...) }, func(err error) {
		ends++
		if err != nil || len(rows) != 5 {
			t.Errorf("end with %d rows: %v", len(rows), err)
		}
	})
	if r.Large() {
		t.Error("large frames expected before the request is sent")
	}
	requests := 0
	for all := takeRequests(t, r); len(all) > 0; all = takeRequests(t, r) {
		requests++
		if !r.Large() {
			t.Error("no large frames expected for a metric of unknown kind")
		}
		respond(t, r, all[0], 4202, 0, "message accepted for processing")
		for _, interval := range h.answer(metric.MinTime, olderThan(h, rows), all[0].count) {
			if !r.Interval(all[0].seq, &interval) {
				t.Error("interval was not expected")
			}
		}
	}
	// The row at the border came twice, so that one was missing.
	if ends != 1 || requests != 2 || r.Large() {
		t.Errorf("%d ends after %d requests", ends, requests)
	}
	if r.Interval(wire.NewSeqSource(nil).Next(), &wire.Interval{}) {
		t.Error("an interval of nobody was taken")
	}
}

func olderThan(h *modelHub, rows []Row) metric.TimeUUID {
	if len(rows) == 0 {
		return metric.MaxTime
	}
	return rows[len(rows)-1].Time
}

func TestDataRefusedStoppedOrBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &modelHub{page: 2}
		for i := range 5 {
			h.series = append(h.series, metric.NewTimeUUID(metric.Ticks(i), metric.PlainLow))
		}
		r := newRequests(wire.OwnFeatures())
		results := map[metric.URI]error{}
		pages := map[metric.URI]int{}
		ask := func(ctx context.Context, uri metric.URI) {
			r.Data(ctx, Query{URI: uri, Kind: metric.KindDatapoint}, func(Page) { pages[uri]++ }, func(err error) { results[uri] = err })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ask(t.Context(), "refused")
		ask(ctx, "stopped")
		ask(t.Context(), "broken")
		ask(t.Context(), "lost")
		all := takeRequests(t, r)
		if r.Large() {
			t.Error("large frames expected for numbers")
		}
		respond(t, r, all[0], 4404, 201600, "uri refused does not exist")
		for _, a := range all[1:] {
			respond(t, r, a, 4202, 0, "")
			if !r.Interval(a.seq, &h.answer(metric.MinTime, metric.MaxTime, 0)[0]) {
				t.Error("interval was not expected")
			}
		}
		<-ctx.Done()
		synctest.Wait()
		for _, interval := range h.answer(metric.MinTime, metric.MaxTime, 0)[1:] {
			if !r.Interval(all[1].seq, &interval) {
				t.Error("the rest of an answer that nobody waits for was not taken")
			}
		}
		if !r.Interval(all[2].seq, &h.answer(metric.MinTime, metric.MaxTime, 0)[0]) { // rows that ascend
			t.Error("interval was not expected")
		}
		r.Detach()
		if len(r.sent) != 0 || pages["stopped"] != 1 || pages["broken"] != 1 || pages["lost"] != 1 {
			t.Errorf("%d requests left, pages %v", len(r.sent), pages)
		}
		if !errors.Is(results["refused"], ErrNotFound) || !errors.Is(results["stopped"], context.DeadlineExceeded) ||
			results["broken"] == nil || !errors.Is(results["lost"], ErrDisconnected) {
			t.Errorf("results %v", results)
		}
	})
}
