package connection

import (
	"errors"
	"fmt"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// Query asks for samples of one metric.
type Query struct {
	// URI names the metric, local or global.
	URI metric.URI
	// Kind is what it holds, 0 when that is not known. It only decides how large a frame may be expected.
	Kind metric.Kind
	// From and To bound the range, both inclusive; the zero time leaves that side open. They may stand in either
	// order.
	From, To metric.TimeUUID
	// Count is how many samples to return at most, the newest of the range. 0 is all.
	Count int
}

// Row is one sample of a page.
type Row struct {
	Time  metric.TimeUUID
	Value metric.Value
}

// Page is a part of the answer to a [Query].
type Page struct {
	// URI names the metric as the hub writes it: local for the session's own, otherwise with its owner.
	URI metric.URI
	// Kind is what the metric holds.
	Kind metric.Kind
	// Rows are newest first, older than those of the page before, and may be none. They belong to the receiver.
	Rows []Row
}

// Pages puts the answer to one [Query] together from the intervals that a hub sends. It works with original hubs as
// with komstream's. The protocol does not mark the last interval; these are its signs:
//
//   - the interval begins where the range begins, or
//   - as many rows as asked for have come. Bounds are inclusive, so the row at the border of two pages comes twice
//     and counts twice. What is missing for that reason is asked for once more: see [Pages.Again].
//
// Pages is not safe for concurrent use.
type Pages struct {
	from, to metric.TimeUUID // the range left to ask for, in order, no side open
	count    int             // rows still wanted, 0 for all

	asked   int             // the count that was asked for, repeated rows included; 0 for all
	came    int             // rows that came for it, repeated ones included
	begun   bool            // an interval other than a notice has come
	done    bool            // the last interval has come
	oldest  metric.TimeUUID // the last row handed out
	hasRows bool            // oldest is set
}

// NewPages returns the Pages of a query that is about to be asked.
func NewPages(q Query) *Pages {
	p := &Pages{from: q.From, to: q.To, count: max(q.Count, 0)}
	if p.from.IsZero() {
		p.from = metric.MinTime
	}
	if p.to.IsZero() {
		p.to = metric.MaxTime
	}
	// An original hub answers reversed bounds swapped, and its pages could not be told from others then.
	if p.from.Compare(p.to) > 0 {
		p.from, p.to = p.to, p.from
	}
	p.asked = p.count
	return p
}

// Append appends the request_data that asks for what is still missing.
func (p *Pages) Append(b []byte, seq Seq, uri metric.URI) []byte {
	count := p.asked
	if count == 0 {
		count = -1 // no limit, which both bounds being given allows
	}
	return wire.AppendRequest(b, seq, uri, p.from, p.to, count)
}

// Add takes an interval and returns its rows but for those that came before. done tells that the answer to the
// request is complete. An interval that breaks the order of the protocol is an error, after which nothing of the
// answer can be relied on.
func (p *Pages) Add(interval *Interval) (page Page, done bool, err error) {
	page = Page{URI: metric.URI(interval.URI), Kind: interval.Kind}
	if p.done {
		return page, true, errors.New("connection: page after the last page")
	}
	if !p.begun && len(interval.Rows) == 0 && interval.End.Compare(p.to) < 0 {
		// An original hub with a limit on the age of data says first which part of the range it will not answer.
		p.from = interval.End
		return page, false, nil
	}
	p.begun = true
	page.Rows = make([]Row, 0, len(interval.Rows))
	for _, r := range interval.Rows {
		if p.hasRows {
			switch c := r.Time.Compare(p.oldest); {
			case c == 0:
				continue // the row at the border
			case c > 0:
				return page, false, fmt.Errorf("connection: row of time %v must be older than %v before it", r.Time, p.oldest)
			}
		}
		p.oldest, p.hasRows = r.Time, true
		page.Rows = append(page.Rows, Row{r.Time, r.Value(interval.Kind)})
	}
	p.came += len(interval.Rows)
	if p.count > 0 {
		// A hub that sends more than was asked for is cut off, so that the caller can rely on the count.
		page.Rows = page.Rows[:min(len(page.Rows), p.count)]
		p.count -= len(page.Rows)
		p.done = p.count == 0 || p.came >= p.asked
	}
	p.done = p.done || interval.Start.Compare(p.from) <= 0
	return page, p.done, nil
}

// Again reports, after the last page, whether rows are missing because others came twice. Then [Pages.Append] asks
// for them, and [Pages.Add] takes the answer.
func (p *Pages) Again() bool {
	// Fewer rows than asked for: the range holds no more.
	if !p.done || p.asked == 0 || p.came < p.asked || p.count == 0 || !p.hasRows || p.oldest == p.from {
		return false
	}
	p.to = p.oldest
	p.asked = p.count + 1 // the row at the border comes once more
	p.came, p.begun, p.done = 0, false, false
	return true
}
