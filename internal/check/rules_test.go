package check

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// world is a hub and a session that do everything right, on paper: it tells the checker what the hub sends and makes
// the reports that a session would.
type world struct {
	t       *testing.T
	checker *Checker
	imp     impulse.Impulse
	conn    int
	number  uint64
	rows    map[metric.URI][]ViewRow
}

var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// second returns a time some seconds after the epoch.
func second(n int) metric.TimeUUID {
	return metric.NewTimeUUID(metric.TicksOf(epoch.Add(time.Duration(n)*time.Second)), metric.PlainLow)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, checker: New("me"), rows: map[metric.URI][]ViewRow{}}
	w.imp = impulse.Impulse{Name: "i", On: impulse.URIs("a", "b"), Past: impulse.Past{Delta: time.Hour}}
	w.checker.add(w.imp)
	w.connect()
	return w
}

func (w *world) connect() { w.conn = w.checker.connected() }

// pushed is what a frame brought.
type pushed struct {
	number  uint64
	samples []metric.Sample
	views   []View // after it
}

// push sends a frame at a second: pairs of metric and number.
func (w *world) push(at int, pairs ...any) pushed { return w.pushVia(nil, at, pairs...) }

func (w *world) pushVia(via []string, at int, pairs ...any) pushed {
	w.t.Helper()
	w.send(via, at, pairs...)
	w.number++
	p := pushed{number: w.number}
	for i := 0; i < len(pairs); i += 2 {
		uri, value := metric.URI(pairs[i].(string)), pairs[i+1].(int)
		p.samples = append(p.samples, metric.Datapoint(uri, second(at).Time(), value))
		w.rows[uri] = put(w.rows[uri], ViewRow{Time: second(at), Value: float64(value)})
	}
	p.views = w.views()
	return p
}

