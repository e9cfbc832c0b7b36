package impulse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// message returns a message of one row for each id.
func message(number uint64, via []metric.Origin, ids ...window.ID) *Message {
	m := &Message{Number: number, Time: timeAt(number), Seq: timeAt(number + 1_000_000), Via: via}
	for _, id := range ids {
		m.Rows = append(m.Rows, Row{ID: id, Value: numberOf(int(number))})
	}
	return m
}

func timeAt(n uint64) metric.TimeUUID {
	return metric.NewTimeUUID(metric.Ticks(n)*metric.TicksPerSecond, metric.PlainLow)
}

func numberOf(n int) metric.Value {
	v, err := metric.NumberOf(n)
	if err != nil {
		panic(err)
	}
	return v
}

func triggerOf(m *Message) Trigger { return NewTrigger(m, 0, len(m.Rows)) }

func numbers(t *Trigger) (list []uint64) {
	for m := range t.Messages() {
		list = append(list, m.Number)
	}
	return list
}

func origin(n int) (o metric.Origin) {
	o[0], o[1] = byte(n), byte(n>>8)
	return o
}

func TestMergeKeepsOrderNewestCutAndCause(t *testing.T) {
	a := triggerOf(message(3, nil, 1))
	a.Merge(triggerOf(message(5, nil, 1)))
	b := Refill(6)
	b.Merge(triggerOf(message(7, nil, 1)))
	a.Merge(b)
	if got := numbers(&a); !slices.Equal(got, []uint64{3, 5, 7}) {
		t.Errorf("messages %v", got)
	}
	if a.Cut != 7 || a.Cause != Refilled || a.Count() != 4 || a.Shed() != 0 || a.Newest().Number != 7 {
		t.Errorf("cut %d, cause %v, count %d, shed %d", a.Cut, a.Cause, a.Count(), a.Shed())
	}
	if r := Refill(1); r.Newest() != nil || r.Count() != 1 || len(numbers(&r)) != 0 {
		t.Errorf("a refill has messages")
	}
}

func TestMergedTriggerShedsTheOldestBeyondItsRows(t *testing.T) {
	const each = 1000
	ids := make([]window.ID, each)
	var all Trigger
	for n := range uint64(200) {
		next := triggerOf(message(n+1, []metric.Origin{origin(int(n / 100))}, ids...))
		if n == 0 {
			all = next
			continue
		}
		all.Merge(next)
	}
	kept := MaxMergedRows / each
	got := numbers(&all)
	if len(got) != kept || got[0] != uint64(200-kept+1) || got[kept-1] != 200 {
		t.Errorf("kept %d messages, %d to %d; want the newest %d", len(got), got[0], got[len(got)-1], kept)
	}
	if all.Shed() != 200-kept || all.Count() != 200 {
		t.Errorf("shed %d of %d", all.Shed(), all.Count())
	}
	if via := all.appendVia(nil); !slices.Equal(via, []metric.Origin{origin(0), origin(1)}) {
		t.Errorf("via of what was shed is lost: %v", via)
	}
	older := triggerOf(message(0, []metric.Origin{origin(5)}, 1))
	older.Merge(all) // what the later one has shed and weighs goes along
	if got := numbers(&older); len(got) != kept || got[0] == 0 || older.Shed() != 200-kept+1 || older.Count() != 201 {
		t.Errorf("kept %d messages, shed %d of %d", len(got), older.Shed(), older.Count())
	}
	if via := older.appendVia(nil); !slices.Equal(via, []metric.Origin{origin(5), origin(0), origin(1)}) {
		t.Errorf("via %v", via)
	}
}

func TestMergedTriggerShedsTheOldestBeyondItsBytes(t *testing.T) {
	text, err := metric.TextOf(strings.Repeat("x", metric.MaxText))
	if err != nil {
		t.Fatal(err)
	}
	var halves [2]Trigger
	for n := range uint64(300) {
		m := message(n+1, nil, 1)
		m.Rows[0].Value = text
		half := &halves[n/200]
		if n%200 == 0 {
			*half = triggerOf(m)
			continue
		}
		half.Merge(triggerOf(m))
	}
	const want = MaxMergedBytes / metric.MaxText
	if got := len(numbers(&halves[0])); got != want {
		t.Errorf("kept %d, want %d", got, want)
	}
	halves[0].Merge(halves[1])
	if got := numbers(&halves[0]); len(got) != want || got[want-1] != 300 {
		t.Errorf("merged to %d, want %d", len(got), want)
	}
}

func TestMergedTriggerKeepsTheNewestMessageHoweverLarge(t *testing.T) {
	a := triggerOf(message(1, nil, 1))
	a.Merge(triggerOf(message(2, nil, make([]window.ID, MaxMergedRows+1)...)))
	if got := numbers(&a); !slices.Equal(got, []uint64{2}) || a.Shed() != 1 {
		t.Errorf("kept %v, shed %d", got, a.Shed())
	}
}

