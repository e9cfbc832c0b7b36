package connection

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// MaxRequests is how many requests of one [Requests] may wait for the hub's answer at a time; others wait their turn.
const MaxRequests = 64

// Requests sends control requests and hands each one its answer. It outlives connections: what is asked while there
// is none waits for the next one; what waits or is not answered when a connection is lost ends with
// [ErrDisconnected], and a hub may have executed it.
//
// Every request calls its done function exactly once: with the answer, with the cause of its context when that ends
// first, with ErrDisconnected, or with [ErrClosed]. The functions are called from whatever goroutine brings the
// news, usually the one that reads the connection, before or after the request returns. They must not block, and may
// ask anew.
//
// Requests is safe for concurrent use.
type Requests struct {
	seqs *wire.SeqSource

	mu      sync.Mutex
	asked   uint64           // requests so far
	waiting []*request       // not sent yet, in order
	sent    map[Seq]*request // sent, the answer not complete
	hub     Features
	wake    func() // of the connection, nil while there is none
	closed  bool
}

// NewRequests returns a Requests with no connection. Its messages' sequences come from a source of its own: a hub
// takes a sequence below the last one of the same source for a repetition, and requests overtake samples.
func NewRequests() *Requests {
	return &Requests{seqs: wire.NewSeqSource(nil), sent: map[Seq]*request{}}
}

// request is one request on its way. All fields but the functions are guarded by the lock of Requests.
type request struct {
	number uint64 // in the order of asking
	action wire.Action
	uri    metric.URI
	encode func(b []byte, seq Seq) []byte
	pages  *Pages                    // of request_data
	reply  func(*Message)            // takes the list that follows the answer; nil where none does
	large  bool                      // its answer may have frames of the greater size
	page   func(Page)                // takes pages
	done   func(r Response, e error) // nil once called
	stop   func() bool               // ends the watch over the context
}

// Hook subscribes to a metric. done gets whether the hook is pending, because the metric does not exist yet, or the
// error. A refusal is a [*RefusedError].
func (r *Requests) Hook(ctx context.Context, uri metric.URI, done func(pending bool, err error)) {
	encode := func(b []byte, seq Seq) []byte { return wire.AppendHook(b, seq, uri) }
	r.add(ctx, &request{action: wire.ActionHookToURI, uri: uri, encode: encode, done: func(response Response, err error) {
		done(err == nil && response.Status == wire.StatusNotFound, err)
	}})
}

// Unhook ends a subscription. That of a metric which was not hooked succeeds.
func (r *Requests) Unhook(ctx context.Context, uri metric.URI, done func(error)) {
	encode := func(b []byte, seq Seq) []byte { return wire.AppendUnhook(b, seq, uri) }
	r.add(ctx, &request{action: wire.ActionUnhookFromURI, uri: uri, encode: encode, done: withoutResponse(done)})
}

// Delete deletes a metric of the session's user. Kind names the type of what may take its place, 0 for any. At a hub
// without the feature delete_uri the error is [ErrUnsupported].
func (r *Requests) Delete(ctx context.Context, uri metric.URI, kind metric.Kind, done func(error)) {
	encode := func(b []byte, seq Seq) []byte { return wire.AppendDelete(b, seq, uri, kind) }
	r.add(ctx, &request{action: wire.ActionDeleteURI, uri: uri, encode: encode, done: withoutResponse(done)})
}

// Data asks for history. page is called for each page as it comes, newest first, and then done, all one after the
// other; after a context that ended page may be called once more. A metric that does not exist is an error that
// matches [ErrNotFound].
func (r *Requests) Data(ctx context.Context, q Query, page func(Page), done func(error)) {
	pages := NewPages(q)
	encode := func(b []byte, seq Seq) []byte { return pages.Append(b, seq, q.URI) }
	r.add(ctx, &request{
		action: wire.ActionRequestData, uri: q.URI, encode: encode, pages: pages, large: q.Kind != metric.KindDatapoint,
		page: page, done: withoutResponse(done),
	})
}

func withoutResponse(done func(error)) func(Response, error) {
	return func(_ Response, err error) { done(err) }
}

