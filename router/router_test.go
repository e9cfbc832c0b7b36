package router_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"github.com/komstream/komstream/window"
)

func message(via []metric.Origin, ids ...window.ID) *impulse.Message {
	m := &impulse.Message{Via: via}
	for _, id := range ids {
		m.Rows = append(m.Rows, impulse.Row{ID: id})
	}
	return m
}

func origin(n int) metric.Origin { return metric.OriginOf("me", fmt.Sprint(n)) }

// flush returns what a Flush gives, as text: handle, then each trigger as its messages, its cut and what else is unusual.
func flush(r *router.Router) string {
	var given []string
	r.Flush(func(handle int32, triggers []impulse.Trigger) {
		s := fmt.Sprint(handle, ":")
		for i := range triggers {
			s += " " + describe(&triggers[i])
		}
		given = append(given, s)
	})
	return strings.Join(given, "; ")
}

func describe(t *impulse.Trigger) string {
	var list []string
	last := uint64(0)
	for m := range t.Messages() {
		list = append(list, fmt.Sprint(m.Number))
		last = m.Number
	}
	s := strings.Join(list, "+")
	if t.Cut != last {
		s += fmt.Sprintf("@%d", t.Cut)
	}
	if t.Cause == impulse.Refilled {
		s += "R"
	}
	if t.Count() != len(list) {
		s += fmt.Sprintf("(%d)", t.Count())
	}
	return s
}

func want(t *testing.T, r *router.Router, want string) {
	t.Helper()
	if got := flush(r); got != want {
		t.Fatalf("flush gave %q, want %q", got, want)
	}
}

func TestOneMessageIsOneTriggerOfEachImpulse(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1, 2, 3}})
	r.Add(1, router.Subscription{Windows: []window.ID{3}})
	r.Add(2, router.Subscription{Windows: []window.ID{4}})
	r.Route(message(nil, 1, 3, 2, 1)) // 1
	r.Route(message(nil, 9))          // 2: nobody's
	r.Route(message(nil, 3))          // 3
	r.Route(message(nil, 4, 1))       // 4
	want(t, &r, "0: 1 3 4; 1: 1 3; 2: 4")
	want(t, &r, "")
	r.Route(message(nil, 4))
	want(t, &r, "2: 5")
}

func TestNumbersContinueAnotherRoutersWork(t *testing.T) {
	var r router.Router
	r.SetNumber(41)
	r.Add(0, router.Subscription{Windows: []window.ID{0}})
	if got := r.Unflushed(); got != 42 {
		t.Errorf("unflushed from %d", got)
	}
	m := message(nil, 0)
	r.Route(m)
	r.Route(message(nil, 0))
	if m.Number != 42 || r.Number() != 43 || r.Unflushed() != 42 {
		t.Errorf("numbers %d, %d, unflushed from %d", m.Number, r.Number(), r.Unflushed())
	}
	r.Flush(func(int32, []impulse.Trigger) {
		if got := r.Unflushed(); got != 42 {
			t.Errorf("unflushed from %d while flushing", got)
		}
	})
	if got := r.Unflushed(); got != 44 {
		t.Errorf("unflushed from %d", got)
	}
}

func TestImpulseDoesNotFireOnItsDescendants(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1, 2}, Origin: origin(0)})
	r.Add(1, router.Subscription{Windows: []window.ID{1}, Origin: origin(1)})
	r.Add(2, router.Subscription{Windows: []window.ID{1}, Origin: origin(0), AllowLoops: true})
	r.Route(message([]metric.Origin{origin(7), origin(0)}, 1, 2))
	want(t, &r, "1: 1; 2: 1")
	r.Route(message([]metric.Origin{origin(0)}, 2, 1))
	r.Route(message(nil, 2))
	want(t, &r, "0: 3; 1: 2; 2: 2")
	if got, want := r.Counters(0), (impulse.Counters{Triggered: 2, Skipped: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRemoveDiscardsAndFreesTheHandle(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1, 1}, Origin: origin(0)})
	r.Add(1, router.Subscription{Windows: []window.ID{1}})
	r.Route(message(nil, 1))
	r.Route(message(nil, 1))
	r.Route(message([]metric.Origin{origin(0)}, 1))
	if got, want := r.Remove(0), (impulse.Counters{Triggered: 3, Skipped: 1, Discarded: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Route(message(nil, 1))
	want(t, &r, "0: 4; 1: 1 2 3 4")
	if got := r.Remove(0); got != (impulse.Counters{}) {
		t.Errorf("got %+v", got)
	}
	r.Remove(0)
	r.Remove(5)
	r.Route(message(nil, 1))
	want(t, &r, "1: 5")
	if got := r.Subscribers(1); !slices.Equal(got, []int32{1}) {
		t.Errorf("subscribers %v", got)
	}
	if got := r.Subscribers(99); got != nil {
		t.Errorf("subscribers %v", got)
	}
}

func TestAddPanicsOnAHandleInUse(t *testing.T) {
	for _, handle := range []int32{0, -1} {
		func() {
			var r router.Router
			r.Add(0, router.Subscription{})
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for handle %d", handle)
				}
			}()
			r.Add(handle, router.Subscription{})
		}()
	}
}

