package actors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Range says which samples of a metric's history to read. The zero Range is all.
type Range struct {
	// From and To bound the times, both inclusive; the zero time leaves that side open.
	From, To time.Time
	// Last is how many samples to read at most, the newest of the range. 0 is all.
	Last int
}

// historyPage is how many samples History asks for at a time: what the consumer has not taken yet stays with the hub.
const historyPage = 1000

// History reads a metric's samples from the hub, the user's own or shared ones, newest first. They are asked for
// page by page as the loop goes on, so that any range is read in bounded memory; break ends it. An error ends it,
// too, as the last pair: a [*connection.RefusedError] when the hub refuses, which matches connection.ErrNotFound
// where there is no such metric; the context's cause. A connection that is lost meanwhile is waited for, and reading
// goes on where it was.
func (s *Session) History(ctx context.Context, uri metric.URI, r Range) iter.Seq2[metric.Sample, error] {
	return func(yield func(metric.Sample, error) bool) {
		if err := s.readHistory(ctx, uri, r, func(sample metric.Sample) bool { return yield(sample, nil) }); err != nil {
			yield(metric.Sample{}, err)
		}
	}
}

// readHistory yields samples until there are no more or the consumer has enough.
func (s *Session) readHistory(ctx context.Context, uri metric.URI, r Range, yield func(metric.Sample) bool) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: history read by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	query, err := s.historyQuery(uri, r)
	if err != nil {
		return err
	}
	left := r.Last
	var last metric.TimeUUID // of the sample yielded last
	for {
		query.Count = historyPage
		if r.Last > 0 {
			query.Count = min(left+1, historyPage) // one more: the border comes again
		}
		page, err := s.ask(ctx, query)
		if errors.Is(err, connection.ErrDisconnected) {
			continue // waits for the next connection
		}
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if !last.IsZero() && row.Time.Compare(last) >= 0 {
				continue // the border
			}
			if !yield(metric.Sample{URI: uri.For(s.config.Username), Time: row.Time, Value: row.Value}) {
				return nil
			}
			last = row.Time
			if left--; r.Last > 0 && left == 0 {
				return nil
			}
		}
		if len(page.Rows) < query.Count {
			return nil
		}
		query.To, query.Kind = last, page.Kind
	}
}

// historyQuery turns a Range into a query whose bounds take in every sample of their instants.
func (s *Session) historyQuery(uri metric.URI, r Range) (connection.Query, error) {
	if err := uri.Check(); err != nil {
		return connection.Query{}, fmt.Errorf("komstream: history: %w", err)
	}
	if r.Last < 0 {
		return connection.Query{}, fmt.Errorf("komstream: history: Range.Last %d must not be negative", r.Last)
	}
	if !r.From.IsZero() && !r.To.IsZero() && r.To.Before(r.From) {
		return connection.Query{}, fmt.Errorf("komstream: history: Range.To %s must not be before Range.From %s",
			r.To.Format(time.RFC3339Nano), r.From.Format(time.RFC3339Nano))
	}
	query := connection.Query{URI: uri.For(s.config.Username)}
	if !r.From.IsZero() {
		query.From = metric.TimeUUIDFromOrder(ceilTicks(r.From), 0)
	}
	if !r.To.IsZero() {
		query.To = metric.TimeUUIDFromOrder(metric.TicksOf(r.To), ^uint64(0))
	}
	return query, nil
}

// ceilTicks is the first instant that is not before t.
func ceilTicks(t time.Time) metric.Ticks {
	if t.Nanosecond()%100 != 0 {
		return metric.TicksOf(t) + 1
	}
	return metric.TicksOf(t)
}

// ask asks one query and returns all of its answer.
func (s *Session) ask(ctx context.Context, query connection.Query) (all connection.Page, err error) {
	done := make(chan error, 1)
	s.requests.Data(ctx, query,
		func(p connection.Page) { all.URI, all.Kind, all.Rows = p.URI, p.Kind, append(all.Rows, p.Rows...) },
		func(err error) { done <- err })
	if err = <-done; err != nil {
		return connection.Page{}, err
	}
	return all, nil
}

// Delete deletes one of the user's own metrics with all its samples. That is how its kind is changed: next names the
// kind that may take its place, 0 leaves it open; for a minute other kinds are refused, so that a late repetition of
// an old sample does not take the place. Subscriptions become pending and revive with the new metric. At a hub that
// cannot, the error matches connection.ErrUnsupported. The deletion of a connection that is lost before the answer
// is an error that matches connection.ErrDisconnected: the hub may have executed it.
func (s *Session) Delete(ctx context.Context, uri metric.URI, next metric.Kind) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: delete by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	if err := uri.Check(); err != nil {
		return fmt.Errorf("komstream: delete: %w", err)
	}
	if local := uri.For(s.config.Username); !local.IsLocal() {
		return fmt.Errorf("komstream: delete: %q belongs to %s: other users' metrics are read-only", string(uri), local.Owner())
	}
	done := make(chan error, 1)
	s.requests.Delete(ctx, uri.For(s.config.Username), next, func(err error) { done <- err })
	err := <-done
	if err == nil {
		s.outbox.Forget(uri)
	}
	return err
}
