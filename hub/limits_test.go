package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/memstore"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// answer executes a frame and returns its answer.
func (d *direct) answer(frame []byte) wire.Response {
	d.t.Helper()
	r := new(request)
	req, refused := r.decoder.DecodeRequest(frame)
	if refused != nil {
		d.t.Fatal(refused)
	}
	r.conn, r.req = d.conn, req
	w := &watched{r, make(chan int, 1)}
	if !d.hub.committerOf(d.conn.session.agent.user).submit(w) {
		d.t.Fatal("the committer has stopped")
	}
	<-w.status
	return r.answer
}

func (d *direct) write(samples ...metric.Sample) wire.Response {
	d.t.Helper()
	return d.answer(wire.AppendSendMulti(nil, d.seqs.Next(), wire.Seq{}, nil, samples[0].Time, samples))
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func number(uri metric.URI, second int) metric.Sample {
	return metric.Datapoint(uri, time.Unix(int64(second), 0), second)
}

func text(uri metric.URI, second int, content string) metric.Sample {
	return metric.Datasource(uri, time.Unix(int64(second), 0), content)
}

func TestQuotas(t *testing.T) {
	var c clock
	c.pass(time.Hour)
	s := memstore.New()
	d := newDirectAt(t, s, c.now)
	ctx := context.Background()
	want := func(code int, samples ...metric.Sample) {
		t.Helper()
		a := d.write(samples...)
		if code == 0 {
			if a.Status != wire.StatusExecuted {
				t.Errorf("answered %+v, want 4200", a)
			}
			return
		}
		if a.Status != wire.StatusDenied || a.Code != code || !strings.HasPrefix(a.Reason, "the quota of ") {
			t.Errorf("answered %+v, want 4430/%d and a reason", a, code)
		}
	}
	want(0, number("a", 1), text("t", 1, "x"))
	check(t, d.hub.SetQuota(ctx, "alice", Quota{Datapoints: 2, Datasources: 1}))
	want(0, number("b", 2))
	want(codeQuotaDatapoints, number("c", 3))
	want(codeQuotaDatasources, text("u", 3, "x"))
	want(codeQuotaDatapoints, number("a", 3), number("c", 3)) // nothing of it
	want(0, number("a", 4), text("t", 4, "x"))
	check(t, d.hub.Delete(ctx, "alice", "b"))
	want(0, number("c", 5))

	check(t, d.hub.SetQuota(ctx, "alice", Quota{NumbersPerDay: 3, TextsPerDay: 1}))
	want(0, number("a", 6), number("c", 6), text("t", 6, "x"))
	want(codeQuotaTexts, text("t", 7, "x"))
	want(0, number("a", 7))
	want(codeQuotaNumbers, number("a", 8))
	usage, err := d.hub.Usage(ctx, "alice")
	check(t, err)
	if usage.NumbersToday != 3 || usage.TextsToday != 1 {
		t.Errorf("usage %+v, want 3 numbers and 1 text today", usage)
	}
	c.pass(24 * time.Hour)
	want(0, number("a", 8))

	check(t, d.hub.SetQuota(ctx, "alice", Quota{Bytes: usage.Bytes + 17 + 17}))
	want(0, number("a", 9))
	want(codeQuotaTexts, text("t", 9, "x"))
	want(codeQuotaNumbers, number("a", 10))
	if err := d.hub.SetQuota(ctx, "alice", Quota{Bytes: -1}); err == nil {
		t.Error("a negative quota was set")
	}
	check(t, d.hub.SetQuota(ctx, "alice", Quota{}))
	want(0, number("z", 1))
}

func TestLimitsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	quota := Quota{Datapoints: 5, NumbersPerDay: 7}
	rule := RetentionRule{"cpu", Retention{Age: time.Hour, Count: 3}}
	h, err := Start(ctx, Config{Dir: dir})
	check(t, err)
	check(t, h.AddUser(ctx, "alice"), h.SetQuota(ctx, "alice", quota), h.SetPassword(ctx, "alice", "correct horse"),
		h.SetRetention(ctx, "alice", "alice:cpu", rule.Retention), h.SetRetention(ctx, "alice", "x", rule.Retention),
		h.SetRetention(ctx, "alice", "x", Retention{}), h.SetRetention(ctx, "alice", "never", Retention{}), h.Close())
	h, err = Start(ctx, Config{Dir: dir})
	check(t, err)
	defer h.Close()
	gotQuota, err := h.Quota("alice")
	check(t, err)
	rules, err := h.Retention("Alice")
	check(t, err)
	if gotQuota != quota || len(rules) != 1 || rules[0] != rule {
		t.Errorf("quota %+v, rules %+v, want %+v and %+v", gotQuota, rules, quota, rule)
	}
	if err := h.CheckPassword(ctx, "", "alice", "correct horse"); err != nil {
		t.Error(err)
	}
	for _, uri := range []metric.URI{"bob:x", "not a uri"} {
		if err := h.SetRetention(ctx, "alice", uri, Retention{Age: 1}); err == nil {
			t.Errorf("retention of %q was set", uri)
		}
	}
	if err := h.SetRetention(ctx, "alice", "", Retention{Age: -1}); err == nil {
		t.Error("a negative age was set")
	}
}

