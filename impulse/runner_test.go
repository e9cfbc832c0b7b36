package impulse_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 123_456_700, time.UTC)

// windows are the windows of a runner's inputs, in their order, and remember which views were asked for.
type windows struct {
	list  []*window.Window
	asked []int
}

func (w *windows) ViewAt(i int, cut uint64) window.View {
	w.asked = append(w.asked, i)
	return w.list[i].ViewAt(cut)
}

// bench is a runner with its windows; the window of input i has the id first+i.
type bench struct {
	*impulse.Runner
	windows
}

const first = 100

func newBench(t testing.TB, do impulse.Func, uris ...metric.URI) *bench {
	t.Helper()
	var b bench
	ids := make([]window.ID, len(uris))
	for i := range uris {
		ids[i] = window.ID(first + i)
		b.list = append(b.list, window.New(window.Config{Cuts: func(dst []uint64) ([]uint64, uint64) { return dst, 0 }}))
	}
	r, err := impulse.NewRunner(impulse.RunnerConfig{
		Impulse:  impulse.Impulse{Name: "sum", On: impulse.URIs(uris...), Do: do},
		Username: "Me", Windows: ids, Views: &b.windows, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Runner = r
	return &b
}

// message appends rows to the windows and returns the message with them. Ids that are no input's have no window.
func (b *bench) message(number uint64, values map[window.ID]float64) *impulse.Message {
	m := &impulse.Message{
		Number: number,
		Time:   metric.NewTimeUUID(metric.TicksOf(noon)+metric.Ticks(number), 0x8123456789abcdef),
		Seq:    metric.NewTimeUUID(metric.Ticks(number), 7),
	}
	for _, id := range slices.Sorted(keys(values)) {
		v, err := metric.NumberOf(values[id])
		if err != nil {
			panic(err)
		}
		m.Rows = append(m.Rows, impulse.Row{ID: id, Value: v})
		if i := int(id) - first; i >= 0 && i < len(b.list) {
			b.list[i].Append(number, m.Time, v, metric.TicksOf(noon))
		}
	}
	return m
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Run is the runner's, with a trigger and an outcome to keep.
func (b *bench) Run(ctx context.Context, t impulse.Trigger) impulse.Outcome {
	return *b.Runner.Run(ctx, &t)
}

func all(m *impulse.Message) impulse.Trigger { return impulse.NewTrigger(m, 0, len(m.Rows)) }

func texts(samples []metric.Sample) (list []string) {
	for _, s := range samples {
		list = append(list, string(s.URI)+"="+s.Value.String())
	}
	return list
}

func equal(t *testing.T, what string, got any, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func TestRunSeesItsCut(t *testing.T) {
	b := newBench(t, func(ctx context.Context, u *impulse.Update) error {
		equal(t, "impulse", u.Impulse(), "sum")
		equal(t, "cause", u.Cause(), impulse.Updated)
		equal(t, "number", u.Number(), 1)
		equal(t, "merged", u.Merged(), 1)
		equal(t, "now", u.Now(), noon)
		equal(t, "time", u.Time(), noon.Add(100))
		equal(t, "identity", u.TimeUUID().Low() == 0x8123456789abcdef, true)
		equal(t, "uris", u.URIs(), []metric.URI{"cpu", "disk", "friend:cpu"})
		equal(t, "updated", texts(slices.Collect(u.Updated())), "[cpu=1.5 friend:cpu=3]")
		equal(t, "others", slices.Collect(u.Others()), "[disk]")
		for _, uri := range []metric.URI{"cpu", "me:cpu", "ME:cpu"} {
			v := u.View(uri)
			equal(t, "view", v.Len(), 1)
			last, _ := v.Last()
			equal(t, "last", last.Value, 1.5)
		}
		equal(t, "view of a friend's", u.View("Friend:cpu").Len(), 1)
		if name, ok := impulse.FromContext(ctx); !ok || name != "sum" {
			t.Errorf("the context's mark is %q, %v", name, ok)
		}
		return nil
	}, "ME:cpu", "disk", "friend:cpu")
	m := b.message(1, map[window.ID]float64{100: 1.5, 102: 3, 7: 9})
	b.message(2, map[window.ID]float64{100: 2.5, 101: 1}) // later than the trigger's cut
	out := b.Run(context.Background(), all(m))
	if out.Err != nil || len(out.Samples) != 0 || out.Irt != m.Seq || out.Via != nil {
		t.Errorf("outcome %+v", out)
	}
	equal(t, "views taken", b.asked, []int{0, 2})
}

func TestMergedRunYieldsEverySampleInOrder(t *testing.T) {
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		equal(t, "updated", texts(slices.Collect(u.Updated())), "[a=1 b=2 a=3]")
		equal(t, "others", slices.Collect(u.Others()), "[c]")
		equal(t, "merged", u.Merged(), 3)
		equal(t, "time", u.Time(), noon.Add(300))
		equal(t, "view", u.View("a").Len(), 2)
		for range u.Updated() {
			break
		}
		for range u.Others() {
			break
		}
		return nil
	}, "a", "b", "c")
	trigger := all(b.message(1, map[window.ID]float64{100: 1}))
	trigger.Merge(all(b.message(2, map[window.ID]float64{101: 2})))
	trigger.Merge(all(b.message(3, map[window.ID]float64{100: 3})))
	if out := b.Run(context.Background(), trigger); out.Err != nil {
		t.Error(out.Err)
	}
}

func TestEachRunHasItsOwnOthers(t *testing.T) {
	var got []metric.URI
	b := newBench(t, func(_ context.Context, u *impulse.Update) error { got = slices.Collect(u.Others()); return nil }, "a", "b")
	b.Run(context.Background(), all(b.message(1, map[window.ID]float64{100: 1})))
	equal(t, "others", got, "[b]")
	b.Run(context.Background(), all(b.message(2, map[window.ID]float64{101: 1})))
	equal(t, "others", got, "[a]")
}

// TestNothingOfARunStaysReachable keeps the runner and its queue, and looks whether messages and windows are freed.
func TestNothingOfARunStaysReachable(t *testing.T) {
	b := newBench(t, func(_ context.Context, u *impulse.Update) error { u.View("a"); return nil }, "a")
	b.list[0] = window.New(window.Config{Past: impulse.Past{Count: 1}})
	p := impulse.NewPending(impulse.Impulse{Overload: impulse.Queue(2)})
	var messages []weak.Pointer[impulse.Message]
	for n := range uint64(6) {
		m := b.message(n+1, map[window.ID]float64{100: 1})
		messages = append(messages, weak.Make(m))
		p.Push(all(m))
	}
	shown := weak.Make(b.list[0])
	for {
		trigger, _ := p.Next(noon)
		if trigger == nil {
			break
		}
		b.Runner.Run(context.Background(), trigger)
		p.Done(noon, false)
	}
	b.list[0] = nil
	runtime.GC()
	for n, m := range messages {
		if m.Value() != nil {
			t.Errorf("message %d is held", n+1)
		}
	}
	if shown.Value() != nil {
		t.Error("the window is held")
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(b)
}

func TestRefilledRunHasTheTimeOfTheNewestSample(t *testing.T) {
	var got time.Time
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		equal(t, "cause", u.Cause(), impulse.Refilled)
		equal(t, "updated", len(slices.Collect(u.Updated())), 0)
		equal(t, "others", len(slices.Collect(u.Others())), 2)
		got = u.Time()
		return nil
	}, "a", "b")
	b.Run(context.Background(), impulse.Refill(0))
	equal(t, "time of empty windows", got, noon)
	b.message(5, map[window.ID]float64{101: 1})
	b.message(9, map[window.ID]float64{100: 1})
	b.Run(context.Background(), impulse.Refill(9))
	equal(t, "time", got, noon.Add(900))
	b.Run(context.Background(), impulse.Refill(5))
	equal(t, "time as of the cut", got, noon.Add(500))
}

func TestEmitCollectsUntilSuccess(t *testing.T) {
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		u.Emit(metric.Datapoint("x", u.Time(), 1), metric.Datapoint("me:y", u.Time(), 2))
		u.Emit(metric.Datapoint("ME:x", u.Time(), 3))
		u.Emit(metric.Datapoint("friend:x", u.Time(), 4))
		u.Emit(metric.Datasource("x", u.Time().Add(time.Second), "later"))
		u.Emit()
		return nil
	}, "a")
	out := b.Run(context.Background(), all(b.message(1, map[window.ID]float64{100: 1})))
	equal(t, "error", out.Err, nil)
	equal(t, "samples", texts(out.Samples), "[x=3 y=2 x=later]")
	equal(t, "foreign", texts(out.Foreign), "[friend:x=4]")
	equal(t, "replaced", out.Replaced, 1)
	equal(t, "via", out.Via, []metric.Origin{metric.OriginOf("me", "sum")})
	kept := slices.Clone(out.Samples)
	b.Run(context.Background(), all(b.message(2, map[window.ID]float64{100: 1})))
	equal(t, "samples after the next run", texts(out.Samples), texts(kept))
}