func TestFirstLoadHoldsAndMerges(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1, 2}})
	r.Add(1, router.Subscription{Windows: []window.ID{1}})
	r.Hold(0, 1, 2)
	r.Route(message(nil, 1))
	r.Route(message(nil, 2))
	want(t, &r, "1: 1") // the other impulse is not held
	r.Loaded(1, true)
	r.Route(message(nil, 2))
	want(t, &r, "")
	if got, want := r.Counters(0), (impulse.Counters{Triggered: 3, Coalesced: 2, Pending: 1}); got != want || !r.Holding(0) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r.Route(message(nil, 9)) // 4: shown by the held trigger's cut, as the windows were loaded after it
	r.Loaded(2, true)
	if got := r.Unflushed(); got != 4 || r.Holding(0) {
		t.Errorf("unflushed from %d", got)
	}
	r.Route(message(nil, 1))
	want(t, &r, "0: 1+2+3@4 5; 1: 5")
}

func TestFirstLoadWithoutMessagesIsNoTrigger(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Hold(0, 1)
	r.Loaded(1, true)
	r.Loaded(1, true)
	r.LoadedFor(0, 1, true)
	r.LoadedFor(9, 1, true)
	want(t, &r, "")
}

func TestReload(t *testing.T) {
	tests := []struct {
		name     string
		sub      router.Subscription
		changed  bool
		messages int
		want     string
	}{
		{"changed", router.Subscription{}, true, 0, "0: @1R(1)"},
		{"changed, with messages", router.Subscription{}, true, 2, "0: 2+3R(3)"},
		{"unchanged", router.Subscription{}, false, 0, ""},
		{"unchanged, with messages", router.Subscription{}, false, 2, "0: 2+3R"},
		{"live only, changed", router.Subscription{LiveOnly: true}, true, 0, ""},
		{"live only, with messages", router.Subscription{LiveOnly: true}, true, 2, "0: 2+3"},
		{"cold, changed", router.Subscription{RunCold: true}, true, 0, "0: @1R(1)"},
		{"cold, with messages", router.Subscription{RunCold: true}, true, 2, "0: 2 3 @3R(1)"},
		{"cold, unchanged", router.Subscription{RunCold: true}, false, 1, "0: 2"},
	}
	for _, test := range tests {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, ", new router ", restarted), func(t *testing.T) {
				var r router.Router
				test.sub.Windows, test.sub.Reload = []window.ID{1, 2}, restarted
				r.Add(0, test.sub)
				if !restarted {
					r.Hold(0, 1, 2)
					r.Loaded(1, true)
					r.Loaded(2, true)
				}
				r.Route(message(nil, 9))
				want(t, &r, "")
				r.Hold(0, 1)
				r.Hold(0, 2)
				for range test.messages {
					r.Route(message(nil, 1))
				}
				r.Loaded(1, test.changed)
				r.Loaded(2, false)
				want(t, &r, test.want)
				r.Route(message(nil, 1))
				want(t, &r, fmt.Sprint("0: ", r.Number()))
			})
		}
	}
}

func TestColdImpulseRunsWhileItsWindowsLoad(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}, RunCold: true})
	r.Hold(0, 1)
	r.Route(message(nil, 1))
	want(t, &r, "0: 1")
	r.Loaded(1, true)
	want(t, &r, "")
}

func TestHoldDoesNotHoldWhatCameBefore(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Route(message(nil, 1))
	r.Route(message(nil, 1))
	r.Hold(0, 1)
	r.Route(message(nil, 1))
	r.Route(message(nil, 1))
	want(t, &r, "0: 1 2")
	r.Loaded(1, false)
	r.Route(message(nil, 1))
	r.Hold(0, 1)
	r.Route(message(nil, 1))
	want(t, &r, "0: 3+4 5")
	r.Hold(5, 1)
	r.Hold(0)
}

