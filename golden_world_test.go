package komstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// storeWorld is the state of one sequence.
type storeWorld struct {
	t     *testing.T
	rules *storeBook
	seq   storeSequence
	hub   *hubtest.Hub
	net   *breakable

	agent, rest *komstream.Session
	friend      *komstream.Session // another user's, who may read the metric
	hooks       int                // impulses that the agent has bound
	hook        *listener          // the last of them
	heard       *listener          // of the rest of the world
	steps       chan func(*impulse.Update) error

	// model is what a store without faults holds: the oracle of the windows, and of what has no golden result.
	model   map[metric.TimeUUID]string
	cut     map[metric.TimeUUID]string // the model when the transaction began, nil outside of one
	refused map[metric.TimeUUID]bool   // times of samples that the original took and we do not
	ticks   int
}

const (
	tickURI = metric.URI("tick")    // makes the impulses run that are to show their windows
	playURI = metric.URI("perform") // makes the transaction run
)

// newStoreWorld starts the hub and opens the sessions, in the bubble of the sequence.
func newStoreWorld(t *testing.T, s storeSequence, rules *storeBook) *storeWorld {
	// The bubble's time starts in 2000; the samples of the vectors are of 2017 and belong to the past.
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	s.URI = s.URI.For("alice")
	w := &storeWorld{
		t: t, rules: rules, seq: s, hub: hubtest.Start(t, hub.Config{MemoryStore: true}),
		steps: make(chan func(*impulse.Update) error), model: map[metric.TimeUUID]string{}, refused: map[metric.TimeUUID]bool{},
	}
	w.net = &breakable{dial: w.hub.DialContext}
	w.agent, w.rest = w.open("alice", w.net.DialContext), w.open("alice", w.hub.DialContext)
	w.friend = w.open("bob", w.hub.DialContext)
	w.must(w.hub.Share(t.Context(), "alice", s.URI, "bob"))
	w.heard = w.listen(w.rest, "heard")
	w.bind(w.agent, impulse.Impulse{
		Name: "transaction", On: impulse.URIs(playURI, s.URI), Past: forever, AllowLoops: true,
		Do: func(_ context.Context, u *impulse.Update) error { return w.perform(u) },
	})
	return w
}

var forever = impulse.Past{Delta: 50 * 365 * 24 * time.Hour}

func (w *storeWorld) open(user string, dial func(context.Context, string, string) (net.Conn, error)) *komstream.Session {
	w.t.Helper()
	s, err := komstream.Open(w.t.Context(), komstream.Config{Username: user, Key: w.hub.User(user), Dial: dial})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return s
}

func (w *storeWorld) bind(s *komstream.Session, i impulse.Impulse) {
	w.t.Helper()
	if _, err := s.Bind(w.t.Context(), i); err != nil {
		w.t.Fatal(err)
	}
}

// listener is an impulse on the metric that notes what made it run and shows its window.
type listener struct {
	mu      sync.Mutex
	samples []metric.Sample
	view    window.View
}

func (w *storeWorld) listen(s *komstream.Session, name string) *listener {
	w.t.Helper()
	l := &listener{}
	w.bind(s, impulse.Impulse{
		Name: name, On: impulse.URIs(w.seq.URI, tickURI), Past: forever,
		Do: func(_ context.Context, u *impulse.Update) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.view = u.View(w.seq.URI).Clone()
			for sample := range u.Updated() {
				if sample.URI == w.seq.URI {
					l.samples = append(l.samples, sample)
				}
			}
			return nil
		},
	})
	return l
}

// take returns the samples noted since the last call.
func (l *listener) take() []metric.Sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.samples
	l.samples = nil
	return taken
}

func (w *storeWorld) run() {
	for i := range w.seq.Ops {
		op := &w.seq.Ops[i]
		op.ending = op.End.word
		w.step(op)
		if w.t.Failed() {
			w.t.Fatalf("this was step %d, %s", i, op.Op)
		}
	}
	fresh := w.listen(w.rest, "fresh")
	w.compare("window loaded afresh", w.show(fresh, nil, nil, 0), w.slice(nil, nil, 0))
}

