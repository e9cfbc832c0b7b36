package connection

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Defaults of [RetryConfig].
const (
	DefaultRetryInitial = 500 * time.Millisecond
	DefaultRetryMax     = 20 * time.Second
	DefaultRetryStable  = time.Minute
)

// RetryConfig says how long to wait between attempts. The zero value has the defaults.
type RetryConfig struct {
	// Initial is the wait after the first failure, before jitter; each further one doubles. Default 500 ms.
	Initial time.Duration
	// Max bounds the wait before jitter. Default 20 s, so that with jitter it lies between 10 and 30 s.
	Max time.Duration
	// Stable is how long a connection must have lived for the next wait to be Initial again: a hub that accepts and
	// drops at once must not be hammered. Default one minute.
	Stable time.Duration
	// Rand returns the jitter, in [0, 1). Default math/rand/v2.
	Rand func() float64
}

// Retry computes the waits between attempts to connect: exponential, with a jitter of half the wait either way, so
// that a thousand agents do not come back at once, and without an end. It is not safe for concurrent use.
type Retry struct {
	config RetryConfig
	waits  backoff.ExponentialBackOff
	up     time.Time // since when the connection lives, zero while it does not
}

// NewRetry returns a Retry at its initial wait.
func NewRetry(config RetryConfig) *Retry {
	if config.Initial <= 0 {
		config.Initial = DefaultRetryInitial
	}
	if config.Max <= 0 {
		config.Max = DefaultRetryMax
	}
	if config.Stable <= 0 {
		config.Stable = DefaultRetryStable
	}
	if config.Rand == nil {
		config.Rand = rand.Float64
	}
	r := &Retry{config: config}
	r.waits = backoff.ExponentialBackOff{
		InitialInterval: config.Initial,
		MaxInterval:     max(config.Max, config.Initial),
		Multiplier:      2,
		// The jitter is ours, from the injected source. MaxElapsedTime 0 is no end.
		Clock: backoff.SystemClock,
		Stop:  backoff.Stop,
	}
	r.waits.Reset()
	return r
}

// Connected notes that the connection lives from now on.
func (r *Retry) Connected(now time.Time) { r.up = now }

// Failed notes that an attempt failed or the connection was lost, and returns how long to wait for the next attempt.
func (r *Retry) Failed(now time.Time) time.Duration {
	if !r.up.IsZero() && now.Sub(r.up) >= r.config.Stable {
		r.waits.Reset()
	}
	r.up = time.Time{}
	wait := r.waits.NextBackOff()
	return time.Duration(float64(wait) * (0.5 + r.config.Rand()))
}

// Reset returns to the initial wait: the reason for waiting is gone.
func (r *Retry) Reset() {
	r.waits.Reset()
	r.up = time.Time{}
}
