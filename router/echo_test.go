package router_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func sample(n int, value string) metric.Sample {
	return metric.Datapoint("cpu", noon.Add(time.Duration(n)*time.Second), value)
}

func viaOf(e *router.Echo, s metric.Sample, now time.Time) []metric.Origin {
	return e.AppendVia(nil, s.URI, s.Time, s.Value, now)
}

func TestEchoKnowsWhatWasSent(t *testing.T) {
	var e router.Echo
	if got := viaOf(&e, sample(0, "1"), noon); got != nil {
		t.Fatalf("an empty table knows %v", got)
	}
	a, b := origin(1), origin(2)
	text := metric.Datasource("log", noon, strings.Repeat("x", 1000))
	e.Sent([]metric.Sample{sample(0, "1e5"), sample(1, "1.50"), text}, []metric.Origin{a, b}, noon)
	for _, s := range []metric.Sample{sample(0, "1E+5"), sample(1, "1.50"), text, sample(1, "1.50")} { // matching takes nothing away
		if got := viaOf(&e, s, noon.Add(router.EchoAge)); !slices.Equal(got, []metric.Origin{a, b}) {
			t.Errorf("%v: via %v", s, got)
		}
	}
	strange := []metric.Sample{
		sample(1, "1.5"), sample(2, "1.50"), metric.Datapoint("cpu.x", noon, "1e5"),
		metric.Datasource("cpu", noon, "1E+5"), metric.Datasource("log", noon, ""),
	}
	for _, s := range strange {
		if got := viaOf(&e, s, noon); got != nil {
			t.Errorf("%v: via %v", s, got)
		}
	}
	if got := viaOf(&e, sample(0, "1e5"), noon.Add(router.EchoAge+1)); got != nil {
		t.Errorf("too old, but known: %v", got)
	}
	if got := e.AppendVia([]metric.Origin{b}, "log", text.Time, text.Value, noon); !slices.Equal(got, []metric.Origin{b, a}) {
		t.Errorf("appended to %v", got)
	}
}

func TestEchoForgetsWhatWasRefused(t *testing.T) {
	var e router.Echo
	e.Refused(sample(0, "1"))
	e.Sent([]metric.Sample{sample(0, "1"), sample(1, "1")}, []metric.Origin{origin(1)}, noon)
	e.Refused(sample(0, "1"))
	e.Refused(sample(0, "1"))
	if viaOf(&e, sample(0, "1"), noon) != nil || viaOf(&e, sample(1, "1"), noon) == nil || e.Len() != 1 {
		t.Error("the wrong sample was forgotten")
	}
}

func TestEchoOfTwoSendersIsOfBoth(t *testing.T) {
	var e router.Echo
	s := []metric.Sample{sample(0, "1")}
	backing := []metric.Origin{origin(1), origin(9)}
	via := backing[:1]
	e.Sent(s, via, noon)
	e.Sent(s, []metric.Origin{origin(2), origin(1)}, noon.Add(time.Minute))
	if got := viaOf(&e, s[0], noon.Add(router.EchoAge+time.Minute)); !slices.Equal(got, []metric.Origin{origin(1), origin(2)}) {
		t.Errorf("via %v", got)
	}
	e.Sent(s, []metric.Origin{origin(3)}, noon.Add(time.Hour)) // the others are too old by then
	if got := viaOf(&e, s[0], noon.Add(time.Hour)); !slices.Equal(got, []metric.Origin{origin(3)}) {
		t.Errorf("via %v", got)
	}
	if backing[1] != origin(9) || e.Len() != 1 {
		t.Error("what was given was changed")
	}
}

func TestEchoNamesNoMoreThanAMessageMay(t *testing.T) {
	var e router.Echo
	for n := range 40 {
		e.Sent([]metric.Sample{sample(0, "1")}, []metric.Origin{origin(n)}, noon)
	}
	if got := viaOf(&e, sample(0, "1"), noon); len(got) != impulse.MaxVia {
		t.Errorf("%d origins", len(got))
	}
}

// TestEchoAgainstLists sends, refuses and looks up at random and compares with a list of what was sent.
func TestEchoAgainstLists(t *testing.T) {
	type sent struct {
		key string
		at  time.Time
	}
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var e router.Echo
		var list []sent // a place each, "" once given up, as the table has places
		now := noon
		for step := range 12_000 {
			now = now.Add(time.Duration(rng.IntN(500)) * time.Millisecond)
			s := sample(rng.IntN(8000), "1")
			key := s.Time.String()
			at := slices.IndexFunc(list[max(0, len(list)-router.EchoEntries):], func(x sent) bool { return x.key == key })
			if at >= 0 {
				at += max(0, len(list)-router.EchoEntries)
			}
			switch rng.IntN(10) {
			case 0:
				e.Refused(s)
				if at >= 0 {
					list[at].key = ""
				}
			case 1, 2:
				known := at >= 0 && now.Sub(list[at].at) <= router.EchoAge
				if got := viaOf(&e, s, now) != nil; got != known {
					t.Fatalf("seed %d, step %d: known %v, want %v", seed, step, got, known)
				}
			default:
				if at >= 0 {
					list[at].key = ""
				}
				e.Sent([]metric.Sample{s}, []metric.Origin{origin(1)}, now)
				list = append(list, sent{key, now})
			}
			if e.Len() > router.EchoEntries {
				t.Fatalf("seed %d, step %d: %d entries", seed, step, e.Len())
			}
		}
	}
}

func TestEchoLooksUpWithoutAllocation(t *testing.T) {
	var e router.Echo
	samples := []metric.Sample{metric.Datapoint("cpu", noon, 14.63), metric.Datasource("log", noon, fmt.Sprint(noon))}
	via := []metric.Origin{origin(1)}
	e.Sent(samples, via, noon)
	var dst []metric.Origin
	if n := testing.AllocsPerRun(100, func() {
		for _, s := range samples {
			dst = e.AppendVia(dst[:0], s.URI, s.Time, s.Value, noon)
		}
	}); n != 0 || len(dst) != 1 {
		t.Errorf("%v allocations", n)
	}
}