func TestBindThatWidensAWindowHoldsOnlyTheNewImpulse(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Add(1, router.Subscription{Windows: []window.ID{1}})
	r.Hold(1, 1)
	r.Route(message(nil, 1))
	want(t, &r, "0: 1")
	r.Loaded(1, true)
	want(t, &r, "1: 1")
}

func TestRemoveDiscardsWhatIsHeld(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Hold(0, 1)
	r.Route(message(nil, 1))
	r.Route(message(nil, 1))
	want(t, &r, "")
	if got, want := r.Remove(0), (impulse.Counters{Triggered: 2, Coalesced: 1, Discarded: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	r.Loaded(1, true)
	want(t, &r, "")
}

func TestTriggersOutliveTheFlush(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	var kept []impulse.Trigger
	for range 3 {
		r.Route(message(nil, 1))
		r.Flush(func(_ int32, triggers []impulse.Trigger) { kept = append(kept, triggers...) })
	}
	for i := range kept {
		if got, want := describe(&kept[i]), fmt.Sprint(i+1); got != want {
			t.Errorf("trigger %d is %s", i, got)
		}
	}
}

func TestRouterLetsGoOfWhatItGave(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{1}})
	r.Add(1, router.Subscription{Windows: []window.ID{2}})
	var messages []weak.Pointer[impulse.Message]
	route := func(id window.ID) {
		m := message(nil, id)
		messages = append(messages, weak.Make(m))
		r.Route(m)
	}
	r.Hold(0, 1)
	route(1)
	route(1)
	r.Loaded(1, true)
	route(1)
	route(1)
	route(2)
	r.Flush(func(int32, []impulse.Trigger) {})
	runtime.GC()
	for n, m := range messages {
		if m.Value() != nil {
			t.Errorf("message %d is held", n+1)
		}
	}
	runtime.KeepAlive(&r)
}

func TestMemoryOfABurstIsGivenBack(t *testing.T) {
	var r router.Router
	for h := range int32(1000) {
		r.Add(h, router.Subscription{Windows: []window.ID{1}})
	}
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := memory()
	cycle := func(messages int) {
		for range messages {
			r.Route(message(nil, 1))
		}
		r.Flush(func(int32, []impulse.Trigger) {})
	}
	cycle(1000)
	if burst := memory(); burst < before+8<<20 {
		t.Errorf("a burst takes %d bytes", burst-before)
	}
	for range 100 {
		cycle(1)
	}
	if after := memory(); after > before+1<<20 {
		t.Errorf("%d bytes are left of a burst", after-before)
	}
	runtime.KeepAlive(&r)
}

func TestRouteAndFlushDoNotAllocate(t *testing.T) {
	for _, shape := range []struct{ impulses, windows, rows, batch int }{{1000, 1, 1, 1}, {1, 1000, 10, 64}, {1000, 1, 1, 64}} {
		var r router.Router
		ids := make([]window.ID, shape.windows)
		for i := range ids {
			ids[i] = window.ID(i)
		}
		for h := range shape.impulses {
			r.Add(int32(h), router.Subscription{Windows: ids, Origin: origin(h)})
		}
		m := message([]metric.Origin{origin(-1)}, ids[:shape.rows]...)
		given := 0
		give := func(_ int32, triggers []impulse.Trigger) { given += len(triggers) }
		cycle := func() {
			for range shape.batch {
				r.Route(m)
			}
			r.Flush(give)
		}
		cycle()
		if n := testing.AllocsPerRun(50, cycle); n != 0 {
			t.Errorf("%+v: %v allocations", shape, n)
		}
	}
}

// TestUpdatedYieldsTheRowsOfTheImpulse checks the span of rows that a trigger is given.
func TestUpdatedYieldsTheRowsOfTheImpulse(t *testing.T) {
	var r router.Router
	r.Add(0, router.Subscription{Windows: []window.ID{3, 5}})
	r.Route(message(nil, 1, 5, 2, 5, 3, 4))
	var got []metric.URI
	runner, err := impulse.NewRunner(impulse.RunnerConfig{
		Impulse: impulse.Impulse{Name: "x", On: impulse.URIs("three", "five"), Do: func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				got = append(got, s.URI)
			}
			return nil
		}},
		Windows: []window.ID{3, 5}, Views: noViews{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Flush(func(_ int32, triggers []impulse.Trigger) { runner.Run(context.Background(), &triggers[0]) })
	if !slices.Equal(got, []metric.URI{"five", "five", "three"}) {
		t.Errorf("updated %v", got)
	}
}

type noViews struct{}

func (noViews) ViewAt(int, uint64) window.View { return window.View{} }