// send sends a frame that never reaches the session.
func (w *world) send(via []string, at int, pairs ...any) {
	var items []string
	for i := 0; i < len(pairs); i += 2 {
		items = append(items, fmt.Sprintf(`{"uri":%q,"type":"p","content":"%d"}`, pairs[i], pairs[i+1]))
	}
	quoted := make([]string, len(via))
	for i, v := range via {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	w.checker.received(w.conn, fmt.Appendf(nil,
		`{"v":1,"action":"send_multi_data","seq":"","irt":null,"via":[%s],"payload":{"t":%q,"uris":[%s]}}`,
		strings.Join(quoted, ","), hexOf(second(at)), strings.Join(items, ",")))
}

// history sends a page with one row, which comes to the window.
func (w *world) history(uri string, at, value int) {
	w.checker.received(w.conn, fmt.Appendf(nil,
		`{"v":1,"action":"send_data_interval","payload":{"uri":{"uri":%q,"type":"p"},"data":[[%q,"%d"]]}}`,
		uri, hexOf(second(at)), value))
	w.rows[metric.URI(uri)] = put(w.rows[metric.URI(uri)], ViewRow{Time: second(at), Value: float64(value)})
}

func hexOf(t metric.TimeUUID) string { return hex.EncodeToString(t[:]) }

// put puts a row in its place.
func put(rows []ViewRow, r ViewRow) []ViewRow {
	rows = slices.Clone(rows)
	i, found := slices.BinarySearchFunc(rows, r, func(a, b ViewRow) int { return a.Time.Compare(b.Time) })
	if found {
		rows[i] = r
		return rows
	}
	return slices.Insert(rows, i, r)
}

func (w *world) views() (views []View) {
	for _, in := range w.imp.On {
		views = append(views, View{URI: in.URI, Rows: slices.Clone(w.rows[in.URI])})
	}
	return views
}

// report is what the run for some frames sees.
func (w *world) report(frames ...pushed) Report {
	last := frames[len(frames)-1]
	r := Report{Impulse: "i", Number: last.number, Merged: len(frames), Now: epoch.Add(time.Minute)}
	for _, f := range frames {
		r.Updated = append(r.Updated, f.samples...)
	}
	for _, v := range last.views {
		r.Views = append(r.Views, View{URI: v.URI, Rows: slices.Clone(v.Rows)})
	}
	return r
}

// run reports the right run for some frames.
func (w *world) run(frames ...pushed) { w.checker.Check(w.report(frames...)) }

// counters are the right ones for a number of runs, one trigger each.
func counters(runs uint64) impulse.Counters { return impulse.Counters{Triggered: runs, Ran: runs} }

func TestRightRunsAreRight(t *testing.T) {
	tests := map[string]func(w *world){
		"one by one": func(w *world) {
			w.history("a", -5, 9)
			f, g, h := w.push(1, "a", 1), w.push(2, "b", 2), w.push(3, "a", 3, "b", 4)
			w.run(f)
			w.run(g)
			w.run(h)
			w.checker.Finish("i", counters(3))
		},
		"merged": func(w *world) {
			f, g, h := w.push(1, "a", 1), w.push(2, "b", 2), w.push(3, "a", 3, "b", 4)
			w.run(f)
			w.run(g, h)
			w.checker.Finish("i", impulse.Counters{Triggered: 3, Ran: 2, Throttled: 1})
		},
		"overwritten": func(w *world) {
			f, g := w.push(1, "a", 1), w.push(1, "a", 2)
			w.run(f)
			w.run(g)
		},
		"dropped": func(w *world) {
			w.checker.impulses["i"].impulse.Overload = impulse.DropOldest(1)
			w.run(w.push(0, "a", 0))
			w.push(1, "a", 1)
			w.run(w.push(2, "a", 2))
			w.checker.Finish("i", impulse.Counters{Triggered: 3, Ran: 2, Dropped: 1})
		},
		"history that is newer than a frame": func(w *world) {
			w.run(w.push(1, "a", 1))
			w.history("a", 1, 7)
			w.run(w.push(2, "a", 2))
		},
		"own samples": func(w *world) {
			f := w.push(1, "a", 1)
			w.pushVia([]string{w.checker.impulses["i"].origin}, 2, "b", 2)
			h := w.push(3, "a", 3)
			w.run(f)
			w.run(h)
			w.checker.Finish("i", impulse.Counters{Triggered: 3, Ran: 2, Skipped: 1})
		},
		"a number for something else": func(w *world) {
			w.number += 13
			w.run(w.push(1, "a", 1))
			w.number++
			w.run(w.push(2, "a", 2))
			w.run(w.push(3, "a", 3))
		},
		"other metrics": func(w *world) {
			w.send(nil, 1, "c", 1) // gets no number
			w.run(w.push(2, "a", 1))
		},
		"retention": func(w *world) {
			f, g, h := w.push(-5000, "a", 1), w.push(-4900, "a", 2), w.push(-4800, "a", 3)
			w.run(f)
			w.run(g)
			r := w.report(h)
			r.Views[0].Rows = r.Views[0].Rows[1:] // two remain, however old
			w.checker.Check(r)
		},
		"a connection lost with frames unread": func(w *world) {
			w.run(w.push(1, "a", 1))
			w.send(nil, 2, "a", 2)
			w.send(nil, 3, "a", 3)
			w.connect()
			w.history("a", 2, 2)
			w.history("a", 3, 3)
			g, h := w.push(4, "a", 4), w.push(5, "a", 5)
			r := w.report(g)
			r.Refilled, r.Merged = true, 2
			w.checker.Check(r)
			w.run(h)
			w.checker.Finish("i", impulse.Counters{Triggered: 4, Ran: 3, Coalesced: 1})
		},
		"held until loaded": func(w *world) {
			f := w.push(1, "a", 1)
			own := w.pushVia([]string{w.checker.impulses["i"].origin}, 2, "b", 2)
			r := w.report(f)
			r.Number, r.Views = own.number, own.views
			w.checker.Check(r)
		},
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			do(w)
			for _, text := range w.checker.Faults() {
				t.Error(text)
			}
		})
	}
}

