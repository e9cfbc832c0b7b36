package actors_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// The tests of contract_*_test.go hold the contracts of the whole system: real sessions, a real hub, in one bubble
// of testing/synctest. docs/contracts.md says which test holds which.

// world is a hub in a bubble, and what a test does with it.
type world struct {
	*hubtest.Hub
	t testing.TB
}

// inWorld runs a test in a bubble with a hub of its own.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// An actor that is told to stop twice, while it stops, makes a dead letter, for which protoactor keeps a
		// goroutine for a second. Nothing else outlives what the tests close.
		t.Cleanup(func() { time.Sleep(2 * time.Second) })
		f(t, &world{Hub: hubtest.Start(t, hub.Config{MemoryStore: true}), t: t})
	})
}

// peer is one session with its network and its events.
type peer struct {
	*actors.Session
	*journal
	net *lines
	w   *world
}

// settle waits, in the bubble, until nothing moves any more but by the passing of time.
func settle() { synctest.Wait() }

// pass lets time pass in the bubble, and everything that it moves end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// doze lets time pass in the bubble, on any goroutine of it: in a run, say.
func doze(d time.Duration) { time.Sleep(d) }

// join opens a session for a user, whom it makes if need be; it is closed with the test.
func (w *world) join(user string, impulses ...impulse.Impulse) *peer {
	w.t.Helper()
	return w.joinWith(user, nil, impulses...)
}

// joinWith is join with a changed configuration.
func (w *world) joinWith(user string, change func(*actors.Config), impulses ...impulse.Impulse) *peer {
	w.t.Helper()
	p, err := w.try(w.t.Context(), user, change, impulses...)
	if err != nil {
		w.t.Fatalf("open as %s: %v", user, err)
	}
	return p
}

// try opens a session that may not come about.
func (w *world) try(ctx context.Context, user string, change func(*actors.Config), impulses ...impulse.Impulse) (*peer, error) {
	p := &peer{journal: &journal{}, net: &lines{dial: w.DialContext}, w: w}
	return p, p.open(ctx, user, change, impulses...)
}

// joinOver opens a session over a network that the test has prepared.
func (w *world) joinOver(p *peer, user string, impulses ...impulse.Impulse) *peer {
	w.t.Helper()
	if err := p.open(w.t.Context(), user, nil, impulses...); err != nil {
		w.t.Fatalf("open as %s: %v", user, err)
	}
	return p
}

func (p *peer) open(ctx context.Context, user string, change func(*actors.Config), impulses ...impulse.Impulse) error {
	w := p.w
	config := actors.Config{Username: user, Key: w.User(user), Dial: p.net.DialContext, Events: p.journal.events()}
	if change != nil {
		change(&config)
	}
	session, err := actors.Open(ctx, config, impulses...)
	if err != nil {
		return err
	}
	p.Session = session
	w.t.Cleanup(func() { _ = session.Close() })
	return nil
}

// send sends samples and waits until they are answered for and have had their effect.
func (p *peer) send(samples ...metric.Sample) {
	p.w.t.Helper()
	if err := p.Send(p.w.t.Context(), samples...); err != nil {
		p.w.t.Fatalf("send: %v", err)
	}
	if err := p.Flush(p.w.t.Context()); err != nil {
		p.w.t.Fatalf("flush: %v", err)
	}
	settle()
}

// bind binds impulses.
func (p *peer) bind(impulses ...impulse.Impulse) *actors.Binding {
	p.w.t.Helper()
	b, err := p.Bind(p.w.t.Context(), impulses...)
	if err != nil {
		p.w.t.Fatalf("bind: %v", err)
	}
	return b
}

// history returns the values of a metric at the hub, the oldest first.
func (p *peer) history(uri metric.URI) string {
	p.w.t.Helper()
	var all []string
	for s, err := range p.History(p.w.t.Context(), uri, actors.Range{}) {
		if err != nil {
			p.w.t.Fatalf("history of %s: %v", uri, err)
		}
		all = append(all, s.Value.String())
	}
	slices.Reverse(all)
	return strings.Join(all, " ")
}

// counters returns those of one impulse, and checks that they balance.
func (p *peer) counters(name string) impulse.Counters {
	p.w.t.Helper()
	for _, i := range p.Stats().Impulses {
		if i.Name == name {
			if !i.Counters.Balanced() {
				p.w.t.Errorf("counters of %s do not balance: %+v", name, i.Counters)
			}
			return i.Counters
		}
	}
	p.w.t.Fatalf("no impulse %s", name)
	return impulse.Counters{}
}

// infinite returns how many samples a window has counted that no float64 holds, asked of its actor.
func (p *peer) infinite(uri metric.URI) uint64 {
	p.w.t.Helper()
	state, ok := actors.WindowOf(p.Session, uri)
	if !ok {
		p.w.t.Fatalf("no window of %s", uri)
	}
	return state.Stats.Infinite
}

// dp is a sample of a number, now; every call is a millisecond's later than the one before, in the bubble.
func dp[N metric.Number](uri metric.URI, v N) metric.Sample {
	return metric.Datapoint(uri, now(), v)
}

// dpAt is a sample of a number some time after, or before, now.
func dpAt[N metric.Number](uri metric.URI, after time.Duration, v N) metric.Sample {
	return metric.Datapoint(uri, time.Now().Add(after), v)
}

// now returns the bubble's time and lets a millisecond pass.
func now() time.Time {
	t := time.Now()
	time.Sleep(time.Millisecond)
	return t
}

// journal notes a session's events as lines "kind: text". Safe for concurrent use.
type journal struct {
	mu       sync.Mutex
	lines    []string
	states   []actors.StateChange
	rejected []actors.Rejection
	loops    []actors.LoopStopped
	denied   []actors.HookDenied
	breakers []actors.BreakerChange
	failed   []actors.RunFailure
	block    chan struct{} // when set, callbacks wait for it
}

