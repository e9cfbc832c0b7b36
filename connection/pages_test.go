package connection

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// modelHub answers request_data for one series, as protocol §8.7 says.
type modelHub struct {
	series []metric.TimeUUID // in order
	page   int               // rows a page, at least 2
	asSent bool              // the last page begins where the request does, as a new hub's
	notice metric.TimeUUID   // before it data cannot be read; zero for no such limit
	short  *rand.Rand        // cuts pages, as a hub that limits their bytes; nil for never
}

func contentOf(t metric.TimeUUID) string { return strconv.FormatInt(int64(t.Ticks()), 10) }

// answer returns the intervals for a range and a count, 0 for none.
func (h *modelHub) answer(from, to metric.TimeUUID, count int) (intervals []wire.Interval) {
	if from.Compare(h.notice) < 0 && !h.notice.IsZero() {
		intervals = append(intervals, wire.Interval{URI: "m", Kind: 'p', Start: from, End: h.notice})
		from = h.notice
	}
	upper, left := to, count
	for {
		limit := h.page
		if count > 0 {
			limit = min(limit, left)
		}
		var rows []wire.Row
		for i := len(h.series) - 1; i >= 0 && len(rows) < limit; i-- {
			if s := h.series[i]; s.Compare(from) >= 0 && s.Compare(upper) <= 0 {
				rows = append(rows, wire.Row{Time: s, Content: []byte(contentOf(s))})
			}
		}
		full := len(rows) == limit
		if h.short != nil && len(rows) > 2 && h.short.IntN(2) == 0 {
			rows, full = rows[:2+h.short.IntN(len(rows)-2)], true
		}
		i := wire.Interval{URI: "m", Kind: 'p', Start: from, End: upper, Rows: rows}
		left -= len(rows)
		last := !full || count > 0 && left == 0
		if full && !(last && h.asSent) {
			i.Start = rows[len(rows)-1].Time
		}
		intervals = append(intervals, i)
		if last {
			return intervals
		}
		upper = i.Start
	}
}

// ask runs a query against the hub and returns what the caller gets.
func (h *modelHub) ask(t *testing.T, q Query) (rows []Row, requests int) {
	t.Helper()
	p := NewPages(q)
	var decoder wire.Decoder
	seqs := wire.NewSeqSource(nil)
	for {
		requests++
		frame := p.Append(nil, seqs.Next(), "m")
		r, refusal := decoder.DecodeRequest(frame)
		if refusal != nil {
			t.Fatalf("hub refuses %s: %+v", frame, refusal)
		}
		count := 0
		if r.Count != nil {
			count = *r.Count
		}
		done := false
		for i, interval := range h.answer(*r.Start, *r.End, count) {
			if done {
				// The hub cannot know that the row at the border is the last one.
				if len(interval.Rows) > 1 {
					t.Fatalf("done before page %d of %d rows", i, len(interval.Rows))
				}
				break
			}
			page, last, err := p.Add(&interval)
			if err != nil {
				t.Fatal(err)
			}
			rows, done = append(rows, page.Rows...), last
		}
		if !done {
			t.Fatal("not done after the last page")
		}
		if !p.Again() {
			return rows, requests
		}
	}
}

// expected is the obvious answer to q.
func (h *modelHub) expected(q Query) (rows []Row) {
	from, to := q.From, q.To
	if from.IsZero() {
		from = metric.MinTime
	}
	if to.IsZero() {
		to = metric.MaxTime
	}
	if from.Compare(to) > 0 {
		from, to = to, from
	}
	for _, s := range slices.Backward(h.series) {
		if s.Compare(from) < 0 || s.Compare(to) > 0 || s.Compare(h.notice) < 0 && !h.notice.IsZero() {
			continue
		}
		if q.Count > 0 && len(rows) == q.Count {
			break
		}
		v, _ := metric.ParseNumber(contentOf(s))
		rows = append(rows, Row{s, v})
	}
	return rows
}