// TestEachRuleFindsItsFault doctors the report of the third of four runs.
func TestEachRuleFindsItsFault(t *testing.T) {
	tests := []struct {
		name   string
		doctor func(w *world, r *Report)
		want   string
	}{
		{"an invented sample", func(w *world, r *Report) {
			r.Updated = append(r.Updated, metric.Datapoint("a", second(50).Time(), 5))
		}, "was passed over"},
		{"another value", func(w *world, r *Report) {
			r.Updated[0] = metric.Datapoint("a", second(3).Time(), 33)
		}, "was passed over"},
		{"another time", func(w *world, r *Report) {
			r.Updated[0] = metric.Datapoint("a", second(4).Time(), 3)
		}, "was passed over"},
		{"half of a frame", func(w *world, r *Report) { r.Updated = r.Updated[:1] }, "was passed over"},
		{"samples in another order", func(w *world, r *Report) { slices.Reverse(r.Updated) }, "was passed over"},
		{"nothing", func(w *world, r *Report) { r.Updated = nil }, "1 triggers but the samples of 0 frames"},
		{"more triggers than frames", func(w *world, r *Report) { r.Merged = 2 }, "2 triggers but the samples of 1 frames"},
		{"a refill on the first connection", func(w *world, r *Report) {
			r.Refilled, r.Merged = true, 2
		}, "1 triggers without a frame in 1 connections"},
		{"a number that goes back", func(w *world, r *Report) { r.Number = 1 }, "below 2"},
		{"a number below the messages before it", func(w *world, r *Report) { r.Number = 2 }, "its number should be that of its frame, 3"},
		{"its own sample is missing", func(w *world, r *Report) {
			r.Views[0].Rows = r.Views[0].Rows[:1]
		}, "view of a lacks"},
		{"a sample of another metric is missing", func(w *world, r *Report) {
			r.Views[1].Rows = r.Views[1].Rows[1:]
		}, "view of b lacks"},
		{"an old sample is missing", func(w *world, r *Report) { r.Views[0].Rows = r.Views[0].Rows[1:] }, "view of a lacks"},
		{"a later message", func(w *world, r *Report) {
			r.Views[0].Rows = append(r.Views[0].Rows, ViewRow{Time: second(4), Value: 5})
		}, "behind its cut"},
		{"a sample that nobody sent", func(w *world, r *Report) {
			r.Views[0].Rows = append(r.Views[0].Rows, ViewRow{Time: second(9), Value: 5})
		}, "was never received"},
		{"a value that nobody sent", func(w *world, r *Report) { r.Views[0].Rows[0].Value = 100 }, "the newest was"},
		{"rows out of order", func(w *world, r *Report) { slices.Reverse(r.Views[0].Rows) }, "is not in order"},
		{"a view is missing", func(w *world, r *Report) { r.Views = r.Views[:1] }, "1 views of 2 metrics"},
		{"a view of something else", func(w *world, r *Report) { r.Views[1].URI = "c" }, "view 1 is of c"},
		{"nobody watches", func(w *world, r *Report) { r.Impulse = "j" }, "is not watched"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			frames := []pushed{w.push(1, "a", 1), w.push(2, "b", 2), w.push(3, "a", 3, "b", 4), w.push(4, "a", 5)}
			w.run(frames[0])
			w.run(frames[1])
			r := w.report(frames[2])
			tt.doctor(w, &r)
			w.checker.Check(r)
			w.wants(tt.want)
		})
	}
}

// wants demands that exactly one thing was wrong, and what.
func (w *world) wants(text string) {
	w.t.Helper()
	if n := w.checker.Wrong(); n != 1 {
		w.t.Errorf("%d things were wrong, want 1", n)
	}
	if faults := w.checker.Faults(); len(faults) == 0 || !strings.Contains(faults[0], text) {
		w.t.Errorf("faults %q, want %q", faults, text)
	}
}

