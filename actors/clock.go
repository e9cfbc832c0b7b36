package actors

import "time"

// Clock drives retention, throttles, breakers and backoff. The default is the system's clock; tests and replays
// bring their own. Implementations are safe for concurrent use.
type Clock interface {
	// Now returns the present time.
	Now() time.Time
	// AfterFunc calls f once, on a goroutine of its choice, when d has passed. f does not block.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call of [Clock.AfterFunc].
type Timer interface {
	// Stop cancels the call and reports whether it did: false means that it was made or is being made.
	Stop() bool
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