func (j *journal) events() actors.Events {
	return actors.Events{
		State:       func(e actors.StateChange) { note(j, "state", e, &j.states) },
		Rejected:    func(e actors.Rejection) { note(j, "rejected", e, &j.rejected) },
		Foreign:     func(e actors.ForeignWrite) { note(j, "foreign", e, nil) },
		Failed:      func(e actors.RunFailure) { note(j, "failed", e, &j.failed) },
		Breaker:     func(e actors.BreakerChange) { note(j, "breaker", e, &j.breakers) },
		Loop:        func(e actors.LoopStopped) { note(j, "loop", e, &j.loops) },
		HookDenied:  func(e actors.HookDenied) { note(j, "denied", e, &j.denied) },
		Overwrite:   func(e actors.Overwrite) { note(j, "overwrite", e, nil) },
		Memory:      func(e actors.MemoryPressure) { note(j, "memory", e, nil) },
		KindChanged: func(e actors.KindChange) { note(j, "kind", e, nil) },
		Discarded:   func(e actors.Discarded) { note(j, "discarded", e, nil) },
		Malformed:   func(e actors.Malformed) { note(j, "malformed", e, nil) },
		Restarted:   func(e actors.Restart) { note(j, "restarted", e, nil) },
	}
}

func note[E fmt.Stringer](j *journal, kind string, e E, list *[]E) {
	j.mu.Lock()
	j.lines = append(j.lines, kind+": "+e.String())
	if list != nil {
		*list = append(*list, e)
	}
	block := j.block
	j.mu.Unlock()
	if block != nil {
		<-block
	}
}

// noted returns the lines of a kind, all for "".
func (j *journal) noted(kind string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if strings.HasPrefix(l, kind) {
			lines = append(lines, l)
		}
	}
	return lines
}

// path returns the states since the beginning: "authenticating syncing live".
func (j *journal) path() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var names []string
	for _, s := range j.states {
		names = append(names, s.To.String())
	}
	return strings.Join(names, " ")
}

// recorder is an impulse's function that notes its runs. Safe for concurrent use.
type recorder struct {
	mu   sync.Mutex
	runs []seen
	// before, if set, is called in each run before it looks at anything, after with what it saw.
	before func(u *impulse.Update)
	after  func(u *impulse.Update, s seen) error
}

// seen is what one run saw.
type seen struct {
	number  uint64
	merged  int
	cause   impulse.Cause
	updated string // "cpu=1 mem=2"
	views   string // "cpu:[1 2] mem:[]"
}

func (s seen) String() string {
	return fmt.Sprintf("%s(%s) %s", s.cause, s.updated, s.views)
}

// do implements impulse.Func.
func (r *recorder) do(_ context.Context, u *impulse.Update) error {
	if r.before != nil {
		r.before(u)
	}
	s := look(u)
	r.mu.Lock()
	r.runs = append(r.runs, s)
	r.mu.Unlock()
	if r.after != nil {
		return r.after(u, s)
	}
	return nil
}

// look notes everything an Update shows.
func look(u *impulse.Update) seen {
	s := seen{number: u.Number(), merged: u.Merged(), cause: u.Cause()}
	var updated, views []string
	for sample := range u.Updated() {
		updated = append(updated, string(sample.URI)+"="+sample.Value.String())
	}
	for _, uri := range u.URIs() {
		views = append(views, string(uri)+":"+show(u, uri))
	}
	s.updated, s.views = strings.Join(updated, " "), strings.Join(views, " ")
	return s
}

// show returns a view as "[1 2 3]".
func show(u *impulse.Update, uri metric.URI) string {
	values := []float64{}
	for _, v := range u.View(uri).All() {
		values = append(values, v)
	}
	return fmt.Sprint(values)
}

// all returns the runs so far.
func (r *recorder) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.runs)
}

func (r *recorder) last() seen {
	if all := r.all(); len(all) > 0 {
		return all[len(all)-1]
	}
	return seen{}
}

// updates returns what updated each run, joined by " | ".
func (r *recorder) updates() string {
	var all []string
	for _, s := range r.all() {
		all = append(all, s.updated)
	}
	return strings.Join(all, " | ")
}

// impulse declares an impulse that records.
func (r *recorder) impulse(name string, uris ...metric.URI) impulse.Impulse {
	return impulse.Impulse{Name: name, On: impulse.URIs(uris...), Do: r.do, Past: impulse.Past{Delta: time.Hour}}
}

// forward declares an impulse that emits each number it is given, plus one, as another metric.
func forward(name string, from, to metric.URI) impulse.Impulse {
	return impulse.Impulse{Name: name, On: impulse.URIs(from), Do: func(_ context.Context, u *impulse.Update) error {
		for s := range u.Updated() {
			u.Emit(metric.Datapoint(to, s.When().Add(time.Millisecond), s.Float()+1))
		}
		return nil
	}}
}

// pushed returns a notification as a hub would send it.
func pushed(at time.Time, items string) string {
	return fmt.Sprintf(`{"v": 1, "action": "send_multi_data", "seq": "%s", "irt": null, "payload": {"t": "%s", "uris": [%s]}}`,
		wire.NewSeqSource(nil).Next(), metric.NewTimeUUID(metric.TicksOf(at), metric.PlainLow), items)
}

// stranger returns a key that nobody has authorised for the user.
func stranger(w *world, user string) *connection.Key {
	for n := range 3 {
		if k := hubtest.Key(n); k != w.User(user) {
			return k
		}
	}
	return nil
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