func TestFailedRunSendsNothing(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name string
		do   impulse.Func
		want []error
		text string
	}{
		{"error", func(context.Context, *impulse.Update) error { return boom }, []error{boom}, "boom"},
		{"panic", func(context.Context, *impulse.Update) error { panic("ouch") }, nil, "ouch"},
		{"panic with an error", func(context.Context, *impulse.Update) error { panic(boom) }, []error{boom}, "boom"},
		{"view of a metric not subscribed", func(_ context.Context, u *impulse.Update) error {
			if u.View("other:a").Len() != 0 || u.View("b").Len() != 0 {
				t.Error("the view is not empty")
			}
			return nil
		}, []error{impulse.ErrNotSubscribed}, `"other:a"`},
		{"bad number", func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("x", u.Time(), "1.x"))
			return nil
		}, []error{impulse.ErrBadEmit}, `"x"`},
		{"bad uri", func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("x y", u.Time(), 1), metric.Sample{URI: "z"})
			return nil
		}, []error{impulse.ErrBadEmit}, `"z"`},
		{"error and bad emit", func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Sample{})
			return boom
		}, []error{boom, impulse.ErrBadEmit}, "boom"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, func(ctx context.Context, u *impulse.Update) error {
				u.Emit(metric.Datapoint("good", u.Time(), 1))
				return test.do(ctx, u)
			}, "a")
			out := b.Run(context.Background(), all(b.message(1, map[window.ID]float64{100: 1})))
			if out.Err == nil || out.Samples != nil || out.Via != nil {
				t.Fatalf("outcome %+v", out)
			}
			for _, want := range test.want {
				if !errors.Is(out.Err, want) {
					t.Errorf("%v is not %v", out.Err, want)
				}
			}
			if !strings.Contains(out.Err.Error(), test.text) || !strings.Contains(out.Err.Error(), `"sum"`) {
				t.Errorf("error %q does not name %s", out.Err, test.text)
			}
			var p *impulse.PanicError
			if errors.As(out.Err, &p) != strings.HasPrefix(test.name, "panic") {
				t.Errorf("error %v", out.Err)
			}
			if p != nil && !strings.Contains(string(p.Stack), "runner_test.go") {
				t.Errorf("the stack does not show where:\n%s", p.Stack)
			}
		})
	}
}

