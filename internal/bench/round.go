package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// roundSpec says what is sent in a round, to the process that sends and to the one that is measured.
type roundSpec struct {
	// First is the number of the first message, Frames how many there are.
	First  int64
	Frames int
	// All makes the checker look at every updated metric, not only at one of each run.
	All bool
	// Rate is the number of messages a second and Start the Unix time of the first, in nanoseconds, when delays are
	// measured. Rate 0 sends as fast as they are taken.
	Rate  int
	Start int64
	// Profile names a file for a profile of the processors, "" for none.
	Profile string
}

// at returns when message k is due.
func (s *roundSpec) at(k int64) time.Time {
	return time.Unix(0, s.Start+(k-s.First)*int64(time.Second)/int64(s.Rate))
}

// round is a round as those see it who are measured.
type round struct {
	roundSpec
	runs  int64 // of each impulse
	left  atomic.Int64
	done  chan struct{}
	wrong atomic.Int64
	// delays is nil unless the delay of each run is to be noted.
	delays *delays
}

func newRound(w *Workload, s roundSpec) *round {
	r := &round{roundSpec: s, runs: int64(w.runs(s.Frames)), done: make(chan struct{})}
	r.left.Store(int64(w.Impulses))
	if s.Rate > 0 {
		r.delays = new(delays)
	}
	return r
}

// begun notes that a run for message k begins.
func (r *round) begun(k int64) {
	if r.delays != nil {
		r.delays.add(time.Since(r.at(k)))
	}
}

// wait returns when all impulses have run as often as they have to.
func (r *round) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bench: %d impulses have not run as often as the messages demand: %w", r.left.Load(), context.Cause(ctx))
	}
}

// tally counts the runs of one impulse in a round. Each has cache lines of its own: what is counted must not cost more
// than what it counts.
type tally struct {
	_     [64]byte
	runs  atomic.Int64
	watch watch
	_     [64]byte
}

// ran notes the end of a run, and ends the round with the last run of the last impulse.
func (t *tally) ran(r *round) {
	if t.runs.Add(1) == r.runs {
		t.runs.Store(0)
		if r.left.Add(-1) == 0 {
			close(r.done)
		}
	}
}
