package actors

import (
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
)

// Stats are figures of a session, taken at one moment.
type Stats struct {
	State State
	// Since is when the state began.
	Since time.Time
	// Connects counts the connections that were established; LastErr is why the last one or the last try ended.
	Connects uint64
	LastErr  error

	// Messages and Updates count what the hub has pushed: notifications and the samples in them. Unknown counts
	// samples of metrics that nothing subscribes any more, Missed those that the hub did not push and that were read
	// from the history instead, Malformed the frames that could not be read.
	Messages, Updates, Unknown, Missed, Malformed uint64

	// Windows is the number of subscribed metrics, WindowSamples and WindowBytes what their windows hold.
	Windows       int
	WindowSamples int
	WindowBytes   int64

	// Outbound says what became of the samples that were sent.
	Outbound connection.OutboxStats
	// Impulses are the bound impulses, in the order they were bound.
	Impulses []ImpulseStats
	// EventsDropped counts events that came while 4,096 waited for the callbacks.
	EventsDropped uint64
	// Restarts counts actors that failed and were restarted; see Events.Restarted.
	Restarts uint64
}

// ImpulseStats are figures of one impulse.
type ImpulseStats struct {
	Name string
	// Counters say what became of its triggers; their sum is always right.
	Counters impulse.Counters
	Breaker  impulse.BreakerState
	Timing   RunTiming
	// Emitted counts samples handed to the outbound queue, Foreign those dropped because they were for other users'
	// metrics, Looped those withheld because their cause had passed too many impulses.
	Emitted, Foreign, Looped uint64
	// LastErr is the error of the last run that failed.
	LastErr error
}

// RunTiming says how long the runs of an impulse took. Of runs that take less than 5 µs only one in sixteen is
// measured, and counts in Total for the others too: reading the clock would cost as much as they do.
type RunTiming struct {
	Last, Max, Total time.Duration
}

func (t *RunTiming) add(d time.Duration) {
	t.Last = d
	t.Max = max(t.Max, d)
	t.Total += d
}
