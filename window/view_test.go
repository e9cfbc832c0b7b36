package window

import (
	"math"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

// seconds returns a view of numbers at the seconds 1, 2, 3 and so on.
func seconds(x ...float64) View {
	w := New(Config{Past: Past{Delta: time.Hour}})
	for i, f := range x {
		w.Append(uint64(i), at(i+1), number(f), at(len(x)).Ticks())
	}
	return w.View()
}

func textsAt(x ...string) View {
	w := New(Config{Past: Past{Delta: time.Hour}})
	for i, s := range x {
		w.Append(uint64(i), at(i+1), text(s), at(len(x)).Ticks())
	}
	return w.View()
}

func TestSlicesIncludeBothEndsToTheNanosecond(t *testing.T) {
	v := seconds(1, 2, 3, 4, 5)
	two, four := at(2).Time(), at(4).Time()
	long := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		from, to time.Time
		want     []float64
	}{
		{"both ends", two, four, []float64{2, 3, 4}},
		{"one instant", two, two, []float64{2}},
		{"from a nanosecond later", two.Add(1), four, []float64{3, 4}},
		{"from a nanosecond before", two.Add(-1), four, []float64{2, 3, 4}},
		{"to a nanosecond before", two, four.Add(-1), []float64{2, 3}},
		{"to a nanosecond later", two, four.Add(1), []float64{2, 3, 4}},
		{"between two samples", two.Add(1), two.Add(2), nil},
		{"turned round", four, two, nil},
		{"for ever", time.Time{}, long, []float64{1, 2, 3, 4, 5}},
		{"before time", time.Time{}, time.Time{}.Add(1), nil},
		{"after time", long, long.Add(1), nil},
		{"another zone", two.In(time.FixedZone("", 3600)), four, []float64{2, 3, 4}},
	} {
		equal(t, c.name, numbers(v.Between(c.from, c.to)), c.want)
	}
	equal(t, "since", numbers(v.Since(four)), []float64{4, 5})
	equal(t, "since a nanosecond later", numbers(v.Since(four.Add(1))), []float64{5})
	equal(t, "slice of a slice", numbers(v.Between(two, four).Between(four, long)), []float64{4})
	equal(t, "tail", numbers(v.Tail(2)), []float64{4, 5})
	equal(t, "tail of nothing", numbers(v.Tail(-1)), []float64(nil))
}

func TestAViewOfNothingAnswersEverything(t *testing.T) {
	for name, v := range map[string]View{
		"zero": {}, "new": New(Config{}).View(), "slice": seconds(1).Tail(0), "clone": seconds(1).Tail(0).Clone(),
	} {
		_, first := v.First()
		_, last := v.Last()
		if v.Len() != 0 || v.Count() != 0 || first || last || v.Sum() != 0 || v.Clone().Len() != 0 || v.Tail(3).Len() != 0 {
			t.Errorf("%s: it holds something", name)
		}
		for what, x := range map[string]float64{
			"mean": v.Mean(), "min": v.Min(), "max": v.Max(), "rate": v.Rate(), "described mean": v.Describe().Mean,
		} {
			if !math.IsNaN(x) {
				t.Errorf("%s: %s is %v, want NaN", name, what, x)
			}
		}
		for range v.All() {
			t.Errorf("%s: it yields something", name)
		}
		equal(t, name+" between", v.Between(time.Time{}, time.Now()).Len(), 0)
	}
	equal(t, "kind of an empty slice", seconds(1).Tail(0).Clone().Kind(), metric.KindDatapoint)
}

func TestStatisticsOfNumbers(t *testing.T) {
	v := seconds(3, 1, 4, 1, 5, 9, 2, 6)
	equal(t, "sum", v.Sum(), 31.0)
	equal(t, "mean", v.Mean(), 31.0/8)
	equal(t, "min", v.Min(), 1.0)
	equal(t, "max", v.Max(), 9.0)
	equal(t, "rate", v.Rate(), 3.0/7)
	first, _ := v.First()
	last, _ := v.Last()
	equal(t, "first", first, Point{Time: at(1), Value: 3})
	equal(t, "last", last, Point{Time: at(8), Value: 6})
	equal(t, "when", last.When(), at(8).Time())
	equal(t, "ticks", v.AppendTicks(nil)[7], at(8).Ticks())
	if !math.IsNaN(seconds(1).Rate()) {
		t.Error("one sample has a rate")
	}
}

func TestStatisticsOfTextsAreNotNumbers(t *testing.T) {
	v := textsAt("b", "a", "b", "a", "c")
	for what, x := range map[string]float64{
		"sum": v.Sum(), "mean": v.Mean(), "min": v.Min(), "max": v.Max(), "rate": v.Rate(), "value": v.At(0).Value,
	} {
		if !math.IsNaN(x) {
			t.Errorf("%s is %v, want NaN", what, x)
		}
	}
	for _, x := range v.All() {
		if !math.IsNaN(x) {
			t.Errorf("a text yields %v, want NaN", x)
		}
	}
	equal(t, "numbers", len(v.AppendValues(nil)), 0)
	equal(t, "texts", texts(v), []string{"b", "a", "b", "a", "c"})
	equal(t, "texts of numbers", len(texts(seconds(1))), 0)
	d := v.Describe()
	want := Description{Kind: metric.KindDatasource, Count: 5, Unique: 3, Top: "b", Freq: 2}
	equal(t, "the first of equally frequent", d, want)
}

func TestIterationEndsWhenItsLoopDoes(t *testing.T) {
	v, w := seconds(1, 2, 3), textsAt("a", "b")
	for _, x := range v.All() {
		equal(t, "all", x, 1.0)
		break
	}
	for _, x := range v.Backward() {
		equal(t, "backward", x, 3.0)
		break
	}
	for p := range v.Points() {
		equal(t, "points", p.Value, 1.0)
		break
	}
	for _, x := range w.Texts() {
		equal(t, "texts", x, "a")
		break
	}
}

func TestTimesOfSamplesCenturiesApartAreExact(t *testing.T) {
	w := New(Config{Past: Past{Delta: time.Hour, Count: 100}})
	times := []metric.Ticks{metric.MinTicks, -1, 0, 1, 1 << 54, 1 << 55, 1<<55 + 1, 1 << 58, metric.MaxTicks}
	for i, ticks := range times {
		w.Append(uint64(i), metric.NewTimeUUID(ticks, metric.PlainLow), number(float64(i)), 0)
	}
	i := 0
	for when := range w.View().All() {
		equal(t, "time", when, times[i].Time())
		i++
	}
	equal(t, "samples", i, len(times))
}

func TestAtPanicsOutsideTheView(t *testing.T) {
	for _, i := range []int{-1, 3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("At(%d) of three samples does not panic", i)
				}
			}()
			seconds(1, 2, 3).At(i)
		}()
	}
}
