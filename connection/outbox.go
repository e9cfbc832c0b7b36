package connection

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// Defaults and bounds of an [Outbox].
const (
	DefaultMaxSamples   = 100_000
	DefaultMaxBytes     = 64 << 20
	DefaultWindowFrames = 256
	DefaultWindowBytes  = 1 << 20
	maxFrameBytes       = 1 << 20
)

// OutboxConfig configures an [Outbox]. Username is mandatory. The callbacks are called without a lock held, Rejected
// on the goroutine that reads the connection, Overwrote on the one that sends: they must not block.
type OutboxConfig struct {
	// Username is the session's user, whose metrics alone can be written.
	Username string
	// MaxSamples and MaxBytes bound what is queued and not yet acknowledged, in samples and in bytes as encoded.
	// Defaults 100,000 and 64 MiB. What is [Outbox.Emit]ted is admitted above them.
	MaxSamples int
	MaxBytes   int64
	// WindowFrames and WindowBytes bound what is sent and not yet acknowledged, at hubs that promise to execute the
	// requests of a connection in order: those that announce any feature. At others one frame is outstanding at a
	// time. Defaults 256 and 1 MiB.
	WindowFrames int
	WindowBytes  int64
	// Rejected is called for what the hub refused. It will not be sent again. May be nil.
	Rejected func(Rejection)
	// Overwrote is called with a sample that has the metric and the time of another one of the last few thousand
	// with a different value, and so replaces it at the hub. May be nil.
	Overwrote func(metric.Sample)
	// Retry is the wait before a hub without storage is asked again. The default begins at 500 ms and ends at 20 s.
	Retry RetryConfig
}

// Rejection is a refusal of samples by the hub.
type Rejection struct {
	// Samples are those of one frame; exactly one where it came of [Outbox.Send].
	Samples []metric.Sample
	// Datasource and Supplies are set instead of Samples where the hub refused to be told what a datasource supplies.
	// Its samples are stored.
	Datasource metric.URI
	Supplies   []metric.URI
	// Status and Code are the hub's numbers, Reason its words, possibly empty.
	Status, Code int
	Reason       string
}

// OutboxStats counts what an [Outbox] has to do and has done.
type OutboxStats struct {
	// Queued and InFlight are samples that wait to be sent, and to be acknowledged. Bytes are those of both, encoded.
	Queued, InFlight int
	Bytes            int64
	// Frames counts what was given to a connection, repetitions included; Repeated counts those. Batched counts the
	// messages that went with others in one frame.
	Frames, Repeated, Batched uint64
	// Acknowledged and Refused are samples that the hub answered for.
	Acknowledged, Refused uint64
	// Replaced samples were not sent, or not again, since a later one had their metric and time.
	Replaced uint64
	// Overwritten counts samples that replaced another one of the last few thousand at the hub.
	Overwritten uint64
	// Unavailable counts answers by which the hub had no storage; the frames are sent again.
	Unavailable uint64
}

// Outbox is a session's queue of samples to the hub. It outlives connections: what is not acknowledged when one is
// lost is sent again over the next, in order and with its first sequence, by which a hub of komstream tells that it
// has it already. Samples of one call that have the same time share a message; the messages of one call share a frame where
// the hub can store them in one go.
//
// Outbox is safe for concurrent use. It has no goroutine of its own.
type Outbox struct {
	config OutboxConfig
	seqs   *wire.SeqSource

	mu       sync.Mutex
	queue    frameList // to be sent: first those with a sequence, in the order of it, then the others by number
	inFlight frameList // sent and not answered, in the order of sending
	held     frameList // for which the hub had no storage; nothing is sent while there are any
	refusing int       // frames that were refused, and the callback is not called yet
	number   uint64    // of the last call queued
	sends    uint64    // sequences given
	recent   recent
	supplied map[metric.URI]announced // what the hub was told last, by datasource
	stats    OutboxStats
	closed   bool

	wake      func() // of the connection, nil while there is none
	maxFrames int    // the window, by the hub
	batches   bool   // the hub takes batches
	retry     *Retry // waits for storage
	pausing   bool   // such a wait is on

	senders []*sender // blocked in Send, first come first served
	flushes []*flush  // blocked in Flush
	below   []func()  // to be called when there is room again
}