func TestFailuresOfARunAreBounded(t *testing.T) {
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		for range 10_000 {
			u.Emit(metric.Sample{URI: "x"})
		}
		return nil
	}, "a")
	out := b.Run(context.Background(), impulse.Refill(0))
	if n := strings.Count(out.Err.Error(), impulse.ErrBadEmit.Error()); n != 8 {
		t.Errorf("%d failures", n)
	}
}

func TestRunAfterAFailureStartsAfresh(t *testing.T) {
	fail := true
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		u.Emit(metric.Datapoint("x", u.Time(), 1), metric.Datapoint("y:x", u.Time(), 1))
		if fail {
			u.View("b")
		}
		return nil
	}, "a")
	if out := b.Run(context.Background(), impulse.Refill(0)); out.Err == nil {
		t.Error("no error")
	}
	fail = false
	if out := b.Run(context.Background(), impulse.Refill(0)); out.Err != nil || len(out.Samples) != 1 || len(out.Foreign) != 1 {
		t.Errorf("outcome %+v", out)
	}
}

func TestRunAfterOneThatEndedItsGoroutine(t *testing.T) {
	end := true
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		u.Emit(metric.Datapoint("x", u.Time(), 1))
		if end {
			runtime.Goexit()
		}
		return nil
	}, "a")
	done := make(chan bool)
	go func() {
		defer close(done)
		b.Run(context.Background(), impulse.Refill(0))
		t.Error("Run returned")
	}()
	<-done
	end = false
	if out := b.Run(context.Background(), impulse.Refill(0)); out.Err != nil || len(out.Samples) != 1 || out.Replaced != 0 {
		t.Errorf("outcome %+v", out)
	}
}

