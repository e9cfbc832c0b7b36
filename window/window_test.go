package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

// at returns the time of second s with the given last byte.
func at(s int, low ...uint64) metric.TimeUUID {
	l := metric.PlainLow
	if len(low) > 0 {
		l |= low[0]
	}
	return metric.NewTimeUUID(metric.Ticks(s)*metric.TicksPerSecond, l)
}

func text(s string) metric.Value {
	v, err := metric.TextOf(s)
	if err != nil {
		panic(err)
	}
	return v
}

func numbers(v View) (x []float64) { return v.AppendValues(nil) }

func texts(v View) (x []string) {
	for _, s := range v.Texts() {
		x = append(x, s)
	}
	return x
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	switch g := got.(type) {
	case []float64:
		if !slices.Equal(g, want.([]float64)) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	case []string:
		if !slices.Equal(g, want.([]string)) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	default:
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
}

func TestAppendSaysWhatCameOfTheSample(t *testing.T) {
	huge, err := metric.ParseNumber("-1e400")
	if err != nil {
		t.Fatal(err)
	}
	w := New(Config{MaxSamples: 4})
	for i, step := range []struct {
		t    metric.TimeUUID
		v    metric.Value
		want Outcome
		now  []float64
	}{
		{at(10), number(1), 0, []float64{1}},
		{at(12), number(2), 0, []float64{1, 2}},
		{at(11), number(3), Late, []float64{1, 3, 2}},
		{at(12), number(4), Overwrote, []float64{1, 3, 4}},
		{at(12, 0x80), number(5), Ignored, []float64{1, 3, 4}}, // the last byte counts as signed
		{at(12, 1), number(5), Overwrote, []float64{1, 3, 5}},
		{at(12), number(6), Ignored, []float64{1, 3, 5}},
		{at(10), number(7), Late | Overwrote, []float64{7, 3, 5}},
		{at(10, 0x80), number(8), Late | Ignored, []float64{7, 3, 5}},
		{at(13), huge, Infinite, []float64{7, 3, 5, math.Inf(-1)}},
		{at(14), number(9), Limited, []float64{3, 5, math.Inf(-1), 9}},
		{at(9), number(10), Late | Limited, []float64{3, 5, math.Inf(-1), 9}},
		{at(14), metric.Value{}, Ignored, []float64{3, 5, math.Inf(-1), 9}},
		{at(5), text("a"), KindChanged, nil},
		{at(6), number(11), KindChanged, []float64{11}},
	} {
		if got := w.Append(uint64(i+1), step.t, step.v, at(14).Ticks()); got != step.want {
			t.Errorf("step %d: outcome %b, want %b", i, got, step.want)
		}
		equal(t, "window", numbers(w.View()), step.now)
	}
	want := Counts{Appended: 14, Late: 3, Overwrote: 3, Ignored: 3, Infinite: 1, Limited: 2, KindChanges: 2}
	equal(t, "counts", w.Stats().Counts, want)
}

func TestSamplesKeepTheirFullTime(t *testing.T) {
	w := New(Config{})
	full := metric.TimeUUIDFromOrder(at(3).Ticks(), 0x1122334455667788)
	w.Append(1, at(1), number(1), at(3).Ticks())
	w.Append(2, full, number(2), at(3).Ticks())
	w.Append(3, at(2), number(3), at(3).Ticks())
	equal(t, "first", w.View().At(0).Time, at(1))
	equal(t, "between", w.View().At(1).Time, at(2))
	equal(t, "last", w.View().At(2).Time, full)
	equal(t, "clone", w.View().Clone().At(2).Time, full)
}

func TestRetentionKeepsDeltaOrCountWhicheverReachesFurther(t *testing.T) {
	for _, c := range []struct {
		name string
		past Past
		want []float64
	}{
		{"delta, its bound included", Past{Delta: 20 * time.Second, Count: 1}, []float64{80, 90, 100, 110}},
		{"count, without the future", Past{Delta: time.Second, Count: 4}, []float64{70, 80, 90, 100, 110}},
		{"all", Past{Delta: time.Second, Count: 100}, []float64{60, 70, 80, 90, 100, 110}},
	} {
		w := New(Config{Past: c.past})
		for s := 60; s <= 110; s += 10 {
			w.Append(uint64(s), at(s), number(float64(s)), at(60).Ticks())
		}
		w.Expire(at(100).Ticks())
		equal(t, c.name, numbers(w.View()), c.want)
	}
}

func TestASampleOlderThanTheWindowIsVisibleToItsOwnTriggerOnly(t *testing.T) {
	w := New(Config{Past: Past{Delta: 10 * time.Second, Count: 1}})
	now := at(100).Ticks()
	w.Append(1, at(95), number(95), now)
	w.Append(2, at(20), number(20), now)
	equal(t, "after its append", numbers(w.View()), []float64{20, 95})
	w.Append(3, at(99), number(99), now)
	equal(t, "after the next", numbers(w.View()), []float64{95, 99})
}

func TestViewAtShowsTheStateAfterItsMessage(t *testing.T) {
	cuts := []uint64{3, 7}
	w := New(Config{
		Past: Past{Delta: 3 * time.Second, Count: 1},
		Cuts: func(dst []uint64) ([]uint64, uint64) { return append(dst, cuts...), 1000 },
	})
	for n := 1; n <= 200; n++ {
		if n == 5 {
			continue // that message does not name this metric
		}
		w.Append(uint64(n), at(n), number(float64(n)), at(n).Ticks())
		w.Append(uint64(n), at(n-1), number(float64(-n)), at(n).Ticks())
	}
	equal(t, "cut 3", numbers(w.ViewAt(3)), []float64{-1, -2, -3, 3})
	equal(t, "cut 7", numbers(w.ViewAt(7)), []float64{4, -6, -7, 7})
	equal(t, "now", numbers(w.ViewAt(200)), numbers(w.View()))
	equal(t, "later", numbers(w.ViewAt(10_000)), numbers(w.View()))
	w.Expire(at(1000).Ticks())
	equal(t, "expired", numbers(w.View()), []float64{200})
	equal(t, "cut 7 after all expired", numbers(w.ViewAt(7)), []float64{4, -6, -7, 7})
	equal(t, "states kept", w.Stats().States, 2)
	equal(t, "the nearest older state kept", numbers(w.ViewAt(6)), []float64{-1, -2, -3, 3})
	equal(t, "the oldest state kept", numbers(w.ViewAt(1)), []float64{-1, -2, -3, 3})
	cuts = nil
	w.Expire(at(1000).Ticks())
	equal(t, "states kept for nobody", w.Stats().States, 0)
}

func TestExpiriesDoNotCountAsMessages(t *testing.T) {
	w := New(Config{
		Past: Past{Delta: 10 * time.Second, Count: 1},
		Cuts: func(dst []uint64) ([]uint64, uint64) { return dst, 0 },
	})
	for s := 1; s <= 10; s++ {
		w.Append(1, at(s), number(float64(s)), at(10).Ticks())
	}
	for s := 12; s < 16; s++ {
		w.Expire(at(s).Ticks())
	}
	equal(t, "number", w.Number(), uint64(1))
	w.Append(2, at(16), number(16), at(16).Ticks())
	w.Append(3, at(17), number(17), at(17).Ticks())
	equal(t, "at 1, before the expiries", len(numbers(w.ViewAt(1))), 10)
	equal(t, "at 2", numbers(w.ViewAt(2)), []float64{6, 7, 8, 9, 10, 16})
}

func TestEarlierStatesStayFewAndAskSeldom(t *testing.T) {
	asked, outstanding := 0, uint64(100)
	w := New(Config{Cuts: func(dst []uint64) ([]uint64, uint64) {
		asked++
		for n := uint64(1); n <= outstanding; n++ {
			dst = append(dst, n)
		}
		return dst, 1 << 60
	}})
	const messages = 10_000
	for n := range messages {
		w.Append(uint64(n+1), at(n+1), number(1), at(n+1).Ticks())
		if states := w.Stats().States; states > 2*int(outstanding)+2 {
			t.Fatalf("%d states are kept for %d cuts", states, outstanding)
		}
	}
	if asked > messages/50 {
		t.Errorf("asked %d times for %d messages", asked, messages)
	}
}

func TestDropOldestFreesMemoryAndLeavesOne(t *testing.T) {
	budget := NewBudget(20_000)
	numbersWindow := New(Config{Past: Past{Delta: time.Hour}, Budget: budget})
	textsWindow := New(Config{Past: Past{Delta: time.Hour}, Budget: budget})
	for i := range 1000 {
		numbersWindow.Append(uint64(i), at(i), number(float64(i)), at(i).Ticks())
		textsWindow.Append(uint64(i), at(i), text(strings.Repeat("x", 100)), at(i).Ticks())
	}
	before := budget.Used()
	if over := budget.Over(); over != before-20_000 {
		t.Errorf("%d bytes over, want %d", over, before-20_000)
	}
	for _, w := range []*Window{numbersWindow, textsWindow} {
		view := w.View()
		freed := w.DropOldest(5000)
		if freed < 5000 || freed > 10_000 || budget.Used() != before-freed {
			t.Errorf("freed %d of 5000 bytes, the budget says %d", freed, before-budget.Used())
		}
		if last, _ := w.View().Last(); w.View().Len() == 1000 || last.Time != at(999) {
			t.Errorf("%d samples are left, the last is %v", w.View().Len(), last)
		}
		if view.Len() != 1000 || view.At(0).Time != at(0) {
			t.Error("a view taken before has changed")
		}
		equal(t, "counted", int(w.Stats().Limited), 1000-w.View().Len())
		w.DropOldest(1 << 40)
		equal(t, "samples left at last", w.View().Len(), 1)
		before = budget.Used()
	}
	if got := budget.Used(); got > 2000 || got != numbersWindow.Stats().Bytes+textsWindow.Stats().Bytes {
		t.Errorf("%d bytes are booked at last", got)
	}
	equal(t, "over", budget.Over(), int64(0))
	equal(t, "over a nil budget", (*Budget)(nil).Over(), int64(0))
}

func TestTextsAreBoundedInBytes(t *testing.T) {
	w := New(Config{MaxTextBytes: 1000})
	for i := range 20 {
		want := Outcome(0)
		if i >= 10 {
			want = Limited
		}
		equal(t, "outcome", w.Append(uint64(i), at(i), text(strings.Repeat("x", 100)), at(i).Ticks()), want)
	}
	equal(t, "samples", w.View().Len(), 10)
	w.Append(30, at(30), text(strings.Repeat("y", 2000)), at(30).Ticks())
	equal(t, "the newest stays", w.View().Len(), 1)
}

// Every order of arrival gives the same window, through every way that chunks can be cut.
func TestSamplesInAnyOrderOfArrivalEndUpInOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	const n = 3000
	for _, kind := range []metric.Kind{metric.KindDatapoint, metric.KindDatasource} {
		w := New(Config{Past: Past{Delta: time.Hour}})
		order := r.Perm(n)
		if kind == metric.KindDatasource { // backwards, from the middle outwards
			slices.SortFunc(order, func(a, b int) int { return max(b-n/2, n/2-b) - max(a-n/2, n/2-a) })
			slices.Reverse(order)
		}
		for i, s := range order {
			low := uint64(0)
			if s%100 == 7 {
				low = uint64(s)
			}
			v := number(float64(s))
			if kind == metric.KindDatasource {
				v = text(v.String())
			}
			w.Append(uint64(i), at(s, low), v, at(n).Ticks())
		}
		v := w.View()
		equal(t, "samples", v.Len(), n)
		for i := range n {
			p := v.At(i)
			if p.Time.Ticks() != at(i).Ticks() || p.Value != float64(i) && p.Text != number(float64(i)).String() {
				t.Fatalf("seed %d: sample %d is %v", seed, i, p)
			}
		}
		equal(t, "full time", v.At(107).Time, at(107, 107))
	}
}