// left returns how many samples there are of each metric, as the store has them.
func left(t *testing.T, h *Hub) map[metric.URI]int {
	t.Helper()
	all := map[metric.URI]int{}
	u := h.directory.user("alice")
	for uri, n := range u.model.nodes {
		if n.kind == 0 {
			continue
		}
		found, _, err := h.measure(context.Background(), n.series, metric.MinTime, metric.MaxTime)
		check(t, err)
		all[uri] = int(found.samples)
	}
	return all
}

func TestRetention(t *testing.T) {
	var c clock
	c.pass(1000 * time.Second)
	ctx := context.Background()
	for name, tt := range map[string]struct {
		rules []RetentionRule
		want  map[metric.URI]int // of 100 samples each, at 900 s to 999 s; those of t hold 1,000 bytes
	}{
		"age":          {[]RetentionRule{{"", Retention{Age: 40 * time.Second}}}, map[metric.URI]int{"a": 40, "a.b": 40, "t": 40}},
		"nothing old":  {[]RetentionRule{{"", Retention{Age: time.Hour}}}, map[metric.URI]int{"a": 100, "a.b": 100, "t": 100}},
		"all old":      {[]RetentionRule{{"", Retention{Age: time.Microsecond}}}, map[metric.URI]int{"a": 0, "a.b": 0, "t": 0}},
		"count":        {[]RetentionRule{{"a", Retention{Count: 10}}}, map[metric.URI]int{"a": 10, "a.b": 10, "t": 100}},
		"age or count": {[]RetentionRule{{"a", Retention{Count: 50, Age: 60 * time.Second}}}, map[metric.URI]int{"a": 50, "a.b": 50, "t": 100}},
		"narrower holds alone": {[]RetentionRule{
			{"a.b", Retention{Age: time.Hour}}, {"", Retention{Count: 5}}},
			map[metric.URI]int{"a": 5, "a.b": 100, "t": 5}},
		// Numbers count 19 bytes each, texts 1016: for each second 1,054.
		"bytes":     {[]RetentionRule{{"", Retention{Bytes: 10540}}}, map[metric.URI]int{"a": 10, "a.b": 10, "t": 10}},
		"no bytes":  {[]RetentionRule{{"", Retention{Bytes: 1}}}, map[metric.URI]int{"a": 0, "a.b": 0, "t": 0}},
		"all bytes": {[]RetentionRule{{"", Retention{Bytes: 1 << 30}}}, map[metric.URI]int{"a": 100, "a.b": 100, "t": 100}},
		"bytes of a subtree": {[]RetentionRule{{"a", Retention{Bytes: 19 * 60}}},
			map[metric.URI]int{"a": 30, "a.b": 30, "t": 100}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDirectAt(t, memstore.New(), c.now)
			for i := range 100 {
				second := 900 + (i*37)%100 // not in order, so that metrics have to be counted
				d.write(number("a", second), number("a.b", second), text("t", second, strings.Repeat("x", 1000)))
			}
			for _, rule := range tt.rules {
				check(t, d.hub.SetRetention(ctx, "alice", rule.URI, rule.Retention))
			}
			d.hub.retain(ctx)
			if diff := cmp.Diff(tt.want, left(t, d.hub)); diff != "" {
				t.Error(diff)
			}
			checkTallies(t, d.hub)
			if status := d.send(number("a", 999)); status != wire.StatusExecuted {
				t.Errorf("a write afterwards: %d", status)
			}
		})
	}
}