func TestUpdateDiesWithItsRun(t *testing.T) {
	var kept []*impulse.Update
	b := newBench(t, func(_ context.Context, u *impulse.Update) error {
		kept = append(kept, u)
		return nil
	}, "a")
	uses := map[string]func(*impulse.Update){
		"Impulse": func(u *impulse.Update) { u.Impulse() }, "Time": func(u *impulse.Update) { u.Time() },
		"Cause": func(u *impulse.Update) { u.Cause() }, "Number": func(u *impulse.Update) { u.Number() },
		"Merged": func(u *impulse.Update) { u.Merged() }, "Now": func(u *impulse.Update) { u.Now() },
		"URIs": func(u *impulse.Update) { u.URIs() }, "View": func(u *impulse.Update) { u.View("a") },
		"Updated": func(u *impulse.Update) { u.Updated() }, "Others": func(u *impulse.Update) { u.Others() },
		"Emit": func(u *impulse.Update) { u.Emit() },
	}
	try := func(when string) {
		for name, use := range uses {
			func() {
				defer func() {
					if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "after its run returned") {
						t.Errorf("%s, %s: panic %v", when, name, v)
					}
				}()
				use(kept[0])
			}()
		}
	}
	for range 40 {
		b.Run(context.Background(), impulse.Refill(0))
	}
	try("between runs")
	b = newBench(t, func(context.Context, *impulse.Update) error { try("during another run"); return nil }, "a")
	b.Run(context.Background(), impulse.Refill(0))
}

func TestSequenceDiesWithItsRun(t *testing.T) {
	var updated func(func(metric.Sample) bool)
	b := newBench(t, func(_ context.Context, u *impulse.Update) error { updated = u.Updated(); return nil }, "a")
	b.Run(context.Background(), impulse.Refill(0))
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	for range updated {
	}
}

func TestViaIsTheTriggersAndTheImpulsesOwn(t *testing.T) {
	own := metric.OriginOf("me", "sum")
	other := func(n int) metric.Origin { return metric.OriginOf("other", fmt.Sprint(n)) }
	list := func(n int) (via []metric.Origin) {
		for i := range n {
			via = append(via, other(i))
		}
		return via
	}
	tests := []struct {
		name   string
		via    []metric.Origin
		merged []metric.Origin
		want   []metric.Origin
		full   bool
	}{
		{"none", nil, nil, []metric.Origin{own}, false},
		{"others", list(2), nil, append(list(2), own), false},
		{"itself among others", []metric.Origin{other(1), own, other(2)}, nil, []metric.Origin{other(1), own, other(2)}, false},
		{"merged", list(2), list(3), append(list(3), own), false},
		{"sixteen", list(15), nil, append(list(15), own), false},
		{"seventeen", list(16), nil, append(list(16), own), true},
		{"sixteen with itself", append(list(15), own), nil, append(list(15), own), false},
		{"merged to more", list(16), []metric.Origin{other(99)}, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			emit := true
			b := newBench(t, func(_ context.Context, u *impulse.Update) error {
				if emit {
					u.Emit(metric.Datapoint("x", u.Time(), 1))
				}
				return nil
			}, "a")
			m := b.message(1, map[window.ID]float64{100: 1})
			m.Via = test.via
			trigger := all(m)
			if test.merged != nil {
				m := b.message(2, map[window.ID]float64{100: 1})
				m.Via = test.merged
				trigger.Merge(all(m))
			}
			out := b.Run(context.Background(), trigger)
			if test.want != nil && !slices.Equal(out.Via, test.want) || out.ViaFull != test.full {
				t.Errorf("via %v, full %v; want %v, %v", out.Via, out.ViaFull, test.want, test.full)
			}
			if sent := len(out.Samples); sent == 1 == test.full || out.Withheld != 1-sent || out.Err != nil {
				t.Errorf("%d samples, %d withheld, %v", sent, out.Withheld, out.Err)
			}
			if emit = false; b.Run(context.Background(), all(m)).ViaFull {
				t.Error("a run that sends nothing has a full list")
			}
		})
	}
}