func TestFaultsOfSequencesAreFound(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *world)
		want string
	}{
		{"a message is passed over", func(w *world) {
			w.push(1, "a", 1)
			w.run(w.push(2, "a", 2))
		}, "was passed over"},
		{"two messages change places", func(w *world) {
			f, g := w.push(1, "a", 1), w.push(2, "a", 2)
			w.run(g)
			_ = f
		}, "was passed over"},
		{"a message runs twice", func(w *world) {
			f := w.push(1, "a", 1)
			w.run(f)
			w.run(f)
		}, "was in no frame"},
		{"a merged run lacks the first message", func(w *world) {
			f, g, h := w.push(1, "a", 1), w.push(2, "a", 2), w.push(3, "a", 3)
			w.run(f)
			r := w.report(g, h)
			r.Updated = r.Updated[1:]
			w.checker.Check(r)
		}, "was passed over"},
		{"a merged run shows the cut before its last message", func(w *world) {
			f, g, h := w.push(1, "a", 1), w.push(2, "a", 2), w.push(3, "a", 3)
			w.run(f)
			r := w.report(g, h)
			r.Number, r.Views = g.number, g.views
			w.checker.Check(r)
		}, "its number should be"},
		{"it has the number of the next message", func(w *world) {
			f, g, h := w.push(1, "a", 1), w.push(2, "a", 2), w.push(3, "a", 3)
			w.run(f)
			r := w.report(g)
			r.Number = h.number
			w.checker.Check(r)
			w.run(h)
		}, "its number should be that of its frame, 4"},
		{"two impulses number a message differently", func(w *world) {
			j := w.imp
			j.Name = "j"
			w.checker.add(j)
			f, g := w.push(1, "a", 1), w.push(2, "a", 2)
			w.run(f)
			w.run(g)
			r := w.report(f)
			r.Impulse = "j"
			w.checker.Check(r)
			r = w.report(g)
			r.Impulse, r.Number = "j", 3
			w.checker.Check(r)
		}, "its number should be that of its frame, 2 to 2"},
		{"a held run shows the next message", func(w *world) {
			j := w.imp
			j.Name = "j"
			w.checker.add(j)
			f, g := w.push(1, "a", 1), w.push(2, "a", 2)
			w.run(f)
			w.run(g)
			r := w.report(f)
			r.Impulse, r.Number = "j", 2
			w.checker.Check(r)
		}, "behind a frame that it does not answer"},
		{"it runs on its own sample", func(w *world) {
			w.run(w.push(1, "a", 1))
			w.run(w.pushVia([]string{w.checker.impulses["i"].origin}, 2, "a", 2))
		}, "was in no frame"},
		{"an overwritten value comes back", func(w *world) {
			f, g := w.push(1, "a", 1), w.push(1, "a", 2)
			w.run(f)
			r := w.report(g)
			r.Views[0].Rows[0].Value = 1
			w.checker.Check(r)
		}, "the newest was"},
		{"history hides a newer message", func(w *world) {
			w.history("a", 1, 7)
			r := w.report(w.push(1, "a", 1))
			r.Views[0].Rows[0].Value = 7
			w.checker.Check(r)
		}, "the newest was"},
		{"fewer rows than Past.Count", func(w *world) {
			f, g := w.push(-5000, "a", 1), w.push(-4900, "a", 2)
			w.run(f)
			r := w.report(g)
			r.Views[0].Rows = r.Views[0].Rows[1:]
			w.checker.Check(r)
		}, "view of a lacks"},
		{"a late sample that its own run does not see", func(w *world) {
			for n := range 3 {
				w.run(w.push(n, "a", n))
			}
			r := w.report(w.push(-5000, "a", 4))
			r.Views[0].Rows = r.Views[0].Rows[1:]
			w.checker.Check(r)
		}, "view of a lacks"},
		{"a message in the middle of a lost connection", func(w *world) {
			w.send(nil, 1, "a", 1)
			g := w.push(2, "a", 2)
			w.connect()
			w.run(g)
		}, "was in no frame"},
		{"runs overlap", func(w *world) {
			i := w.checker.impulses["i"]
			w.checker.enter(i)
			w.checker.enter(i)
		}, "had not ended"},
		{"a frame that is no JSON", func(w *world) { w.checker.received(1, []byte("{")) }, "socket 1: message"},
		{"a frame without a time", func(w *world) {
			w.checker.received(1, []byte(`{"action":"send_multi_data","payload":{"uris":[]}}`))
		}, "not 32 hex digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.do(w)
			w.wants(tt.want)
		})
	}
}

func TestFaultsOfCountersAreFound(t *testing.T) {
	tests := []struct {
		name string
		n    impulse.Counters
		want string
	}{
		{"a trigger is lost", impulse.Counters{Triggered: 3, Ran: 2}, "makes 2"},
		{"more failed than ran", impulse.Counters{Triggered: 2, Ran: 2, Failed: 3}, "makes 2"},
		{"a run is not counted", impulse.Counters{Triggered: 2, Ran: 1, Pending: 1}, "2 runs were seen"},
		{"skipped without a reason", impulse.Counters{Triggered: 3, Ran: 2, Skipped: 1}, "0 frames descend"},
		{"merged without a run", impulse.Counters{Triggered: 3, Ran: 2, Coalesced: 1}, "answered 2 triggers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.run(w.push(1, "a", 1))
			w.run(w.push(2, "a", 2))
			w.checker.Finish("i", tt.n)
			w.wants(tt.want)
		})
	}
	t.Run("a frame is left over", func(t *testing.T) {
		w := newWorld(t)
		w.run(w.push(1, "a", 1))
		w.push(2, "a", 2)
		w.checker.Finish("i", counters(1))
		w.wants("was never answered")
	})
}

func TestOldFramesAndInstantsAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.imp.Past = impulse.Past{Delta: time.Second}
	w.checker.impulses["i"].pasts[0] = w.imp.Past
	w.checker.series["a"].delta = time.Second
	for n := range 9000 {
		f := w.push(n, "a", n)
		w.rows["a"] = w.rows["a"][max(0, len(w.rows["a"])-2):]
		f.views = w.views()
		r := w.report(f)
		r.Now = second(n).Time()
		w.checker.Check(r)
	}
	for _, text := range w.checker.Faults() {
		t.Error(text)
	}
	if n := len(w.checker.frames); n > 3072 {
		t.Errorf("%d frames are kept", n)
	}
	if n := len(w.checker.series["a"].instants); n > 8192 {
		t.Errorf("%d instants are kept", n)
	}
}
