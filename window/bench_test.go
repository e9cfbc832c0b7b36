package window

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

const benchStart = 1_700_000_000 * metric.TicksPerSecond

// filled returns a window of an hour with n samples at even distances, in its steady state: retention drops the
// oldest at every append. More than n were appended, so that its chunks are as old ones are.
func filled(n int, cuts func([]uint64) ([]uint64, uint64)) (w *Window, at metric.Ticks, step metric.Ticks) {
	step = 3600 * metric.TicksPerSecond / metric.Ticks(n)
	w = New(Config{Past: Past{Delta: time.Hour - time.Millisecond}, Cuts: cuts})
	r := rand.New(rand.NewPCG(1, 2))
	at = benchStart
	for i := range 3 * n {
		at += step
		w.Append(uint64(i+1), metric.NewTimeUUID(at, metric.PlainLow), number(100*r.Float64()), at)
	}
	return w, at, step
}

// noCuts is a session whose impulses have all run.
func noCuts(dst []uint64) ([]uint64, uint64) { return dst, 1 << 63 }

func BenchmarkAppend(b *testing.B) {
	times := make([]metric.TimeUUID, 1<<18) // made beforehand: making one costs a third of an append
	for _, n := range []int{10, 600, 3600} {
		for _, form := range []string{"float", "text"} {
			b.Run(fmt.Sprintf("samples=%d/value=%s/hot", n, form), func(b *testing.B) {
				v := number(14.63)
				if form == "text" {
					v, _ = metric.ParseNumber("14.63")
				}
				var w *Window
				var at, step metric.Ticks
				number, i := uint64(1<<40), len(times)
				b.ReportAllocs()
				for b.Loop() {
					if i == len(times) {
						b.StopTimer()
						w, at, step = filled(n, noCuts)
						for i := range times {
							times[i] = metric.NewTimeUUID(at+step*metric.Ticks(i+1), metric.PlainLow)
						}
						i = 0
						b.StartTimer()
					}
					at += step
					number++
					w.Append(number, times[i], v, at)
					i++
				}
			})
		}
	}
}

// Ten thousand windows in turn: none is in the processor's caches.
func BenchmarkAppendCold(b *testing.B) {
	const windows = 10_000
	all := make([]*Window, windows)
	var at, step metric.Ticks
	for i := range all {
		all[i], at, step = filled(600, noCuts)
	}
	v := number(14.63)
	n, i := uint64(1<<40), 0
	b.ReportAllocs()
	for b.Loop() {
		if i == windows {
			i = 0
			at += step
		}
		n++
		all[i].Append(n, metric.NewTimeUUID(at+step, metric.PlainLow), v, at)
		i++
	}
}