// step does one step. It runs in the bubble, where waiting for the reconnect takes no time.
func (w *storeWorld) step(op *storeOp) {
	switch op.Op {
	case "remote":
		for _, row := range op.Rows {
			var at metric.TimeUUID
			w.must(json.Unmarshal(row[0], &at))
			w.send(w.rest, at, row[1])
		}
		synctest.Wait()
	case "insert":
		w.rules.note(ruleInsert)
		w.insert(op)
	case "hook":
		w.bindHook()
	case "update", "notification":
		w.update(op)
	case "get":
		w.get(op)
	case "clear_synced", "disconnect":
		w.net.cut()
		for w.agent.State() != komstream.StateLive || w.net.live() == 0 {
			time.Sleep(time.Second)
		}
		synctest.Wait()
	case "transaction":
		w.transaction(op)
	default:
		w.t.Fatalf("step %q is not known", op.Op)
	}
}

func (w *storeWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *storeWorld) bindHook() {
	w.hooks++
	w.hook = w.listen(w.agent, fmt.Sprintf("hook%d", w.hooks))
}

// send sends one sample and reports whether it could be. The model takes it, too.
func (w *storeWorld) send(s *komstream.Session, at metric.TimeUUID, v json.RawMessage) bool {
	w.t.Helper()
	sample := w.sample(at, v)
	if err := s.Send(w.t.Context(), sample); err != nil {
		var invalid *metric.InvalidError
		if !errors.As(err, &invalid) {
			w.t.Fatalf("send %s: %v", v, err)
		}
		return false
	}
	w.must(s.Flush(w.t.Context()))
	synctest.Wait()
	w.model[at] = sample.Value.String()
	return true
}

// sample makes a sample of a JSON value as a program would: numbers by their type, everything else by its text.
func (w *storeWorld) sample(at metric.TimeUUID, v json.RawMessage) metric.Sample {
	var s metric.Sample
	var text string
	var whole int64
	var float float64
	isText := v[0] == '"' && json.Unmarshal(v, &text) == nil
	switch {
	case w.seq.Type == "d" && isText:
		s = metric.Datasource(w.seq.URI, at.Time(), text)
	case isText:
		s = metric.Datapoint(w.seq.URI, at.Time(), text)
	case string(v) != "null" && json.Unmarshal(v, &whole) == nil:
		s = metric.Datapoint(w.seq.URI, at.Time(), whole)
	case strings.ContainsAny(string(v), ".eE") && json.Unmarshal(v, &float) == nil:
		s = metric.Datapoint(w.seq.URI, at.Time(), float)
	default:
		s = metric.Datapoint(w.seq.URI, at.Time(), string(v))
	}
	s.Time = at // what is finer than a millisecond
	return s
}

func (w *storeWorld) insert(op *storeOp) {
	want := !op.Rejected
	w.rules.accept(w.seq.Type, op.V, &want)
	if got := w.send(w.agent, *op.T, op.V); got != want {
		w.t.Errorf("insert %s: sent %v, want %v", op.V, got, want)
	}
	if want == op.Rejected {
		delete(w.model, *op.T)
		w.refused[*op.T] = true
	}
}

func (w *storeWorld) update(op *storeOp) {
	if w.hook == nil {
		w.bindHook()
	}
	w.hook.take()
	want := op.Fires
	w.rules.fire(&want)
	if !w.send(w.rest, *op.T, op.V) {
		w.t.Fatalf("update %s is refused", op.V)
	}
	got := w.hook.take()
	if fired := len(got) == 1 && got[0].Time == *op.T; fired != want || len(got) > 1 {
		w.t.Errorf("update of %s to %s: fired with %v, want fired %v", op.T, op.V, got, want)
	}
}