// checkTallies compares what the hub tells of sizes with what the store has.
func checkTallies(t *testing.T, h *Hub) {
	t.Helper()
	ctx := context.Background()
	details, err := h.Details(ctx, "alice", "")
	check(t, err)
	usage, err := h.Usage(ctx, "alice")
	check(t, err)
	var want Usage
	u := h.directory.user("alice")
	for _, x := range details {
		found, newest, err := h.measure(ctx, u.model.nodes[x.URI].series, metric.MinTime, metric.MaxTime)
		check(t, err)
		if x.Samples != found.samples || x.Bytes != found.bytes || found.samples > 0 && x.Last != newest {
			t.Errorf("%s: told %+v, stored %+v up to %v", x.URI, x, found, newest)
		}
		*map[metric.Kind]*int64{metric.KindDatapoint: &want.Datapoints, metric.KindDatasource: &want.Datasources}[x.Kind]++
		want.Samples += found.samples
		want.Bytes += found.bytes
	}
	usage.NumbersToday, usage.TextsToday = 0, 0
	if usage != want {
		t.Errorf("usage %+v, stored %+v", usage, want)
	}
}

// TestTalliesAgainstTheStore writes, overwrites, deletes and cuts at random on a store that fails now and then.
func TestTalliesAgainstTheStore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	s := &flaky{Store: memstore.New()}
	d := newDirect(t, s)
	ctx := context.Background()
	check(t, d.hub.SetRetention(ctx, "alice", "a.b", Retention{Count: 4}))
	check(t, d.hub.SetQuota(ctx, "alice", Quota{NumbersPerDay: 1 << 40, Bytes: 1 << 40}))
	for range 200 {
		for range r.IntN(20) {
			s.bad.Store(r.IntN(8) == 0)
			d.do(d.randomFrame(r))
		}
		if r.IntN(3) == 0 {
			d.hub.retain(ctx)
		}
		s.bad.Store(false)
		checkTallies(t, d.hub)
		if t.Failed() {
			return
		}
	}
}

func TestDetails(t *testing.T) {
	var c clock
	c.pass(1000 * time.Second)
	d := newDirectAt(t, memstore.New(), c.now)
	ctx := context.Background()
	d.write(number("cpu.user", 990), text("df", 990, "full"))
	d.write(number("cpu.user", 980))
	d.write(number("cpux", 1005))
	d.do(wire.AppendInfo(nil, d.seqs.Next(), "df", []metric.URI{"md0"}))
	all, err := d.hub.Details(ctx, "alice", "")
	check(t, err)
	got := make([]string, len(all))
	for i, x := range all {
		got[i] = fmt.Sprint(x.URI, " ", x.Kind, " ", x.Samples, " ", x.Value, " ", x.Age, " ", x.Supplies)
	}
	want := []string{"cpu.user datapoint 2 990 10s []", "cpux datapoint 1 1005 -5s []", "df datasource 1 full 10s [md0]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all, err = d.hub.Details(ctx, "alice", "alice:cpu"); err != nil || len(all) != 1 {
		t.Errorf("below cpu: %v, %v, want one metric", all, err)
	}
	if _, err := d.hub.Details(ctx, "bob", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestDeleteTree(t *testing.T) {
	s := &flaky{Store: memstore.New()}
	d := newDirect(t, s)
	ctx := context.Background()
	d.write(number("cpu", 1), number("cpu.user", 1), number("cpu.a.b", 1), number("cpux", 1))
	d.do(wire.AppendHook(nil, d.seqs.Next(), "cpu.user"))
	s.bad.Store(true)
	if _, err := d.hub.DeleteTree(ctx, "alice", "cpu"); !errors.Is(err, store.ErrUnavailable) || len(left(t, d.hub)) != 4 {
		t.Errorf("with a store that fails: %v, left %v", err, left(t, d.hub))
	}
	s.bad.Store(false)
	if n, err := d.hub.DeleteTree(ctx, "alice", "cpu"); n != 3 || err != nil {
		t.Errorf("deleted %d, %v, want 3", n, err)
	}
	if diff := cmp.Diff(map[metric.URI]int{"cpux": 1}, left(t, d.hub)); diff != "" {
		t.Error(diff)
	}
	if n, err := d.hub.DeleteTree(ctx, "alice", "cpu"); n != 0 || !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted %d again, %v, want ErrNotFound", n, err)
	}
	if _, err := d.hub.DeleteTree(ctx, "alice", ""); err == nil {
		t.Error("everything was deleted")
	}
	if len(d.conn.session.hooks) != 1 {
		t.Error("the hook is gone, want it pending")
	}
	checkTallies(t, d.hub)
}