func BenchmarkAppendLate(b *testing.B) {
	for _, back := range []metric.Ticks{0, 1, 1000} {
		b.Run(fmt.Sprintf("samples=3600/back=%d", back), func(b *testing.B) {
			w, at, step := filled(3600, noCuts)
			v := number(14.63)
			n := uint64(1 << 40)
			b.ReportAllocs()
			for b.Loop() {
				n++
				w.Append(n, metric.NewTimeUUID(at-back*step, metric.PlainLow), v, at)
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	w, _, _ := filled(3600, noCuts)
	b.ReportAllocs()
	for b.Loop() {
		view = w.View()
	}
}

func BenchmarkViewAt(b *testing.B) {
	for _, cuts := range []uint64{0, 16, 1024} {
		b.Run(fmt.Sprintf("outstanding=%d", cuts), func(b *testing.B) {
			var first uint64 = 1 << 63
			w, at, step := filled(3600, func(dst []uint64) ([]uint64, uint64) { return dst, first })
			n := uint64(1 << 40)
			first = n
			for range cuts {
				at, n = at+step, n+1
				w.Append(n, metric.NewTimeUUID(at, metric.PlainLow), number(1), at)
			}
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				view = w.ViewAt(first + i*7%(cuts+1))
			}
		})
	}
}

func BenchmarkBetween(b *testing.B) {
	w, at, step := filled(3600, noCuts)
	v := w.View()
	from, to := (at - 2000*step).Time(), (at - 1000*step).Time()
	b.ReportAllocs()
	for b.Loop() {
		view = v.Between(from, to)
	}
}

func BenchmarkMean(b *testing.B) {
	for _, n := range []int{600, 3600} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			w, _, _ := filled(n, noCuts)
			v := w.View()
			b.ReportAllocs()
			for b.Loop() {
				result = v.Mean()
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	w, _, _ := filled(3600, noCuts)
	v := w.View()
	b.ReportAllocs()
	for b.Loop() {
		for _, x := range v.All() {
			result += x
		}
	}
}

func BenchmarkDescribe(b *testing.B) {
	for _, n := range []int{600, 3600} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			w, at, step := filled(n, noCuts)
			r := rand.New(rand.NewPCG(3, 4))
			b.ReportAllocs()
			for i := uint64(1 << 40); b.Loop(); i++ {
				at += step // another view each time: branch predictors learn a repeated one by heart
				w.Append(i, metric.NewTimeUUID(at, metric.PlainLow), number(100*r.Float64()), at)
				description = w.View().Describe()
			}
		})
	}
}

func BenchmarkDescribeString(b *testing.B) {
	w, _, _ := filled(3600, noCuts)
	d := w.View().Describe()
	b.ReportAllocs()
	for b.Loop() {
		_ = d.String()
	}
}

func BenchmarkClone(b *testing.B) {
	w, _, _ := filled(3600, noCuts)
	v := w.View()
	b.ReportAllocs()
	for b.Loop() {
		view = v.Clone()
	}
}

func BenchmarkRefill(b *testing.B) {
	w, at, _ := filled(3600, noCuts)
	var rows []Row
	for p := range w.View().Points() {
		rows = append([]Row{{Time: p.Time, Value: number(p.Value)}}, rows...)
	}
	b.ReportAllocs()
	for i := uint64(1 << 40); b.Loop(); i++ {
		w.StartRefill()
		w.Refill(i, metric.MinTime, metric.MaxTime, rows, at)
	}
}

// The memory of many windows, as the garbage collector sees it.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{0, 2, 10, 600, 3600} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			windows := 1000
			if n >= 600 {
				windows = 100
			}
			for b.Loop() {
				before := heap()
				all := make([]*Window, windows)
				for i := range all {
					if all[i] = New(Config{Cuts: noCuts}); n > 0 {
						var at metric.Ticks
						all[i], at, _ = filledBy(n, 3*n+i*7%257)
						all[i].Expire(at) // as happens now and then to every window
					}
				}
				bytes := float64(heap()-before) / float64(windows)
				runtime.KeepAlive(all)
				b.ReportMetric(bytes, "B/window")
				if n > 0 {
					b.ReportMetric(bytes/float64(n), "B/sample")
				}
			}
		})
	}
}

// filledBy is filled with a given number of appends: windows of different phases.
func filledBy(n, appends int) (w *Window, at, step metric.Ticks) {
	step = 3600 * metric.TicksPerSecond / metric.Ticks(n)
	w = New(Config{Past: Past{Delta: time.Hour - time.Millisecond}, Cuts: noCuts})
	at = benchStart
	for i := range appends {
		at += step
		w.Append(uint64(i+1), metric.NewTimeUUID(at, metric.PlainLow), number(float64(i)), at)
	}
	return w, at, step
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Sinks, so that the compiler does not leave out what is measured.
var (
	view        View
	result      float64
	description Description
)

func TestAppendAndViewDoNotAllocate(t *testing.T) {
	w, at, step := filled(3600, noCuts)
	n := uint64(1 << 40)
	v := number(14.63)
	if allocs := testing.AllocsPerRun(2000, func() {
		at, n = at+step, n+1
		w.Append(n, metric.NewTimeUUID(at, metric.PlainLow), v, at)
	}); allocs != 0 {
		t.Errorf("an append allocates %v times", allocs)
	}
	if allocs := testing.AllocsPerRun(1000, func() { view = w.View() }); allocs != 0 {
		t.Errorf("a view allocates %v times", allocs)
	}
	if allocs := testing.AllocsPerRun(1000, func() { view = w.ViewAt(n - 3) }); allocs != 0 {
		t.Errorf("a view of an earlier state allocates %v times", allocs)
	}
	if allocs := testing.AllocsPerRun(1000, func() { result = w.View().Between(at.Time(), at.Time()).Mean() }); allocs != 0 {
		t.Errorf("a mean of a part allocates %v times", allocs)
	}
}
