package check

import (
	"fmt"
	"strings"

	"github.com/komstream/komstream/metric"
)

// Check decides about one run. Reports of one impulse come in the order of its runs.
func (c *Checker) Check(r Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.impulses[r.Impulse]
	if w == nil {
		c.note(fmt.Sprintf("impulse %q runs and is not watched", r.Impulse))
		return
	}
	c.runs++
	w.runs++
	run := &run{c: c, w: w, r: &r}
	run.answer()
	run.number()
	run.views()
	if len(run.faults) > 0 {
		c.note(fmt.Sprintf("impulse %s, run %d of message %d: %s",
			r.Impulse, w.runs, r.Number, strings.Join(run.faults, "; ")))
	}
}

// run is the decision about one run.
type run struct {
	c      *Checker
	w      *watched
	r      *Report
	faults []string

	answered int    // frames
	last     *frame // the last of them
	settled  bool   // it answers one frame, and nothing was held: its cut is that of the frame
	from, to int    // positions between which the cut lies
}

func (d *run) fault(format string, args ...any) {
	if len(d.faults) < 4 {
		d.faults = append(d.faults, fmt.Sprintf(format, args...))
	}
}

// answer finds the frames that the run answers: the next ones, whose samples are its Updated.
func (d *run) answer() {
	c, w := d.c, d.w
	rest, pos, passed := d.r.Updated, w.cursor, 0
	for len(rest) > 0 {
		f := c.next(w, pos)
		if f == nil {
			d.fault("updated sample %v was in no frame that is not answered yet", rest[0])
			d.recover(rest)
			break
		}
		items := w.itemsOf(f)
		switch {
		case passed != f.conn && begins(rest, items, f):
			d.answered++
			d.last = f
			rest = rest[len(items):]
		case w.drops(): // it has chosen to, anywhere
		case c.lost(f.conn):
			passed = f.conn // a connection ends with frames that nobody gets
		default:
			d.fault("frame %d of connection %d, with %s, was passed over: updated is %v",
				f.index, f.conn, items[0].uri, rest[0])
			d.recover(rest)
			rest = nil
		}
		pos = f.pos + 1
	}
	if d.last != nil {
		w.cursor = max(w.cursor, d.last.pos+1)
		k := c.conns[d.last.conn-1]
		k.confirmed = max(k.confirmed, int64(d.last.index))
	}
	w.triggers += uint64(d.r.Merged)
	d.count()
}

// exact reports whether a run that answers a frame last has that frame's number. The first one over a connection may
// have been held, and then shows what came until it was released.
func (d *run) exact(f *frame) bool {
	return !d.r.Refilled && d.w.last != nil && d.w.last.conn == f.conn
}

// count compares the number of frames with that of triggers. A connection after the first gives a trigger without a
// frame to each impulse whose windows it changed.
func (d *run) count() {
	switch extra := d.r.Merged - d.answered; {
	case len(d.faults) > 0, extra == 0:
	case !d.r.Refilled:
		d.fault("%d triggers but the samples of %d frames", d.r.Merged, d.answered)
	case extra < 0:
		d.fault("%d triggers but the samples of %d frames", d.r.Merged, d.answered)
	default:
		if d.w.refills += uint64(extra); d.w.refills >= uint64(len(d.c.conns)) {
			d.fault("%d triggers without a frame in %d connections", d.w.refills, len(d.c.conns))
		}
	}
}

// recover goes on behind the frame that holds the last of the samples, so that one fault is told once.
func (d *run) recover(rest []metric.Sample) {
	s := rest[len(rest)-1]
	for pos := d.c.pruned + len(d.c.frames) - 1; pos >= d.w.cursor; pos-- {
		f := d.c.frames[pos-d.c.pruned]
		for _, i := range d.w.itemsOf(f) {
			if i.uri == s.URI && f.time == id(s.Time) {
				d.w.cursor = pos + 1
				return
			}
		}
	}
}

// begins reports whether the samples begin with those of a frame.
func begins(samples []metric.Sample, items []item, f *frame) bool {
	if len(samples) < len(items) {
		return false
	}
	for n, i := range items {
		s := &samples[n]
		if i.uri != s.URI || i.kind != s.Kind() || f.time != id(s.Time) || !sameContent(i, s.Value.String()) {
			return false
		}
	}
	return true
}

// sameContent compares texts byte by byte, and numbers that are written differently by their value.
func sameContent(i item, text string) bool {
	return i.content == text || i.kind == metric.KindDatapoint && numberOf(i.content) == numberOf(text)
}

// number checks the run's number, which is its cut: every run that answers a frame last must have the same.
func (d *run) number() {
	n := d.r.Number
	if n < d.w.number {
		d.fault("its number is below %d, that of the run before", d.w.number)
	}
	d.w.number = n
	if d.last == nil {
		return
	}
	exact := d.exact(d.last)
	d.w.last = d.last
	d.settled = exact && d.r.Merged == 1
	least, most := d.c.bounds(d.last)
	switch {
	case n < least || exact && n > most:
		d.fault("its number should be that of its frame, %d to %d", least, most)
	case exact && len(d.faults) == 0:
		d.c.learn(d.last, n)
	}
}