func TestViewsAreSafeWhileTheWindowIsWritten(t *testing.T) {
	const messages = 4000
	w := New(Config{
		Past: Past{Delta: 300 * time.Second},
		Cuts: func(dst []uint64) ([]uint64, uint64) { return dst, 0 },
	})
	var viewers sync.WaitGroup
	done := make(chan struct{})
	for viewer := range 3 {
		viewers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(viewer), 1))
			for {
				select {
				case <-done:
					return
				default:
				}
				n := w.Number()
				v := w.ViewAt(r.Uint64N(n + 1))
				last := metric.Ticks(math.MinInt64)
				for p := range v.Points() {
					if p.Time.Ticks() <= last {
						t.Error("a view is not in order")
						return
					}
					last = p.Time.Ticks()
				}
				if d := v.Describe(); d.Count != v.Clone().Len() || w.Stats().Samples > messages {
					t.Error("a view changed while it was looked at")
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	for n := range messages {
		now := at(n).Ticks()
		s := n
		if r.IntN(4) == 0 {
			s = max(0, n-r.IntN(400))
		}
		w.Append(uint64(n), at(s, uint64(r.IntN(2)*n)), number(float64(n)), now)
		switch {
		case n%500 == 0:
			w.StartRefill()
		case n%500 == 100:
			w.Refill(uint64(n), at(n-50), at(n-10), nil, now)
		case n%300 == 0:
			w.Expire(now)
		case n%1300 == 0:
			w.DropOldest(3000)
		}
	}
	close(done)
	viewers.Wait()
}

// A late sample cuts the only chunk; what stays in it behind the cut must not be taken for samples.
func TestRetentionOfACutChunkIsExact(t *testing.T) {
	for step := 1; step < 30; step++ {
		w := New(Config{Past: Past{Delta: time.Hour, Count: 1}})
		for s := 1; s <= 160; s++ {
			w.Append(uint64(s), at(10*s), number(1), at(1600).Ticks())
		}
		w.Append(161, at(1575), number(2), at(1600).Ticks()) // between 1570 and 1580
		w.SetPast(Past{Delta: time.Second, Count: 1})
		want := &oracle{past: w.Past()}
		for at := range w.View().All() {
			want.samples = append(want.samples, sample{ticks: metric.TicksOf(at)})
		}
		for s := 1; s < 1700; s += step {
			w.Expire(at(s).Ticks())
			want.retain(at(s).Ticks())
			equal(t, "samples kept", w.View().Len(), len(want.samples))
		}
	}
}

func TestPastChecksMergesAndHasDefaults(t *testing.T) {
	if (Past{}).Check() != nil || (Past{Delta: 1, Count: 1}).Check() != nil {
		t.Error("a valid past is refused")
	}
	for _, p := range []Past{{Delta: -1}, {Count: -1}} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), "must not be negative") {
			t.Errorf("%v: error %v", p, err)
		}
	}
	w := New(Config{})
	equal(t, "default", w.Past(), Past{Delta: 10 * time.Minute, Count: 2})
	w.SetPast(Past{Count: 5})
	equal(t, "changed", w.Past(), Past{Delta: 10 * time.Minute, Count: 5})
}

// Late and overwriting samples near the end cut chunks; what they waste is joined again.
func TestLateSamplesDoNotScatterTheWindow(t *testing.T) {
	for _, every := range []int{1, 2, 3, 10, 40, 70, 100, 150, 300} {
		for _, back := range []int{0, 1, 5, 30, 200} {
			w := New(Config{Past: Past{Delta: time.Hour}})
			want := 0
			for s := range 10_000 {
				w.Append(uint64(s), at(2*s), number(1), at(2*s).Ticks())
				if s%every == 0 && s >= back {
					w.Append(uint64(s), at(2*(s-back)+min(back, 1)), number(2), at(2*s).Ticks())
				}
				want = w.View().Len()
			}
			if per := float64(w.Stats().Bytes) / float64(want); per > 32 {
				t.Errorf("a late sample every %d, %d back: %.1f bytes a sample", every, back, per)
			}
		}
	}
}
