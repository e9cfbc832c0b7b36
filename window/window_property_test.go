package window

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

const testUnit = metric.TicksPerSecond

// play is one random sequence of operations on a window and its oracle.
type play struct {
	r      *rand.Rand
	w      *Window
	o      *oracle
	budget *Budget
	log    []string

	now     metric.Ticks
	number  uint64
	span    int // of random instants, in units
	kind    metric.Kind
	cuts    []uint64 // outstanding, ascending
	flushed uint64   // every number from here on is outstanding too
	held    []heldView
	wrong   bool
}

type heldView struct {
	view View
	want []sample
	note string
}

func newPlay(seed uint64, long bool) *play {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &play{r: r, now: 1_000_000 * testUnit, span: 30, kind: metric.KindDatapoint, budget: NewBudget(0)}
	past := Past{Delta: time.Duration(1+r.IntN(40)) * time.Second, Count: 1 + r.IntN(6)}
	maxSamples, maxText := DefaultMaxSamples, DefaultMaxTextBytes
	if long {
		p.span, past.Delta, past.Count = 4000, time.Duration(500+r.IntN(1500))*time.Second, 1+r.IntN(900)
	} else {
		if r.IntN(3) == 0 {
			maxSamples = 1 + r.IntN(12)
		}
		if r.IntN(3) == 0 {
			maxText = 200
		}
	}
	if r.IntN(3) == 0 {
		p.kind = metric.KindDatasource
	}
	p.o = &oracle{past: past, maxSamples: maxSamples, maxTextBytes: maxText, states: map[uint64][]sample{}}
	p.w = New(Config{
		Past: past, MaxSamples: maxSamples, MaxTextBytes: maxText, Budget: p.budget,
		Cuts: func(dst []uint64) ([]uint64, uint64) { return append(dst, p.cuts...), p.flushed },
	})
	return p
}

func (p *play) time() metric.TimeUUID {
	low := metric.PlainLow
	if p.r.IntN(4) == 0 {
		low = 0x8000000000000000 | uint64(p.r.IntN(3))<<uint(8*p.r.IntN(8)) | uint64(p.r.IntN(2))<<7
	}
	at := p.now - testUnit*metric.Ticks(p.r.IntN(p.span)) + 5*testUnit
	if p.r.IntN(2) == 0 {
		at = p.now
	}
	return metric.NewTimeUUID(at, low)
}

func (p *play) value() (metric.Value, sample) {
	if p.kind == metric.KindDatasource {
		v, _ := metric.TextOf(strings.Repeat(string(rune('a'+p.r.IntN(4))), p.r.IntN(40)))
		return v, sample{text: v.String()}
	}
	v, _ := metric.ParseNumber([]string{"1e400", "-1e400", "0"}[p.r.IntN(3)])
	if p.r.IntN(20) > 0 {
		v, _ = metric.NumberOf(p.r.IntN(5))
	}
	return v, sample{value: v.Float()}
}

func (p *play) sample() (metric.TimeUUID, metric.Value, sample) {
	t := p.time()
	v, s := p.value()
	s.ticks, s.low = t.Ticks(), t.LowOrder()
	return t, v, s
}

