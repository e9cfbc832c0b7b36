package actors

import "time"

// stopwatch times the runs of one impulse. Reading the clock twice costs as much as a small run, so while runs are
// short and succeed it reads it for one run in measureOne and takes that for the others.
type stopwatch struct {
	clock  Clock
	always bool // the impulse's queue needs the time of every run

	now      time.Time     // when last read
	took     time.Duration // of the run measured last
	skipped  int           // runs since
	careful  bool          // the last run was long or failed: measure
	measured bool          // this run is
	known    bool          // some run has been
}

const (
	measureOne = 16
	shortRun   = 5 * time.Microsecond
)

// begin returns the time at which a run may begin, possibly that of an earlier one.
func (w *stopwatch) begin() time.Time {
	w.measured = w.always || w.careful || !w.known || w.skipped >= measureOne-1
	if w.measured {
		w.now, w.skipped = w.clock.Now(), 0
	}
	return w.now
}

// again begins the next run of a turn, which follows the last at once.
func (w *stopwatch) again() {
	if w.measured && (w.always || w.careful) {
		return // the end of the last is the beginning of this one
	}
	w.begin()
}

// end returns the time at which the run has ended and what it took.
func (w *stopwatch) end(failed bool) (time.Time, time.Duration) {
	switch {
	case w.measured:
		ended := w.clock.Now()
		w.took, w.now, w.known = ended.Sub(w.now), ended, true
	case failed:
		w.now = w.clock.Now() // the breaker counts from it
	default:
		w.skipped++
	}
	w.careful = failed || w.took >= shortRun
	return w.now, w.took
}
