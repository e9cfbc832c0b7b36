package bench

// The checker knows nothing of the library. Every value of the load is the number of its message, so whoever reads a
// window can tell which message it shows. What is in the windows before is negative.

// watch follows the runs of one impulse. It is used by one goroutine at a time.
type watch struct {
	next int64 // the message that must trigger the next run
	step int64 // the distance to the one after it
}

// run checks a run: that it is the next one, since none may be lost, doubled or overtaken, and that the window of an
// updated metric shows the message and nothing later. It returns the number of faults.
func (w *watch) run(trigger int64, shown float64) (wrong int64) {
	if trigger != w.next {
		wrong = 1
	}
	w.next = trigger + w.step
	if shown != float64(trigger) {
		wrong = 1
	}
	return wrong
}

// other checks the window of a metric that message trigger did not update: the last message of its group must be the
// last sample. start is the first message that was ever sent.
func other(trigger, start int64, group, groups int, shown float64) (wrong int64) {
	behind := (trigger - int64(group)) % int64(groups)
	want := trigger - behind
	if want < start {
		if shown < 0 {
			return 0
		}
		return 1
	}
	if shown != float64(want) {
		return 1
	}
	return 0
}