// add queues a request.
func (r *Requests) add(ctx context.Context, q *request) {
	if err := q.uri.Check(); err != nil && (q.uri != "" || q.reply == nil) {
		q.done(Response{}, fmt.Errorf("connection: %s: %w", q.action, err))
		return
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		q.done(Response{}, ErrClosed)
		return
	}
	r.asked++
	q.number = r.asked
	r.waiting = append(r.waiting, q)
	q.stop = context.AfterFunc(ctx, func() { r.end(q, context.Cause(ctx)) })
	wake := r.wake
	r.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// end gives q its error, unless it had its result before. What was sent stays known, so that its answer is taken.
func (r *Requests) end(q *request, err error) {
	r.mu.Lock()
	done := q.finish()
	for i, w := range r.waiting {
		if w == q {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			break
		}
	}
	r.mu.Unlock()
	done(Response{}, err)
}

// finish returns the done function, the first time, and afterwards one that does nothing. The lock is held.
func (q *request) finish() func(Response, error) {
	done := q.done
	q.done = nil
	if done == nil {
		return func(Response, error) {}
	}
	q.stop()
	return done
}

// Attach implements [Source].
func (r *Requests) Attach(hub Features, wake func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hub, r.wake = hub, wake
}

// Next implements [Source].
func (r *Requests) Next(b []byte) []byte {
	for {
		next, unsupported := r.next(b)
		if unsupported == nil {
			return next
		}
		r.end(unsupported, fmt.Errorf("connection: %s %w", unsupported.action.Feature(), ErrUnsupported))
	}
}

func (r *Requests) next(b []byte) (_ []byte, unsupported *request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 || len(r.sent) >= MaxRequests || r.wake == nil {
		return b, nil
	}
	q := r.waiting[0]
	if feature := q.action.Feature(); feature != "" && !r.hub.Has(feature) {
		return b, q
	}
	r.waiting[0] = nil
	r.waiting = r.waiting[1:]
	seq := r.seqs.Next()
	r.sent[seq] = q
	return q.encode(b, seq), nil
}

// Answer implements [Source].
func (r *Requests) Answer(irt Seq, response *Response) bool {
	r.mu.Lock()
	q := r.sent[irt]
	if q == nil {
		r.mu.Unlock()
		return false
	}
	err := q.verdict(response)
	if err == nil && (q.pages != nil || q.reply != nil) {
		r.mu.Unlock() // the rest follows
		return true
	}
	done := q.finish()
	wake := r.settle(irt)
	r.mu.Unlock()
	wake()
	done(*response, err)
	return true
}

// Reply implements [Source].
func (r *Requests) Reply(irt Seq, m *Message) bool {
	r.mu.Lock()
	q := r.sent[irt]
	if q == nil || q.reply == nil || q.action != m.Action {
		r.mu.Unlock()
		return false
	}
	if q.done != nil { // otherwise its result is out already
		q.reply(m)
	}
	done := q.finish()
	wake := r.settle(irt)
	r.mu.Unlock()
	wake()
	done(Response{Status: wire.StatusExecuted}, nil)
	return true
}

// verdict returns the refusal in a response, or nil.
func (q *request) verdict(response *Response) error {
	switch response.Status {
	case wire.StatusExecuted:
		return nil
	case wire.StatusAccepted:
		return nil
	case wire.StatusNotFound:
		if q.action == wire.ActionHookToURI {
			return nil // pending
		}
	}
	return &RefusedError{Action: q.action.String(), URI: q.uri,
		Status: response.Status, Code: response.Code, Reason: response.Reason}
}

// settle forgets what was sent as seq and returns what lets the next one go. The lock is held.
func (r *Requests) settle(seq Seq) (wake func()) {
	delete(r.sent, seq)
	if len(r.waiting) == 0 || r.wake == nil {
		return func() {}
	}
	return r.wake
}

// Interval implements [Source].
func (r *Requests) Interval(irt Seq, interval *Interval) bool {
	r.mu.Lock()
	q := r.sent[irt]
	if q == nil || q.pages == nil {
		r.mu.Unlock()
		return false
	}
	live := q.done != nil // otherwise only the end is waited for
	r.mu.Unlock()

	// The pages are this goroutine's own while the request is among those sent.
	page, last, err := q.pages.Add(interval)
	if live && err == nil && len(page.Rows) > 0 {
		q.page(page)
	}
	if err == nil && !last {
		return true
	}
	r.mu.Lock()
	var done func(Response, error)
	if err == nil && q.done != nil && q.pages.Again() {
		r.waiting = append([]*request{q}, r.waiting...)
	} else {
		done = q.finish()
	}
	wake := r.settle(irt)
	r.mu.Unlock()
	wake()
	if done != nil {
		done(Response{Status: wire.StatusExecuted}, err)
	}
	return true
}

// Large implements [Source].
func (r *Requests) Large() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.sent {
		if q.large {
			return true
		}
	}
	return false
}

// Detach implements [Source]: everything that was sent, and what waits behind it, ends with [ErrDisconnected].
func (r *Requests) Detach() { r.endAll(ErrDisconnected, false) }

// Close ends every request with [ErrClosed], and every later one at once. Closing again does nothing.
func (r *Requests) Close() { r.endAll(ErrClosed, true) }

func (r *Requests) endAll(err error, closed bool) {
	r.mu.Lock()
	r.closed = r.closed || closed
	r.wake = nil
	all := r.waiting
	for _, q := range r.sent {
		all = append(all, q)
	}
	r.waiting = nil
	clear(r.sent)
	slices.SortFunc(all, func(a, b *request) int { return cmp.Compare(a.number, b.number) })
	results := make([]func(Response, error), len(all))
	for i, q := range all {
		results[i] = q.finish()
	}
	r.mu.Unlock()
	for _, done := range results {
		done(Response{}, err)
	}
}