func (p *play) logf(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

func (p *play) step() {
	r := p.r
	p.number += uint64(r.IntN(3))
	switch r.IntN(24) {
	case 0:
		if r.IntN(4) == 0 {
			p.now += testUnit * metric.Ticks(r.IntN(2*p.span))
		}
		p.w.Expire(p.now)
		p.o.expire(p.now)
		p.logf("expire at %d", p.now/testUnit)
	case 1:
		if p.o.maxTextBytes < DefaultMaxTextBytes {
			return // the window bounds what it remembers by the same number, and the oracle does not
		}
		p.w.StartRefill()
		p.o.refilling, p.o.pushes = true, nil
		p.logf("start refill")
	case 2:
		p.refill()
	case 3:
		if r.IntN(4) == 0 {
			p.w.AbandonRefill()
			p.o.refilling, p.o.pushes = false, nil
			p.logf("abandon refill")
		}
	case 4:
		if r.IntN(8) == 0 {
			p.kind = metric.KindDatapoint + metric.KindDatasource - p.kind
		}
	case 5:
		p.o.past = Past{Delta: p.o.past.Delta + time.Duration(r.IntN(5)-2)*time.Second, Count: 1 + r.IntN(6)}.WithDefaults()
		p.w.SetPast(p.o.past)
		p.logf("past %v", p.o.past)
	default:
		p.append()
	}
	if r.IntN(3) > 0 {
		p.now += testUnit * metric.Ticks(r.IntN(3))
	}
	p.outstanding()
	if r.IntN(6) == 0 && len(p.held) < 50 {
		p.held = append(p.held, heldView{p.w.View(), slices.Clone(p.o.samples), fmt.Sprint("view after step ", len(p.log))})
	}
}

func (p *play) append() {
	t, v, s := p.sample()
	before := slices.Clone(p.o.samples)
	kind := p.o.kind
	p.o.append(p.number, p.kind, s, p.now)
	o := p.w.Append(p.number, t, v, p.now)
	p.logf("append #%d at %d low %x %v, now %d: %b", p.number, s.ticks/testUnit, s.low, v, p.now/testUnit, o)
	changed := kind != 0 && kind != p.kind
	if o.Has(KindChanged) != changed {
		p.wrong = true
		p.logf("WRONG: flag of the kind")
	}
	if newest := len(before) - 1; !changed && newest >= 0 && o.Has(Late) != (before[newest].ticks > s.ticks) {
		p.wrong = true
		p.logf("WRONG: flag of lateness")
	}
}

func (p *play) refill() {
	var rows []Row
	var samples []sample
	for range p.r.IntN(12) {
		t, v, s := p.sample()
		rows, samples = append(rows, Row{t, v}), append(samples, s)
		if p.r.IntN(5) == 0 {
			rows, samples = append(rows, Row{t, v}), append(samples, s)
		}
	}
	if p.r.IntN(2) == 0 { // what the window shows, newest first, as a hub would
		rows, samples = nil, nil
		if p.o.kind == p.kind {
			for _, s := range p.o.samples {
				v, _ := metric.TextOf(s.text)
				if p.kind == metric.KindDatapoint {
					if v, _ = metric.ParseNumber(fmt.Sprint(s.value)); v.Kind() == 0 {
						continue
					}
				}
				rows = append(rows, Row{metric.TimeUUIDFromOrder(s.ticks, s.low), v})
				samples = append(samples, s)
			}
			slices.Reverse(rows)
			slices.Reverse(samples)
		}
	}
	from, to := p.time(), p.time()
	if from.Compare(to) > 0 {
		from, to = to, from
	}
	if p.r.IntN(2) == 0 {
		from = metric.MinTime
	}
	if p.r.IntN(2) == 0 {
		to = metric.MaxTime
	}
	want := p.o.refill(p.number, from, to, p.kind, samples, p.now)
	got := p.w.Refill(p.number, from, to, rows, p.now)
	p.logf("refill #%d %d..%d with %v: %v", p.number, from.Ticks()/testUnit, to.Ticks()/testUnit, samples, got)
	if got != want {
		p.wrong = true
		p.logf("WRONG: refill reports %v", got)
	}
}

// outstanding changes which cuts are: some of the messages flushed become outstanding, some outstanding ones end.
func (p *play) outstanding() {
	if p.r.IntN(3) == 0 {
		for n := p.flushed; n < p.number; n++ {
			if p.r.IntN(3) == 0 {
				p.cuts = append(p.cuts, n)
			}
		}
		p.flushed = max(p.flushed, p.number)
	}
	p.cuts = slices.DeleteFunc(p.cuts, func(uint64) bool { return p.r.IntN(60) == 0 })
}

func (p *play) check(t *testing.T, seed uint64) {
	t.Helper()
	fail := func(what string, got, want []sample) {
		t.Helper()
		t.Fatalf("seed %d: %s\n got %v\nwant %v\nsteps:\n%s", seed, what, got, want, strings.Join(p.log, "\n"))
	}
	if p.wrong {
		fail("a result is wrong", nil, nil)
	}
	if got := shown(p.w.View()); !slices.Equal(got, p.o.samples) {
		fail("view", got, p.o.samples)
	}
	for _, n := range p.cuts {
		if got := shown(p.w.ViewAt(n)); !slices.Equal(got, p.o.at(n)) {
			fail(fmt.Sprint("view at outstanding cut ", n), got, p.o.at(n))
		}
	}
	for n := p.flushed; n <= p.number; n++ {
		if got := shown(p.w.ViewAt(n)); !slices.Equal(got, p.o.at(n)) {
			fail(fmt.Sprint("view at unflushed number ", n), got, p.o.at(n))
		}
	}
	s := p.w.Stats()
	if s.Samples != len(p.o.samples) || s.Bytes != p.budget.Used() || p.w.textBytes != textBytesOf(p.o.samples) {
		fail(fmt.Sprintf("stats %+v, budget %d, texts %d", s, p.budget.Used(), p.w.textBytes), nil, nil)
	}
	var held, pinned int64
	for k := p.w.from; k < p.w.to; k++ {
		held += p.w.sp.spans[k].c.bytes()
	}
	for _, m := range p.w.marks {
		pinned += m.retired
	}
	if p.w.held != held || p.w.pinned != pinned {
		fail(fmt.Sprintf("accounts: held %d, is %d; pinned %d, is %d", p.w.held, held, p.w.pinned, pinned), nil, nil)
	}
}

func (p *play) finish(t *testing.T, seed uint64) {
	t.Helper()
	for _, h := range p.held {
		if got := shown(h.view); !slices.Equal(got, h.want) {
			t.Fatalf("seed %d: %s changed later:\n got %v\nwant %v\nsteps:\n%s", seed, h.note, got, h.want, strings.Join(p.log, "\n"))
		}
		checkQueries(t, seed, p.r, h.view, h.want)
	}
	p.cuts, p.flushed = nil, p.number+1
	p.w.Expire(p.now)
	if s := p.w.Stats(); s.States != 0 || p.w.pinned != 0 {
		t.Fatalf("seed %d: %d states and %d bytes are kept for nobody", seed, s.States, p.w.pinned)
	}
	p.w.Release()
	if n := p.budget.Used(); n > 200 {
		t.Fatalf("seed %d: %d bytes stay booked after Release", seed, n)
	}
}

// checkQueries compares what else a view can be asked with the plain list of its samples.
func checkQueries(t *testing.T, seed uint64, r *rand.Rand, v View, want []sample) {
	t.Helper()
	if got := shown(v.Clone()); !slices.Equal(got, want) {
		t.Fatalf("seed %d: clone\n got %v\nwant %v", seed, got, want)
	}
	for i := range want {
		if p := v.At(i); p.Time != metric.TimeUUIDFromOrder(want[i].ticks, want[i].low) || p.Text != want[i].text {
			t.Fatalf("seed %d: At(%d) = %v, want %v", seed, i, p, want[i])
		}
	}
	i := len(want)
	for at, x := range v.Backward() {
		i--
		if metric.TicksOf(at) != want[i].ticks || x != want[i].value && v.Kind() == metric.KindDatapoint {
			t.Fatalf("seed %d: Backward gives %v %v, want %v", seed, at, x, want[i])
		}
	}
	if i != 0 || v.Len() != len(want) {
		t.Fatalf("seed %d: Backward leaves %d of %d", seed, i, v.Len())
	}
	for range 3 {
		from, to := metric.Ticks(0), metric.Ticks(1<<40)
		if len(want) > 0 {
			from = want[r.IntN(len(want))].ticks + metric.Ticks(r.IntN(3)-1)
			to = want[r.IntN(len(want))].ticks + metric.Ticks(r.IntN(3)-1)
		}
		part := slices.DeleteFunc(slices.Clone(want), func(s sample) bool { return s.ticks < from || s.ticks > to })
		if got := shown(v.BetweenTicks(from, to)); !slices.Equal(got, part) {
			t.Fatalf("seed %d: between %d and %d\n got %v\nwant %v", seed, from, to, got, part)
		}
		n := r.IntN(len(want) + 2)
		if got := shown(v.Tail(n)); !slices.Equal(got, want[max(0, len(want)-n):]) {
			t.Fatalf("seed %d: Tail(%d) = %v of %v", seed, n, got, want)
		}
	}
}

func TestWindowMatchesAnObviousOneOnRandomOperations(t *testing.T) {
	base := uint64(time.Now().UnixNano())
	t.Logf("base seed %d", base)
	for i := range uint64(2000) {
		p := newPlay(base+i, false)
		for range 60 {
			p.step()
			p.check(t, base+i)
		}
		p.finish(t, base+i)
	}
}

func TestLongWindowMatchesAnObviousOneOnRandomOperations(t *testing.T) {
	base := uint64(time.Now().UnixNano())
	t.Logf("base seed %d", base)
	for i := range uint64(5) {
		p := newPlay(base+i, true)
		for n := range 3000 {
			p.step()
			if n%50 == 0 {
				p.check(t, base+i)
			}
		}
		p.check(t, base+i)
		p.finish(t, base+i)
	}
}
