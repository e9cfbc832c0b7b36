package window

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

// row is a number at a second.
func row(s int, x float64, low ...uint64) Row { return Row{Time: at(s, low...), Value: number(x)} }

func TestRefillIsAuthoritativeWithinItsRange(t *testing.T) {
	ten := func() *Window { // the seconds 1 to 10
		w := New(Config{Past: Past{Delta: time.Hour}})
		for s := 1; s <= 10; s++ {
			w.Append(uint64(s), at(s), number(float64(s)), at(10).Ticks())
		}
		return w
	}
	all, eight := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5, 6, 7, 8}
	and := func(x ...float64) []float64 { return append(slices.Clone(eight), x...) }
	last := metric.MaxTime
	for _, c := range []struct {
		name     string
		from, to metric.TimeUUID
		rows     []Row
		want     []float64
		changed  bool
	}{
		{"rows that the hub no longer has go", at(3), at(8), []Row{row(8, 8), row(5, 5)}, []float64{1, 2, 5, 8, 9, 10}, true},
		{"all of a range", at(3), at(8), nil, []float64{1, 2, 9, 10}, true},
		{"all there is", metric.MinTime, last, nil, nil, true},
		{"what is there already", at(9), last, []Row{row(10, 10), row(9, 9)}, all, false},
		{"a page border repeated", at(9), last, []Row{row(10, 10), row(10, 10), row(9, 9)}, all, false},
		{"the last given of one time", at(9), last, []Row{row(10, 1), row(10, 2), row(9, 3), row(9, 4)}, and(4, 2), true},
		{"any order", at(9), last, []Row{row(10, 1), row(12, 3), row(11, 2)}, and(1, 2, 3), true},
		{"rows outside the range", at(9), at(10), []Row{row(10, 10), row(9, 9), row(8, 0), row(11, 0)}, all, false},
		{"the greater time of an instant", at(10), at(10, 5), []Row{row(10, 1, 5), row(10, 2, 3)}, and(9, 1), true},
		{"a lesser time beside the range", at(10, 1), last, []Row{row(10, 1, 5)}, and(9, 1), true},
		{"another full time only", at(10), last, []Row{row(10, 10, 1)}, all, true},
	} {
		w := ten()
		before := w.View()
		w.StartRefill()
		rows := slices.Clone(c.rows)
		if got := w.Refill(11, c.from, c.to, c.rows, at(10).Ticks()); got != c.changed {
			t.Errorf("%s: changed is %v", c.name, got)
		}
		equal(t, c.name, numbers(w.View()), c.want)
		equal(t, c.name+", the view before", before.Len(), 10)
		if !slices.Equal(rows, c.rows) {
			t.Errorf("%s: the caller's rows have changed", c.name)
		}
	}
}

func TestPushesWinOverRowsOfTheSameTime(t *testing.T) {
	w := New(Config{Past: Past{Delta: time.Hour}})
	now := at(10).Ticks()
	w.Append(1, at(1), number(1), now)
	w.StartRefill()
	w.Append(2, at(2), number(20), now)
	w.StartRefill() // what came before does not count any more
	w.Append(3, at(3), number(30), now)
	w.Append(4, at(4), number(40), now)
	w.Append(5, at(5, 1), number(50), now)
	w.Append(6, at(6), number(60), now)
	changed := w.Refill(7, metric.MinTime, at(5, 9),
		[]Row{row(5, 5, 2), row(4, 4), row(3, 3, 1), row(2, 2)}, now)
	equal(t, "changed", changed, true)
	equal(t, "window", numbers(w.View()), []float64{2, 3, 40, 5, 60})
	w.Refill(8, metric.MinTime, metric.MaxTime, nil, now)
	equal(t, "nothing is remembered any more", w.View().Len(), 0)
}

func TestAPushThatWasIgnoredCountsWhenTheRefillTakesItsRivalAway(t *testing.T) {
	w := New(Config{})
	w.Append(1, at(1, 5), number(1), at(1).Ticks())
	w.StartRefill()
	equal(t, "outcome", w.Append(2, at(1), number(2), at(1).Ticks()), Ignored)
	w.Refill(3, metric.MinTime, metric.MaxTime, nil, at(1).Ticks())
	equal(t, "window", numbers(w.View()), []float64{2})
}