// NewOutbox returns an empty Outbox with no connection.
func NewOutbox(config OutboxConfig) *Outbox {
	if config.MaxSamples <= 0 {
		config.MaxSamples = DefaultMaxSamples
	}
	if config.MaxBytes <= 0 {
		config.MaxBytes = DefaultMaxBytes
	}
	if config.WindowFrames <= 0 {
		config.WindowFrames = DefaultWindowFrames
	}
	if config.WindowBytes <= 0 {
		config.WindowBytes = DefaultWindowBytes
	}
	config.Username = strings.ToLower(config.Username)
	return &Outbox{config: config, seqs: wire.NewSeqSource(nil), retry: NewRetry(config.Retry)}
}

// Stats returns the counters. Safe for concurrent use.
func (o *Outbox) Stats() OutboxStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	s.Queued, s.InFlight = o.queue.samples+o.held.samples, o.inFlight.samples
	s.Bytes = o.size()
	return s
}

// load returns the samples that are not acknowledged. The lock is held.
func (o *Outbox) load() int { return o.queue.samples + o.inFlight.samples + o.held.samples }

// size is load in bytes.
func (o *Outbox) size() int64 { return o.queue.bytes + o.inFlight.bytes + o.held.bytes }

// flush is one call of Flush that waits.
type flush struct {
	number uint64 // of the last call that it covers
	left   int    // messages of those calls that are not settled
	ready  chan struct{}
}

// Flush returns nil when the hub has answered for everything that was queued before the call: acknowledged it, or
// refused it, and then OutboxConfig.Rejected has been called. It returns the cause of ctx when that ends first, and [ErrClosed]
// when the outbox is closed.
func (o *Outbox) Flush(ctx context.Context) error {
	o.mu.Lock()
	f := &flush{number: o.number, left: o.unsettled(), ready: make(chan struct{})}
	if o.closed || f.left == 0 {
		defer o.mu.Unlock()
		if o.closed {
			return ErrClosed
		}
		return nil
	}
	o.flushes = append(o.flushes, f)
	o.mu.Unlock()
	var err error
	select {
	case <-f.ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushes = slices.DeleteFunc(o.flushes, func(other *flush) bool { return other == f })
	switch {
	case f.left == 0:
		return nil // settled, even if in the last moment
	case err == nil:
		return ErrClosed
	}
	return err
}

// unsettled returns the messages that the hub has not answered for. The lock is held.
func (o *Outbox) unsettled() int {
	return o.queue.messages + o.inFlight.messages + o.held.messages + o.refusing
}

// settled tells those who flush that one message of the call with the given number became count others: none where it
// was answered for good. The lock is held.
func (o *Outbox) settled(number uint64, count int) {
	for _, f := range o.flushes {
		if number <= f.number {
			if f.left += count - 1; f.left == 0 {
				close(f.ready)
			}
		}
	}
}

// Close ends the outbox: who waits in Send or Flush gets [ErrClosed], and nothing is sent any more. It returns what
// the hub has not answered for, in order; some of that the hub may have executed. Closing again returns nothing.
func (o *Outbox) Close() (undelivered []metric.Sample) {
	o.mu.Lock()
	defer func() { // in this order: callbacks are called without the lock
		below := o.below
		o.below = nil
		o.mu.Unlock()
		for _, call := range below {
			call()
		}
	}()
	if o.closed {
		return nil
	}
	o.closed = true
	for _, list := range []*frameList{&o.inFlight, &o.held, &o.queue} {
		for f := list.pop(); f != nil; f = list.pop() {
			undelivered = append(undelivered, f.samples...)
			for part := f.parts.head; part != nil; part = part.next {
				undelivered = append(undelivered, part.samples...)
			}
		}
	}
	for _, s := range o.senders {
		s.admitted <- ErrClosed
	}
	for _, f := range o.flushes {
		if f.left > 0 {
			close(f.ready)
		}
	}
	o.senders, o.flushes = nil, nil
	return undelivered
}