// get compares what the metric's history and its windows give with the golden result.
func (w *storeWorld) get(op *storeOp) {
	from, to, count := op.bounds()
	want := w.golden(op)
	if w.rules.raise(op) {
		want = w.slice(from, to, count)
	}
	if len(op.Requests) > 0 {
		w.rules.note(ruleRequests)
	}
	reversed := w.rules.reverse(from, to)
	uri := w.seq.URI
	for name, reader := range map[string]struct {
		s   *komstream.Session
		uri metric.URI
	}{
		"the agent": {w.agent, uri}, "another session": {w.rest, "alice:" + uri}, "a friend": {w.friend, "alice:" + uri},
	} {
		got, err := w.history(reader.s, reader.uri, from, to, count)
		if (err != nil) != reversed {
			w.t.Errorf("history of %s: %v, want an error %v", name, err, reversed)
		}
		w.compare("history of "+name, got, want)
	}
	w.compare("model", w.slice(from, to, count), want)
	if w.hook != nil {
		w.compare("window", w.show(w.hook, from, to, count), want)
	}
}

// golden is what the store should have given: "time=value", in order.
func (w *storeWorld) golden(op *storeOp) (rows []string) {
	result := op.Result
	if op.Ideal != nil {
		result = *op.Ideal
	}
	for _, row := range result {
		var at metric.TimeUUID
		w.must(json.Unmarshal(row[0], &at))
		if w.refused[at] {
			continue
		}
		rows = append(rows, w.row(at, valueText(row[1])))
	}
	return rows
}

// valueText returns the text of a JSON string, or the JSON itself.
func valueText(v json.RawMessage) (s string) {
	if json.Unmarshal(v, &s) != nil {
		return string(v)
	}
	return s
}

// row writes a value so that equal numbers have equal texts. The original's store holds float64, as windows do.
func (w *storeWorld) row(at metric.TimeUUID, value string) string {
	if w.seq.Type != "d" {
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			value = fmt.Sprint(f + 0) // zero has no sign
		}
	}
	return at.String() + "=" + value
}