func TestAbandonedRefillLeavesTheWindow(t *testing.T) {
	w := New(Config{})
	w.Append(1, at(1), number(1), at(1).Ticks())
	w.StartRefill()
	w.Append(2, at(2), number(2), at(2).Ticks())
	w.AbandonRefill()
	equal(t, "window", numbers(w.View()), []float64{1, 2})
	w.Refill(3, at(2), at(2), nil, at(2).Ticks())
	equal(t, "nothing is remembered", numbers(w.View()), []float64{1})
}

func TestRetentionIsNoChangeOfARefill(t *testing.T) {
	w := New(Config{Past: Past{Delta: 5 * time.Second, Count: 1}})
	for s := 1; s <= 6; s++ {
		w.Append(1, at(s), number(float64(s)), at(6).Ticks())
	}
	var rows []Row
	for s := 1; s <= 6; s++ {
		rows = append(rows, row(s, float64(s)))
	}
	equal(t, "changed", w.Refill(2, metric.MinTime, metric.MaxTime, rows, at(9).Ticks()), false)
	equal(t, "window", numbers(w.View()), []float64{4, 5, 6})
}

func TestRefillIsAStateOfItsOwn(t *testing.T) {
	w := New(Config{Cuts: func(dst []uint64) ([]uint64, uint64) { return dst, 0 }})
	w.Append(1, at(1), number(1), at(1).Ticks())
	w.Refill(5, metric.MinTime, metric.MaxTime, []Row{row(2, 2)}, at(2).Ticks())
	w.Append(6, at(3), number(3), at(3).Ticks())
	equal(t, "before", numbers(w.ViewAt(4)), []float64{1})
	equal(t, "refilled", numbers(w.ViewAt(5)), []float64{2})
	equal(t, "after", numbers(w.ViewAt(6)), []float64{2, 3})
}

func TestRefillOfAnotherKind(t *testing.T) {
	rows := []Row{{Time: at(1), Value: text("a")}, {Time: at(2), Value: text("b")}}
	w := New(Config{})
	equal(t, "a new window", w.Refill(1, metric.MinTime, metric.MaxTime, rows, at(2).Ticks()), true)
	equal(t, "texts", texts(w.View()), []string{"a", "b"})
	equal(t, "numbers", w.Refill(2, at(1), at(1), []Row{row(1, 1)}, at(2).Ticks()), true)
	equal(t, "the texts are gone", numbers(w.View()), []float64{1})
	w.StartRefill()
	w.Append(3, at(3), text("c"), at(3).Ticks())
	w.Append(4, at(4), number(4), at(4).Ticks())
	w.Refill(5, metric.MinTime, metric.MaxTime, rows, at(4).Ticks())
	equal(t, "what was pushed is the newer truth", numbers(w.View()), []float64{4})
	equal(t, "counted", w.Stats().KindChanges, uint64(3))
	equal(t, "nothing of an unknown kind", New(Config{}).Refill(1, metric.MinTime, metric.MaxTime, nil, 0), false)
}

func TestRefillObeysTheBounds(t *testing.T) {
	w := New(Config{MaxSamples: 3})
	w.Refill(1, metric.MinTime, metric.MaxTime, []Row{row(5, 5), row(4, 4), row(3, 3), row(2, 2), row(1, 1)}, at(5).Ticks())
	equal(t, "window", numbers(w.View()), []float64{3, 4, 5})
	equal(t, "counted", w.Stats().Limited, uint64(2))
}

func TestWhatARefillRemembersIsBounded(t *testing.T) {
	w := New(Config{MaxSamples: 10, MaxTextBytes: 1000})
	w.StartRefill()
	for s := range 1000 {
		w.Append(uint64(s), at(s), text(strings.Repeat("x", 50)), at(s).Ticks())
		if len(w.pushes) > 20 || w.pushText > 2000 {
			t.Fatalf("%d pushes of %d bytes are remembered", len(w.pushes), w.pushText)
		}
	}
	w.Refill(1000, metric.MinTime, metric.MaxTime, nil, at(1000).Ticks())
	equal(t, "window", w.View().Len(), 10)
	equal(t, "the oldest", w.View().At(0).Time, at(990))
}
