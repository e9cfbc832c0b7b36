package check

import (
	"context"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Report is what one run saw.
type Report struct {
	Impulse  string
	Number   uint64
	Refilled bool
	Merged   int
	// Now is the session's time during the run.
	Now     time.Time
	Updated []metric.Sample
	// Views are those of all metrics that the impulse subscribes.
	Views []View
}

// View is what a run saw of one metric.
type View struct {
	URI  metric.URI
	Rows []ViewRow
}

// ViewRow is one sample of a view, with its number or its text.
type ViewRow struct {
	Time  metric.TimeUUID
	Value float64
	Text  string
}

// Watch returns the impulses with functions that report to the checker what they see, before they do what they do. It
// takes time that grows with the windows. Call it before the session is opened, with all of its impulses.
func (c *Checker) Watch(impulses ...impulse.Impulse) []impulse.Impulse {
	all := make([]impulse.Impulse, len(impulses))
	for i, imp := range impulses {
		all[i] = c.watch(imp)
	}
	return all
}

func (c *Checker) watch(imp impulse.Impulse) impulse.Impulse {
	w := c.add(imp)
	do := imp.Do
	imp.Do = func(ctx context.Context, u *impulse.Update) error {
		c.enter(w)
		defer c.leave(w)
		c.Check(reportOf(u))
		return do(ctx, u)
	}
	return imp
}

// reportOf takes down what a run sees.
func reportOf(u *impulse.Update) Report {
	r := Report{
		Impulse: u.Impulse(), Number: u.Number(), Refilled: u.Cause() == impulse.Refilled, Merged: u.Merged(),
	}
	for s := range u.Updated() {
		r.Updated = append(r.Updated, s)
	}
	for _, uri := range u.URIs() {
		view := u.View(uri)
		rows := make([]ViewRow, 0, view.Len())
		for p := range view.Points() {
			rows = append(rows, ViewRow{Time: p.Time, Value: p.Value, Text: p.Text})
		}
		r.Views = append(r.Views, View{URI: uri, Rows: rows})
	}
	r.Now = u.Now()
	return r
}

// enter begins a run.
func (c *Checker) enter(w *watched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.inside++; w.inside > 1 {
		c.note("impulse " + w.impulse.Name + ": a run began while another had not ended")
	}
}

// leave ends a run.
func (c *Checker) leave(w *watched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.inside--
}
