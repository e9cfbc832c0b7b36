package actors

import (
	"context"
	"errors"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// sync subscribes one metric at the hub and reads its past: the hook first, so that nothing is missed between the
// two, then the samples from now − Delta on, then as many older ones as Count asks for and the first answer lacked.
// done gets the result, on the goroutine that reads the connection or on the caller's.
func (s *Session) sync(ctx context.Context, uri metric.URI, past window.Past, done func(syncResult)) {
	s.requests.Hook(ctx, uri, func(pending bool, err error) {
		if err != nil || pending {
			done(syncResult{err: err})
			return
		}
		l := &loading{s: s, ctx: ctx, uri: uri, past: past, done: done, now: s.ticks()}
		l.recent()
	})
}

// loading is the history of one window on its way.
type loading struct {
	s    *Session
	ctx  context.Context
	uri  metric.URI
	past window.Past
	now  metric.Ticks
	done func(syncResult)

	result syncResult
	old    int // rows at or before now
}

// recent asks for the samples from now − Delta on, those with future times too.
func (l *loading) recent() {
	from := metric.TimeUUIDFromOrder(l.now.Add(-l.past.Delta), 0)
	query := connection.Query{URI: l.uri, Kind: l.result.kind, From: from, Count: l.s.config.MaxSamples}
	l.ask(query, func() {
		if l.old < l.past.Count {
			l.older(from)
			return
		}
		l.finish(nil)
	})
}

// older asks for the newest Count samples before from.
func (l *loading) older(from metric.TimeUUID) {
	query := connection.Query{URI: l.uri, Kind: l.result.kind, To: from, Count: l.past.Count}
	l.ask(query, func() { l.finish(nil) })
}

// ask collects the answer to a query and calls next, unless it was refused.
func (l *loading) ask(query connection.Query, next func()) {
	page := func(p connection.Page) {
		l.result.kind = p.Kind
		for _, row := range p.Rows {
			if row.Time.Ticks() <= l.now {
				l.old++
			}
			l.result.rows = append(l.result.rows, window.Row(row))
		}
	}
	l.s.requests.Data(l.ctx, query, page, func(err error) {
		if err != nil {
			l.finish(err)
			return
		}
		next()
	})
}

func (l *loading) finish(err error) {
	switch {
	case errors.Is(err, connection.ErrNotFound): // deleted since it was hooked: its hook is pending again
		l.result = syncResult{}
	case err != nil:
		l.result = syncResult{err: err}
	default:
		l.result.exists = true
	}
	l.done(l.result)
}