// TestEmitAgainstMap emits samples of few metrics and times at random and compares with a map.
func TestEmitAgainstMap(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		want := map[string]string{}
		var order []string
		replaced := 0
		b := newBench(t, func(_ context.Context, u *impulse.Update) error {
			for n := range rng.IntN(60) {
				uri := metric.URI("m").Child(string(rune('a' + rng.IntN(5))))
				when := noon.Add(time.Duration(rng.IntN(6)) * time.Millisecond)
				s := metric.Datapoint(uri, when, n)
				key := string(uri) + s.Time.String()
				if _, twice := want[key]; twice {
					replaced++
				} else {
					order = append(order, key)
				}
				want[key] = s.Value.String()
				u.Emit(s)
			}
			return nil
		}, "a")
		for range 3 {
			clear(want)
			order, replaced = nil, 0
			out := b.Run(context.Background(), impulse.Refill(0))
			if len(out.Samples) != len(order) || out.Replaced != replaced {
				t.Fatalf("seed %d: %d samples, %d replaced; want %d, %d", seed, len(out.Samples), out.Replaced, len(order), replaced)
			}
			for i, s := range out.Samples {
				if key := string(s.URI) + s.Time.String(); key != order[i] || s.Value.String() != want[key] {
					t.Fatalf("seed %d: sample %d is %v", seed, i, s)
				}
			}
		}
	}
}

// TestInputsAreFound subscribes few, many neighbouring, and many scattered windows.
func TestInputsAreFound(t *testing.T) {
	for _, n := range []int{1, 4, 5, 200} {
		for _, stride := range []int{1, 3, 1000} {
			var uris []metric.URI
			var ids []window.ID
			for i := range n {
				uris = append(uris, metric.URI(fmt.Sprintf("m%d", i)))
				ids = append(ids, window.ID(50+i*stride))
			}
			var got, others []metric.URI
			r, err := impulse.NewRunner(impulse.RunnerConfig{
				Impulse: impulse.Impulse{Name: "x", On: impulse.URIs(uris...), Do: func(_ context.Context, u *impulse.Update) error {
					for s := range u.Updated() {
						got = append(got, s.URI)
					}
					others = slices.Collect(u.Others())
					return nil
				}},
				Username: "me", Windows: ids, Views: &windows{}, Now: time.Now,
			})
			if err != nil {
				t.Fatal(err)
			}
			m := &impulse.Message{Number: 1, Rows: []impulse.Row{{ID: 0}, {ID: 49}}}
			for i := 0; i < n; i += 2 {
				m.Rows = append(m.Rows, impulse.Row{ID: ids[i]}, impulse.Row{ID: ids[n-1] + 1 + window.ID(i)})
			}
			trigger := all(m)
			r.Run(context.Background(), &trigger)
			if len(got) != (n+1)/2 || len(others) != n/2 {
				t.Fatalf("%d inputs, stride %d: updated %v, others %v", n, stride, got, others)
			}
			for i, uri := range got {
				if uri != uris[2*i] {
					t.Fatalf("%d inputs, stride %d: updated %v", n, stride, got)
				}
			}
		}
	}
}

func TestRunnerNeedsItsConfiguration(t *testing.T) {
	whole := impulse.RunnerConfig{Impulse: valid(), Windows: make([]window.ID, 2), Views: &windows{}, Now: time.Now}
	if _, err := impulse.NewRunner(whole); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*impulse.RunnerConfig){
		"Do":      func(c *impulse.RunnerConfig) { c.Impulse.Do = nil },
		"Windows": func(c *impulse.RunnerConfig) { c.Windows = nil },
		"Views":   func(c *impulse.RunnerConfig) { c.Views = nil },
		"Now":     func(c *impulse.RunnerConfig) { c.Now = nil },
	} {
		c := whole
		spoil(&c)
		if _, err := impulse.NewRunner(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
