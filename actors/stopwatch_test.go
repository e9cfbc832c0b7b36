package actors

import (
	"testing"
	"time"
)

// countingClock counts how often it is read, and advances by step each time.
type countingClock struct {
	reads int
	step  time.Duration
	now   time.Time
}

func (c *countingClock) Now() time.Time {
	c.reads++
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *countingClock) AfterFunc(time.Duration, func()) Timer { panic("not used") }

func TestStopwatchReadsTheClockForFewShortRunsAndEveryLongOne(t *testing.T) {
	runs := func(w *stopwatch, n int, failed bool) (total time.Duration) {
		for i := range n {
			if i == 0 {
				w.begin()
			} else {
				w.again()
			}
			_, took := w.end(failed)
			total += took
		}
		return total
	}
	short := &countingClock{step: time.Microsecond}
	if total := runs(&stopwatch{clock: short}, 160, false); short.reads > 24 || total != 160*time.Microsecond {
		t.Errorf("160 short runs: %d readings and %s in total, want at most 24 and 160µs", short.reads, total)
	}
	long := &countingClock{step: time.Millisecond}
	if total := runs(&stopwatch{clock: long}, 160, false); long.reads < 160 || total != 160*time.Millisecond {
		t.Errorf("160 long runs: %d readings and %s in total, want each measured and 160ms", long.reads, total)
	}
	failing := &countingClock{step: time.Microsecond}
	if runs(&stopwatch{clock: failing}, 160, true); failing.reads < 160 {
		t.Errorf("160 failed runs: %d readings, want one each: the breaker counts from them", failing.reads)
	}
	always := &countingClock{step: time.Microsecond}
	if runs(&stopwatch{clock: always, always: true}, 160, false); always.reads < 160 {
		t.Errorf("160 runs of a throttled impulse: %d readings, want one each", always.reads)
	}
}
