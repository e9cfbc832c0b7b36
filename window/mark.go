package window

// minMarks is the number of earlier states at which a window first asks which are still needed.
const minMarks = 16

// mark is an earlier state: what the window showed after message number, and until the next mark's.
type mark struct {
	state
	number  uint64
	retired int64 // bytes of chunks that left the window while this was the newest mark
}

const markSize = 48

// advance begins the state of a message. Several appends with one number form one state.
func (w *Window) advance(number uint64) {
	if number <= w.message && w.number > w.message {
		w.reopen()
	}
	w.message = max(w.message, number)
	w.begin(number)
}

// reopen makes the state that an expiry began that of the last message again, since this message is not yet over.
func (w *Window) reopen() {
	w.number = w.message
	last := len(w.marks) - 1
	if last < 0 || w.marks[last].number < w.number {
		return
	}
	retired := w.marks[last].retired
	w.marks[last] = mark{}
	w.marks = w.marks[:last]
	if last > 0 {
		w.marks[last-1].retired += retired
	} else {
		w.pinned -= retired
		w.changed = true
	}
}

// begin begins a state: what the window shows now is kept as that of the messages before this number.
func (w *Window) begin(number uint64) {
	if number <= w.number {
		return
	}
	if w.cuts != nil {
		if len(w.marks) >= w.threshold {
			w.prune()
			w.threshold = max(minMarks, 2*len(w.marks))
		}
		if len(w.marks) == cap(w.marks) { // grown by hand: append would go beyond the threshold
			marks := make([]mark, len(w.marks), min(max(4, 2*len(w.marks)), w.threshold))
			copy(marks, w.marks)
			w.marks = marks
			w.changed = true
		}
		n := len(w.marks)
		w.marks = w.marks[:n+1]
		// Field by field: a copy of the whole reads what has just been written in other pieces, and waits for it.
		m := &w.marks[n]
		m.sp, m.lo, m.hi, m.from, m.to = w.sp, w.lo, w.hi, w.from, w.to
		m.number, m.retired = w.number, 0
	}
	w.number = number
}

// prune drops the marks that no outstanding cut falls into.
func (w *Window) prune() {
	if len(w.marks) == 0 {
		return
	}
	cuts, from := w.cuts(w.scratch[:0])
	w.scratch = cuts
	kept, c := 0, 0
	for i := range w.marks {
		m := &w.marks[i]
		next := w.number
		if i+1 < len(w.marks) {
			next = w.marks[i+1].number
		}
		for c < len(cuts) && cuts[c] < m.number {
			c++
		}
		switch {
		case next > from || c < len(cuts) && cuts[c] < next:
			if kept < i {
				w.marks[kept] = *m
			}
			kept++
		case kept > 0: // what left the window during this state may still be seen by an earlier one
			w.marks[kept-1].retired += m.retired
		default:
			w.pinned -= m.retired
		}
	}
	clear(w.marks[kept:])
	w.marks = w.marks[:kept]
	// After many outstanding cuts the window should become small again.
	if most := 4 * max(kept, minMarks); cap(w.marks) > most {
		w.marks = append([]mark(nil), w.marks...)
	}
	if cap(w.scratch) > 4*minMarks {
		w.scratch = nil
	}
	w.changed = true
}

// retire books n bytes of chunks that left the newest state.
func (w *Window) retire(n int64) {
	w.held -= n
	w.changed = true
	if last := len(w.marks) - 1; last >= 0 {
		w.marks[last].retired += n
		w.pinned += n
	}
}

// ViewAt returns what the window showed after the message with this number: nothing that came later, and also what
// has been evicted since. Where that state is gone, which happens only to numbers that Config.Cuts did not name, it
// is the nearest older state kept, or the oldest.
func (w *Window) ViewAt(number uint64) View {
	w.mu.Lock()
	defer w.mu.Unlock()
	if number >= w.number || len(w.marks) == 0 {
		return View{w.state}
	}
	a, b := 0, len(w.marks)
	for b-a > 1 {
		if m := int(uint(a+b) >> 1); w.marks[m].number <= number {
			a = m
		} else {
			b = m
		}
	}
	return View{w.marks[a].state}
}
