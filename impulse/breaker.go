package impulse

import (
	"time"
)

// Breaker pauses an impulse that fails again and again. After Failures failed runs in a row it opens: triggers
// queue under the overload policy and no run starts for Pause. Then one run is let through as a probe. When it
// succeeds the breaker closes; when it fails the pause doubles, up to MaxPause, and another probe follows. So it
// closes again by itself. Zero fields mean the defaults.
type Breaker struct {
	// Failures is the number of failed runs in a row that opens the breaker. Default 5; negative: it never opens.
	Failures int
	// Pause is the time from opening to the first probe. Default one second.
	Pause time.Duration
	// MaxPause bounds the pause, which doubles with each failed probe. Default one minute, or Pause if longer.
	MaxPause time.Duration
}

func (b Breaker) withDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = 5
	}
	if b.Pause <= 0 {
		b.Pause = time.Second
		if b.MaxPause > 0 {
			b.Pause = min(b.Pause, b.MaxPause)
		}
	}
	if b.MaxPause <= 0 {
		b.MaxPause = max(time.Minute, b.Pause)
	}
	return b
}

// BreakerState says whether runs may start.
type BreakerState uint8

// The states of a breaker.
const (
	// BreakerClosed lets every run start.
	BreakerClosed BreakerState = iota
	// BreakerOpen lets none start until its pause is over.
	BreakerOpen
	// BreakerHalfOpen waits for the outcome of one run, the probe.
	BreakerHalfOpen
)

// String returns "closed", "open" or "half-open".
func (s BreakerState) String() string {
	switch s {
	case BreakerClosed:
		return "closed"
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half-open"
	}
	return "unknown"
}

// BreakerChange is what the outcome of a run did to the breaker. The zero value is no change.
type BreakerChange struct {
	// From and To are the states before and after; they are equal when nothing changed.
	From, To BreakerState
	// Failures is the number of failed runs in a row up to now.
	Failures int
	// Pause is how long no run starts, where To is BreakerOpen.
	Pause time.Duration
}

// Changed reports whether the state changed.
func (c BreakerChange) Changed() bool { return c.From != c.To }

// breaker is the state of a Breaker.
type breaker struct {
	config   Breaker
	state    BreakerState
	failures int // in a row
	pause    time.Duration
	until    time.Time // end of the pause
}

// wait returns how long no run may start.
func (b *breaker) wait(now time.Time) time.Duration {
	if b.state != BreakerOpen {
		return 0
	}
	if begin := b.until.Add(-b.pause); now.Before(begin) {
		b.until = now.Add(b.pause) // the clock was set back: that must not lengthen the pause by as much
	}
	return b.until.Sub(now)
}

// start notes that a run starts, which after a pause makes it the probe.
func (b *breaker) start() {
	if b.state == BreakerOpen {
		b.state = BreakerHalfOpen
	}
}

// done notes the outcome of a run.
func (b *breaker) done(now time.Time, failed bool) BreakerChange {
	if !failed && b.state == BreakerClosed && b.failures == 0 {
		return BreakerChange{} // from closed to closed
	}
	c := BreakerChange{From: b.state}
	switch {
	case !failed:
		b.state, b.failures, b.pause = BreakerClosed, 0, 0
	case b.state == BreakerHalfOpen:
		b.failures++
		b.open(now, min(b.pause*2, b.config.MaxPause))
	default:
		b.failures++
		if b.config.Failures > 0 && b.failures >= b.config.Failures {
			b.open(now, b.config.Pause)
		}
	}
	c.To, c.Failures, c.Pause = b.state, b.failures, b.pause
	return c
}

func (b *breaker) open(now time.Time, pause time.Duration) {
	b.state, b.pause, b.until = BreakerOpen, pause, now.Add(pause)
}