// slice is the model's answer: the newest count rows in [from, to], 0 for all.
func (w *storeWorld) slice(from, to *metric.TimeUUID, count int) (rows []string) {
	model := w.model
	if w.cut != nil {
		model = w.cut
	}
	times := make([]metric.TimeUUID, 0, len(model))
	for at := range model {
		if (from == nil || at.Compare(*from) >= 0) && (to == nil || at.Compare(*to) <= 0) {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, metric.TimeUUID.Compare)
	if count > 0 && len(times) > count {
		times = times[len(times)-count:]
	}
	for _, at := range times {
		rows = append(rows, w.row(at, model[at]))
	}
	return rows
}

func (w *storeWorld) history(
	s *komstream.Session, uri metric.URI, from, to *metric.TimeUUID, count int,
) (rows []string, failed error) {
	r := komstream.Range{Last: count}
	if from != nil {
		r.From = from.Time()
	}
	if to != nil {
		r.To = to.Time()
	}
	for sample, err := range s.History(w.t.Context(), uri, r) {
		switch {
		case errors.Is(err, komstream.ErrNotFound) && len(w.model) == 0: // nothing was ever written
		case err != nil:
			return nil, err
		default:
			rows = append(rows, w.row(sample.Time, sample.Value.String()))
		}
	}
	slices.Reverse(rows)
	return rows, nil
}

// show makes a listener run on something else and reads its window.
func (w *storeWorld) show(l *listener, from, to *metric.TimeUUID, count int) []string {
	w.t.Helper()
	w.tick(tickURI)
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.rowsOf(l.view, from, to, count)
}

func (w *storeWorld) tick(uri metric.URI) {
	w.t.Helper()
	w.ticks++
	w.must(w.rest.Send(w.t.Context(), metric.Datapoint(uri, time.Now().Add(time.Duration(w.ticks)*time.Millisecond), w.ticks)))
	w.must(w.rest.Flush(w.t.Context()))
	synctest.Wait()
}

func (w *storeWorld) rowsOf(v window.View, from, to *metric.TimeUUID, count int) (rows []string) {
	low, high := metric.Ticks(math.MinInt64), metric.Ticks(math.MaxInt64)
	if from != nil {
		low = from.Ticks()
	}
	if to != nil {
		high = to.Ticks()
	}
	v = v.BetweenTicks(low, high)
	if count > 0 {
		v = v.Tail(count)
	}
	for p := range v.Points() {
		value := p.Text
		if v.Kind() == metric.KindDatapoint {
			value = fmt.Sprint(p.Value)
		}
		rows = append(rows, w.row(p.Time, value))
	}
	return rows
}

func (w *storeWorld) compare(what string, got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

// transaction runs the steps inside one run of an impulse.
func (w *storeWorld) transaction(op *storeOp) {
	w.heard.take()
	w.tick(playURI)
	w.cut = maps.Clone(w.model)
	defer func() { w.cut = nil }()
	written := map[metric.TimeUUID]string{}
	done := make(chan struct{})
	do := func(f func(u *impulse.Update) error) {
		w.steps <- func(u *impulse.Update) error { defer func() { done <- struct{}{} }(); return f(u) }
		<-done
	}
	for _, inner := range op.Ops {
		if inner.Op == "update" { // it comes while the function runs, which does not see it
			w.send(w.rest, *inner.T, inner.V)
			w.heard.take()
			continue
		}
		do(func(u *impulse.Update) error { w.inside(u, &inner, written); return nil })
	}
	commit := op.ending == "commit"
	do(func(*impulse.Update) error {
		if commit {
			return errCommit
		}
		return errAbort
	})
	synctest.Wait()
	if commit {
		for at, value := range written {
			w.model[at] = value
		}
	}
	var got, want []string
	for _, s := range w.heard.take() {
		got = append(got, w.row(s.Time, s.Value.String()))
	}
	for _, group := range op.Sent {
		for _, s := range group {
			if s.URI == w.seq.URI {
				want = append(want, w.row(s.T, valueText(s.V)))
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	w.compare("sent by the transaction", got, want)
}

// How the transaction's function is told to end.
var errCommit, errAbort = errors.New("commit"), errors.New("abort")

func (w *storeWorld) perform(u *impulse.Update) error {
	mine := false
	for s := range u.Updated() {
		mine = mine || s.URI == playURI
	}
	if !mine {
		return nil
	}
	for f := range w.steps {
		if err := f(u); errors.Is(err, errCommit) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (w *storeWorld) inside(u *impulse.Update, op *storeOp, written map[metric.TimeUUID]string) {
	switch op.Op {
	case "get":
		from, to, count := op.bounds()
		want := w.golden(op)
		if w.rules.ownWrites(written) {
			want = w.slice(from, to, count)
		}
		w.compare("window in a run", w.rowsOf(u.View(w.seq.URI), from, to, count), want)
	case "insert":
		s := w.sample(*op.T, op.V)
		want := !op.Rejected
		w.rules.accept(w.seq.Type, op.V, &want)
		if got := s.Check() == nil; got != want {
			w.t.Errorf("insert %s in a run: %v, want accepted %v", op.V, s.Check(), want)
		} else if got {
			u.Emit(s)
			written[*op.T] = s.Value.String()
		}
	default:
		w.t.Errorf("step %q in a transaction is not known", op.Op)
	}
}

// breakable is a network whose connections a test can cut.
type breakable struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	mu    sync.Mutex
	conns []net.Conn
}

func (b *breakable) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := b.dial(ctx, network, address)
	if err == nil {
		b.mu.Lock()
		b.conns = append(b.conns, c)
		b.mu.Unlock()
	}
	return c, err
}

func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

// live returns how many connections were made since the last cut.
func (b *breakable) live() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}