func TestMergingCopiesFewRowsOfALargeMessage(t *testing.T) {
	large := message(1, []metric.Origin{origin(1)}, make([]window.ID, 1000)...)
	large.Rows[500].ID = 9
	a := NewTrigger(large, 500, 501)
	a.Merge(triggerOf(message(2, nil, 9)))
	p := a.parts()[0]
	if len(p.msg.Rows) != 1 || p.msg.Rows[0].ID != 9 || p.first != 0 || p.end != 1 {
		t.Errorf("kept %d rows", len(p.msg.Rows))
	}
	if p.msg.Number != 1 || p.msg.Seq != large.Seq || p.msg.Time != large.Time || len(p.msg.Via) != 1 {
		t.Errorf("the copy %+v differs", p.msg)
	}
	if len(large.Rows) != 1000 {
		t.Error("the shared message was changed")
	}
}

func TestViaIsTheUnionByFirstAppearance(t *testing.T) {
	a := triggerOf(message(1, []metric.Origin{origin(5), origin(2)}, 1))
	a.Merge(triggerOf(message(2, []metric.Origin{origin(2), origin(9)}, 1)))
	if got, want := a.appendVia(nil), []metric.Origin{origin(5), origin(2), origin(9)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMergeAgainstLists merges random triggers in random order of nesting and compares with plain lists.
func TestMergeAgainstLists(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var queue []Trigger
		var want [][]uint64
		var counts []int
		for n := uint64(1); n < 60; n++ {
			if rng.IntN(10) == 0 {
				queue, want, counts = append(queue, Refill(n)), append(want, nil), append(counts, 1)
			} else {
				queue = append(queue, triggerOf(message(n, nil, 1)))
				want, counts = append(want, []uint64{n}), append(counts, 1)
			}
			for len(queue) > 1 && rng.IntN(3) > 0 {
				i := rng.IntN(len(queue) - 1)
				queue[i].Merge(queue[i+1])
				want[i] = append(want[i], want[i+1]...)
				counts[i] += counts[i+1]
				queue, want, counts = slices.Delete(queue, i+1, i+2), slices.Delete(want, i+1, i+2), slices.Delete(counts, i+1, i+2)
			}
		}
		for i := range queue {
			if got := numbers(&queue[i]); !slices.Equal(got, want[i]) || queue[i].Count() != counts[i] {
				t.Fatalf("seed %d: got %v (%d), want %v (%d)", seed, got, queue[i].Count(), want[i], counts[i])
			}
		}
	}
}

func TestSingleTriggerDoesNotAllocate(t *testing.T) {
	m := message(1, nil, 1, 2)
	var sum int
	if n := testing.AllocsPerRun(100, func() {
		trigger := NewTrigger(m, 0, 2)
		for m := range trigger.Messages() {
			sum += len(m.Rows)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCauseAndStatePrint(t *testing.T) {
	got := fmt.Sprint(Updated, Refilled, Cause(9), BreakerClosed, BreakerOpen, BreakerHalfOpen, BreakerState(9))
	if want := "updated refilled unknown closed open half-open unknown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRingKeepsTheMemoryOfSteadyBursts(t *testing.T) {
	var r ring
	burst := func() {
		for range 100 {
			r.push(Trigger{})
		}
		for r.n > 0 {
			r.pop()
		}
	}
	burst()
	if n := testing.AllocsPerRun(100, burst); n > 0 {
		t.Errorf("%v allocations a burst, want none after the first", n)
	}
}

func TestRingShrinksAfterABurst(t *testing.T) {
	var r ring
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var want []uint64
		for step := range 3000 {
			if rng.IntN(1000) < 1000-step/3 && step < 2000 {
				r.push(Trigger{Cut: uint64(step)})
				want = append(want, uint64(step))
			} else if len(want) > 0 {
				if got := r.pop().Cut; got != want[0] {
					t.Fatalf("seed %d step %d: got %d, want %d", seed, step, got, want[0])
				}
				want = want[1:]
			}
			if r.n != len(want) || r.n > 0 && r.at(r.n-1).Cut != want[len(want)-1] {
				t.Fatalf("seed %d step %d: %d of %d", seed, step, r.n, len(want))
			}
		}
		for r.n > 0 {
			r.pop()
		}
		for range 12 { // quiet use: each time it is empty again it may halve
			r.push(Trigger{})
			r.pop()
		}
		if len(r.buf) > smallestRing {
			t.Fatalf("seed %d: after a burst an empty ring keeps %d places", seed, len(r.buf))
		}
	}
}
