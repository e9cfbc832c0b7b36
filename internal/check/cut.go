package check

import (
	"cmp"
	"slices"
	"time"
)

// place says where a frame lies in relation to a run's cut.
type place int

const (
	before place = iota // at the cut or before it: the views must show it
	behind              // later: they must not
	unsure              // nobody can tell, or it may never have reached the session
)

// cut finds between which frames the run's cut lies: it shows all up to the position from, and none from to on.
func (d *run) cut() {
	c, w := d.c, d.w
	d.from, d.to = -1, c.pruned+len(c.frames)
	if w.last != nil {
		d.from = w.last.pos
	}
	if next := c.next(w, w.cursor); next != nil {
		d.to = next.pos
	}
	if d.last != nil && d.last.number == d.r.Number {
		d.to = d.last.pos + 1
	}
	// What others have learned.
	i, exact := slices.BinarySearchFunc(c.known, d.r.Number, func(f *frame, n uint64) int { return cmp.Compare(f.number, n) })
	if exact {
		i++
	}
	if i > 0 {
		d.from = max(d.from, c.known[i-1].pos)
	}
	if i < len(c.known) {
		d.to = min(d.to, c.known[i].pos)
	}
	if d.to <= d.from {
		d.fault("its cut, %d, is behind a frame that it does not answer", d.r.Number)
	}
}

// place returns where a frame with a metric of the impulse lies.
func (d *run) place(f *frame) place {
	reached := !d.c.lost(f.conn) || int64(f.index) <= d.c.conns[f.conn-1].confirmed
	switch {
	case f.pos >= d.to && (reached || f.number > 0):
		return behind
	case f.pos <= d.from && reached:
		return before
	}
	return unsure
}

// views checks that every view shows the run's cut.
func (d *run) views() {
	d.cut()
	if len(d.r.Views) != len(d.w.uris) {
		d.fault("it has %d views of %d metrics", len(d.r.Views), len(d.w.uris))
	}
	for n, view := range d.r.Views {
		if n >= len(d.w.uris) || view.URI != d.w.uris[n] {
			d.fault("view %d is of %s", n, view.URI)
			return
		}
		d.view(n, view)
	}
}

// view walks through a view and what was received of its metric, both in order of time.
func (d *run) view(n int, view View) {
	s := d.c.series[view.URI]
	defer s.prune(d.r.Now)
	now, rows := ticksOf(d.r.Now), view.Rows
	cutoff := ticksOf(d.r.Now.Add(-d.w.pasts[n].Delta))
	// With as many rows at or before now behind it, an instant may have left the window.
	past := 0
	for past < len(rows) && id(rows[past].Time).ticks() <= now {
		past++
	}
	i := 0
	for r := range rows {
		t := id(rows[r].Time).ticks()
		if r > 0 && id(rows[r-1].Time).ticks() >= t {
			d.fault("view of %s is not in order at %v", view.URI, rows[r].Time)
			return
		}
		for ; i < len(s.instants) && s.instants[i].ticks < t; i++ {
			d.missing(n, &s.instants[i], cutoff, past-r)
		}
		if i == len(s.instants) || s.instants[i].ticks != t {
			d.fault("view of %s shows %v, which was never received", view.URI, at(t))
			continue
		}
		d.shown(n, &s.instants[i], &rows[r])
		i++
	}
	for ; i < len(s.instants); i++ {
		d.missing(n, &s.instants[i], cutoff, past-len(rows))
	}
}

// missing decides about an instant that the view does not show, with some rows at or before now behind it.
func (d *run) missing(n int, i *instant, cutoff int64, newer int) {
	kept := i.ticks >= cutoff || newer < d.w.pasts[n].Count
	if !kept && !(d.settled && i.ticks == d.last.time.ticks()) {
		return
	}
	for k := range i.arrivals {
		f := i.arrivals[k].frame
		if f == nil || d.place(f) != before {
			continue
		}
		if kept || f == d.last {
			d.fault("view of %s lacks %v of frame %d of connection %d", d.w.uris[n], at(i.ticks), f.index, f.conn)
			return
		}
	}
}

// shown decides about an instant that the view shows.
func (d *run) shown(n int, i *instant, r *ViewRow) {
	var newest *arrival // of the frames before the cut
	later := false
	for k := range i.arrivals {
		a := &i.arrivals[k]
		if a.frame == nil {
			continue
		}
		switch d.place(a.frame) {
		case before:
			if newest == nil || !a.id.less(newest.id) {
				newest = a
			}
		case behind:
			later = later || a.shows(r)
		case unsure:
			if a.shows(r) {
				return
			}
		}
	}
	if newest != nil && newest.shows(r) {
		return
	}
	for k := range i.arrivals {
		// History tells what frames before it told, or newer.
		if a := &i.arrivals[k]; a.frame == nil && a.shows(r) &&
			(newest == nil || a.seq > newest.seq || newest.id.less(a.id)) {
			return
		}
	}
	switch {
	case later:
		d.fault("view of %s shows %v of a frame behind its cut", d.w.uris[n], at(i.ticks))
	case newest != nil:
		d.fault("view of %s shows %v%v at %v, the newest was %.40q", d.w.uris[n], r.Value, r.Text, at(i.ticks), newest.content)
	default:
		d.fault("view of %s shows %v%v at %v, which was never received", d.w.uris[n], r.Value, r.Text, at(i.ticks))
	}
}

func at(ticks int64) string { return timeOf(ticks).Format(time.RFC3339Nano) }