func TestPagesReturnWhatTheRangeHolds(t *testing.T) {
	for n := range 3000 {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		h := &modelHub{page: 2 + random.IntN(9), asSent: random.IntN(2) == 0}
		if random.IntN(3) == 0 {
			h.short = random
		}
		// Few ticks and few low halves, so that times are equal, adjacent and on the bounds.
		at := func() metric.TimeUUID {
			return metric.TimeUUIDFromOrder(metric.Ticks(random.IntN(40)), metric.PlainLowOrder+uint64(random.IntN(3)))
		}
		for range random.IntN(60) {
			h.series = append(h.series, at())
		}
		slices.SortFunc(h.series, metric.TimeUUID.Compare)
		h.series = slices.Compact(h.series)
		if random.IntN(5) == 0 {
			h.notice = at()
		}
		q := Query{URI: "m"}
		if random.IntN(3) > 0 {
			q.From = at()
		}
		if random.IntN(3) > 0 {
			q.To = at()
		}
		if random.IntN(3) > 0 {
			q.Count = 1 + random.IntN(30)
		}
		if newest := slices.MaxFunc([]metric.TimeUUID{q.From, q.To}, metric.TimeUUID.Compare); h.notice.Compare(newest) >= 0 && !q.To.IsZero() {
			h.notice = metric.TimeUUID{} // wholly before the limit is a refusal, not an answer
		}
		got, requests := h.ask(t, q)
		if want := h.expected(q); !slices.Equal(got, want) {
			t.Fatalf("case %d, seed %d: hub %+v, query %+v:\ngot  %v\nwant %v", n, seed, h, q, got, want)
		}
		if requests > 6 {
			t.Errorf("case %d, seed %d: %d requests", n, seed, requests)
		}
	}
}

// TestGoldenPages feeds what the original hub answered.
func TestGoldenPages(t *testing.T) {
	var v struct{ Paging []pagingCase }
	vectors(t, "scenarios.json", &v)
	if len(v.Paging) == 0 {
		t.Fatal("no cases")
	}
	for n, c := range v.Paging {
		t.Run(strconv.Itoa(n), func(t *testing.T) { checkPages(t, c) })
	}
	t.Logf("%d answers", len(v.Paging))
}

// pagingCase is what the original hub answered to a request for a metric with Rows samples: sample i, at second i, is i.
type pagingCase struct {
	Type       string
	Rows       int
	Start, End *metric.TimeUUID
	Count      *int
	Status     int
	Intervals  []struct {
		Start, End  metric.TimeUUID
		N           int
		First, Last *string
	}
}

func checkPages(t *testing.T, c pagingCase) {
	if c.Status != wire.StatusAccepted {
		return // a refusal has no pages
	}
	const epoch = 1510617600 // of the sample 0; sample i is i seconds later
	q := Query{URI: "m", Kind: metric.Kind(c.Type[0])}
	if c.Start != nil {
		q.From = *c.Start
	}
	if c.End != nil {
		q.To = *c.End
	}
	if c.Count != nil {
		q.Count = *c.Count
	}
	p := NewPages(q)
	var got []Row
	unique := map[metric.TimeUUID]bool{}
	done := false
	for i, interval := range c.Intervals {
		if done && interval.N == 1 {
			continue // only the row at the border again, which could not be known
		}
		in := wire.Interval{URI: "m", Kind: q.Kind, Start: interval.Start, End: interval.End}
		if interval.N > 0 {
			first, err := strconv.Atoi(*interval.First)
			if err != nil {
				t.Fatal(err)
			}
			for k := range interval.N {
				at := metric.NewTimeUUID(metric.Ticks(epoch+first-k)*metric.TicksPerSecond, metric.PlainLow)
				in.Rows = append(in.Rows, wire.Row{Time: at, Content: strconv.AppendInt(nil, int64(first-k), 10)})
				unique[at] = true
			}
		}
		page, last, err := p.Add(&in)
		if err != nil || done {
			t.Fatalf("interval %d of %d after the last: %v, %v", i+1, len(c.Intervals), done, err)
		}
		done = last
		got = append(got, page.Rows...)
	}
	if len(got) != len(unique) || !done {
		t.Errorf("%d rows, want %d; done %v", len(got), len(unique), done)
	}
	short := q.Count > 0 && len(unique) < q.Count && len(unique) < c.Rows
	if again := p.Again(); again != short {
		t.Errorf("asks again %v with %d rows of %d", again, len(unique), q.Count)
	}
}

func TestPagesRefuseWhatIsOutOfOrder(t *testing.T) {
	at := func(tick int) metric.TimeUUID { return metric.NewTimeUUID(metric.Ticks(tick), metric.PlainLow) }
	row := func(tick int) wire.Row { return wire.Row{Time: at(tick), Content: []byte("1")} }
	p := NewPages(Query{URI: "m", From: at(1), To: at(9)})
	if _, _, err := p.Add(&wire.Interval{Kind: 'p', Start: at(5), End: at(9), Rows: []wire.Row{row(7), row(8)}}); err == nil {
		t.Error("ascending rows passed")
	}
	p = NewPages(Query{URI: "m", From: at(1), To: at(9)})
	if _, done, err := p.Add(&wire.Interval{Kind: 'p', Start: at(1), End: at(9)}); !done || err != nil {
		t.Errorf("empty answer: done %v, %v", done, err)
	}
	if _, _, err := p.Add(&wire.Interval{Kind: 'p', Start: at(1), End: at(9)}); err == nil {
		t.Error("a page after the last one passed")
	}
}
