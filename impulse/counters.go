package impulse

// Counters say what became of the triggers of one impulse. Nothing is lost without being counted; at every moment
//
//	Triggered = Ran + Running + Coalesced + Throttled + Skipped + Dropped + Discarded + Pending
//
// A trigger that was merged into another counts as Coalesced or Throttled; the one it was merged into goes on.
type Counters struct {
	// Triggered counts all: messages with a metric of the impulse, and refills.
	Triggered uint64
	// Ran counts finished runs, failed ones too.
	Ran uint64
	// Failed counts the failed ones among Ran.
	Failed uint64
	// Running is 1 during a run.
	Running uint64
	// Coalesced counts those merged into another by the overload policy, or while windows were loading.
	Coalesced uint64
	// Throttled counts those merged into another because of MinExecDelta.
	Throttled uint64
	// Skipped counts those that the impulse's own policy passed over: its own samples that came back.
	Skipped uint64
	// Dropped counts those that [DropOldest] dropped.
	Dropped uint64
	// Discarded counts those that waited when the impulse was unbound or the session closed.
	Discarded uint64
	// Pending is the number of those that wait.
	Pending uint64
	// Shed counts messages that left a merged trigger because it held too many; their triggers are counted above.
	Shed uint64
}

// Add returns the sums of the fields.
func (c Counters) Add(d Counters) Counters {
	c.Triggered += d.Triggered
	c.Ran += d.Ran
	c.Failed += d.Failed
	c.Running += d.Running
	c.Coalesced += d.Coalesced
	c.Throttled += d.Throttled
	c.Skipped += d.Skipped
	c.Dropped += d.Dropped
	c.Discarded += d.Discarded
	c.Pending += d.Pending
	c.Shed += d.Shed
	return c
}

// Balanced reports whether the equation above holds.
func (c Counters) Balanced() bool {
	return c.Failed <= c.Ran && c.Triggered == c.Ran+c.Running+c.Coalesced+c.Throttled+
		c.Skipped+c.Dropped+c.Discarded+c.Pending
}
