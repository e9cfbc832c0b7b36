package actors

import (
	"fmt"
	"strings"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
)

// Events are optional callbacks for what happens to a session and its impulses. Every event is also logged. They are
// called one at a time, in order, on a goroutine of their own, so that a slow callback delays other events and
// nothing else; when more than 4,096 events wait, further ones are counted in Stats.EventsDropped instead.
type Events struct {
	// State: the session changed its state.
	State func(StateChange)
	// Rejected: the hub refused samples for good.
	Rejected func(Rejection)
	// Foreign: an impulse emitted samples for another user's metrics; they were dropped.
	Foreign func(ForeignWrite)
	// Failed: a run returned an error, panicked, or used its Update wrongly. Nothing of it was sent.
	Failed func(RunFailure)
	// Breaker: the breaker of an impulse opened after repeated failures, or closed again.
	Breaker func(BreakerChange)
	// Loop: outputs of a run were not sent because they had passed through too many impulses.
	Loop func(LoopStopped)
	// HookDenied: the hub refused a subscription after Open or Bind had succeeded; it is tried again.
	HookDenied func(HookDenied)
	// Overwrite: a second, different value was sent for a metric and millisecond.
	Overwrite func(Overwrite)
	// Memory: windows lost their oldest samples to a limit of memory.
	Memory func(MemoryPressure)
	// KindChanged: a metric came back as the other kind; its window was emptied.
	KindChanged func(KindChange)
	// Discarded: triggers of an impulse will never run, because it was unbound or the session closed.
	Discarded func(Discarded)
	// Missed: the session took updates more slowly than they came, and the hub left some out; their windows are read
	// again, and the impulses concerned run once with cause Refilled.
	Missed func(Missed)
	// Malformed: the hub sent what could not be read. The connection goes on.
	Malformed func(Malformed)
	// Restarted: an actor of ours failed and was restarted. This is a bug in komstream; please report it.
	Restarted func(Restart)
}

// Rejection is the hub's refusal of samples, or of what a datasource supplies, with its status, code and reason.
type Rejection connection.Rejection

// String returns the event as one line.
func (e Rejection) String() string {
	if len(e.Samples) == 0 {
		return fmt.Sprintf("hub refused to note what %q supplies: %d/%d %s", string(e.Datasource), e.Status, e.Code, e.Reason)
	}
	return fmt.Sprintf("hub refused %d samples, the first for %q: %d/%d %s",
		len(e.Samples), string(e.Samples[0].URI), e.Status, e.Code, e.Reason)
}

// Overwrite is a sample that replaces another of the same metric and millisecond, with another value, which the
// session sent a short while ago.
type Overwrite struct{ Sample metric.Sample }

// String returns the event as one line.
func (e Overwrite) String() string { return "overwrote what was sent before: " + e.Sample.String() }

// ForeignWrite is an impulse's attempt to write other users' metrics, which are read-only.
type ForeignWrite struct {
	Impulse string
	Samples []metric.Sample
}

// String returns the event as one line.
func (e ForeignWrite) String() string {
	return fmt.Sprintf("impulse %q: dropped %d samples for other users' metrics, the first for %q",
		e.Impulse, len(e.Samples), string(e.Samples[0].URI))
}

// RunFailure is a failed run.
type RunFailure struct {
	Impulse string
	// Number is the run's message number.
	Number uint64
	Err    error
}

// String returns the event as one line.
func (e RunFailure) String() string {
	return fmt.Sprintf("impulse %q: run of message %d failed: %v", e.Impulse, e.Number, e.Err)
}

// BreakerChange is a breaker that opened or closed.
type BreakerChange struct {
	Impulse string
	Open    bool
	// Pause is how long an open breaker waits before it lets one run try.
	Pause time.Duration
	// Failures is the number of failed runs in a row.
	Failures int
}

// String returns the event as one line.
func (e BreakerChange) String() string {
	if !e.Open {
		return fmt.Sprintf("impulse %q: breaker closed", e.Impulse)
	}
	return fmt.Sprintf("impulse %q: breaker open for %s after %d failures in a row", e.Impulse, e.Pause, e.Failures)
}

// LoopStopped is the output of a run that was not sent, because its causes already name [metric.Origin]s to the
// limit of 16: impulses feed each other in a circle, or in a chain too long.
type LoopStopped struct {
	Impulse string
	// Via are the origins that the cause had passed; Known the names of those that belong to this session.
	Via   []metric.Origin
	Known []string
	// Samples is how many were not sent.
	Samples int
}

// String returns the event as one line.
func (e LoopStopped) String() string {
	return fmt.Sprintf("impulse %q: %d samples not sent, their cause has passed %d impulses already (here: %s)",
		e.Impulse, e.Samples, len(e.Via), strings.Join(e.Known, ", "))
}

// HookDenied is a subscription that the hub refuses; it is tried again after RetryIn.
type HookDenied struct {
	URI     metric.URI
	Err     error
	RetryIn time.Duration
}

// String returns the event as one line.
func (e HookDenied) String() string {
	return fmt.Sprintf("%v; next try in %s", e.Err, e.RetryIn)
}

// MemoryPressure is a limit of memory that cost windows their oldest samples, or a run the oldest of its messages.
type MemoryPressure struct {
	// URI is the window that was cut. It and Impulse are empty when the session's limit cut several windows.
	URI metric.URI
	// Impulse is the impulse whose merged trigger held too much; Messages is how many left it.
	Impulse  string
	Messages int
	// Used and Limit are bytes of windows and queued triggers: when the limit was passed, and what is allowed. Zero
	// for a limit of one window or trigger.
	Used, Limit int64
}

// String returns the event as one line.
func (e MemoryPressure) String() string {
	switch {
	case e.URI != "":
		return fmt.Sprintf("window of %q is at its limit: the oldest samples go", string(e.URI))
	case e.Impulse != "":
		return fmt.Sprintf("impulse %q: the oldest %d messages left a merged trigger", e.Impulse, e.Messages)
	}
	return fmt.Sprintf("windows and queued triggers hold %d bytes of %d allowed: the oldest samples go", e.Used, e.Limit)
}

// KindChange is a metric that was deleted and made anew as the other kind.
type KindChange struct {
	URI metric.URI
	To  metric.Kind
}

// String returns the event as one line.
func (e KindChange) String() string {
	return fmt.Sprintf("%q is a %s now: its window was emptied", string(e.URI), e.To)
}

// Discarded counts the triggers of an impulse that will never run.
type Discarded struct {
	Impulse  string
	Triggers uint64
}

// String returns the event as one line.
func (e Discarded) String() string {
	return fmt.Sprintf("impulse %q: %d triggers discarded", e.Impulse, e.Triggers)
}

// Missed is what the hub has left out of the updates it pushed.
type Missed struct {
	// Metrics is how many metrics it was, Samples how many of their samples.
	Metrics int
	Samples uint64
}

// String returns the event as one line.
func (e Missed) String() string {
	return fmt.Sprintf("hub left out %d samples of %d metrics: they are read again", e.Samples, e.Metrics)
}

// Malformed is a frame of the hub that could not be read.
type Malformed struct{ Err error }

// String returns the event as one line.
func (e Malformed) String() string { return "hub sent what cannot be read: " + e.Err.Error() }
