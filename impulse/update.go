package impulse

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// Update is what an impulse's function sees of the update that made it run, and how it answers. It belongs to the
// goroutine of the function, and it and its views die when the function returns: using it later panics, since what
// it would show is gone. Take along what [metric.Sample] values and [window.View.Clone] hold.
type Update struct {
	runner *Runner
	number uint64 // of the run
}

// live returns the state of the run, which must not have returned.
func (u *Update) live() *Runner {
	if u.runner.number.Load() != u.number {
		panic("impulse: Update used after its run returned; it and its views are valid until the function returns")
	}
	return u.runner
}

// Impulse returns the name of the impulse that runs: functions can serve several.
func (u *Update) Impulse() string { return u.live().name }

// Cause says why the impulse runs.
func (u *Update) Cause() Cause { return u.live().run.trigger.Cause }

// Number returns the number of the newest message that the run's views show. Numbers grow with the order of arrival
// in this session and start anew with the next.
func (u *Update) Number() uint64 { return u.live().run.trigger.Cut }

// Merged returns how many triggers this run answers: 1 unless the overload policy, MinExecDelta or loading merged
// several.
func (u *Update) Merged() int { return u.live().run.trigger.Count() }

// Now returns the time of the session's clock, which a test or a replay may have replaced.
func (u *Update) Now() time.Time { return u.live().now() }

// Time returns the time of the newest message that the run answers, in UTC, to 100 ns. A run with cause [Refilled]
// and no message has the time of the newest sample in its windows, or the time of the session's clock when they are
// empty. What is emitted with it is truncated to the millisecond.
func (u *Update) Time() time.Time { return u.TimeUUID().Time() }

// TimeUUID returns [Update.Time] with the identity that its sender gave it.
func (u *Update) TimeUUID() metric.TimeUUID {
	r := u.live()
	if m := r.run.trigger.Newest(); m != nil {
		return m.Time
	}
	if r.run.time.IsZero() {
		r.run.touched = true
		r.run.time = r.newestSample()
	}
	return r.run.time
}

// URIs returns the metrics that the impulse subscribes, in the order declared: local for the user's own, global for
// others'. The caller owns the slice.
func (u *Update) URIs() []metric.URI { return slices.Clone(u.live().sub.uris) }

// Updated yields the samples of the messages that the run answers, of subscribed metrics only, in order of arrival
// and with the exact text of each value. URIs are as [Update.URIs] returns them. A metric may come more than once
// in a merged run, and not at all in a run with cause [Refilled].
func (u *Update) Updated() iter.Seq[metric.Sample] {
	u.live()
	return func(yield func(metric.Sample) bool) { u.live().eachUpdated(yield) }
}

// Others yields the subscribed metrics that [Update.Updated] does not, in the order declared.
func (u *Update) Others() iter.Seq[metric.URI] {
	u.live()
	return func(yield func(metric.URI) bool) { u.live().eachOther(yield) }
}

// View returns the recent past of a subscribed metric, in any spelling of its uri: everything up to the message
// [Update.Number] and nothing later. It is resolved at the first call; the metrics never asked for cost nothing. A
// metric that the impulse does not subscribe fails the run with [ErrNotSubscribed], even if the function returns
// nil, and gives an empty view.
func (u *Update) View(uri metric.URI) window.View {
	r := u.live()
	i := r.sub.ofURI(uri)
	if i < 0 {
		r.fail(fmt.Errorf("%w: View of %q", ErrNotSubscribed, uri))
		return window.View{}
	}
	return r.view(i)
}

// Emit adds samples to what is sent when the function returns nil: all of it as one unit, or nothing. A sample that
// breaks a rule fails the run with [ErrBadEmit], even if the function returns nil. A sample for another user's
// metric is dropped and reported as an event. Of two with the same metric and time the later one counts.
func (u *Update) Emit(samples ...metric.Sample) {
	r := u.live()
	r.run.touched = true
	for _, s := range samples {
		if err := s.Check(); err != nil {
			r.fail(fmt.Errorf("%w: %q: %w", ErrBadEmit, s.URI, err))
			continue
		}
		if s.URI = s.URI.For(r.sub.username); !s.URI.IsLocal() {
			r.run.output.foreign = append(r.run.output.foreign, s)
			continue
		}
		r.run.output.add(s)
	}
}

// maxFailures bounds the errors that a run joins: a loop over a thousand bad samples says enough with eight.
const maxFailures = 8

func (r *Runner) fail(err error) {
	r.run.touched = true
	if len(r.run.failures) < maxFailures {
		r.run.failures = append(r.run.failures, err)
	}
}

// view returns the view of an input, the same for the whole run.
func (r *Runner) view(i int) window.View {
	s := &r.run
	s.touched = true
	if s.slots == nil {
		s.slots = make([]int32, len(r.sub.uris))
	}
	if s.slots[i] == 0 {
		s.views = append(s.views, r.views.ViewAt(i, s.trigger.Cut))
		s.asked = append(s.asked, int32(i))
		s.slots[i] = int32(len(s.views))
	}
	return s.views[s.slots[i]-1]
}

func (r *Runner) eachUpdated(yield func(metric.Sample) bool) {
	for _, p := range r.run.trigger.parts() {
		for k := p.first; k < p.end; k++ {
			row := &p.msg.Rows[k]
			i := r.sub.ofWindow(row.ID)
			if i < 0 {
				continue
			}
			if !yield(metric.Sample{URI: r.sub.uris[i], Time: p.msg.Time, Value: row.Value}) {
				return
			}
		}
	}
}

func (r *Runner) eachOther(yield func(metric.URI) bool) {
	if !r.run.told {
		r.run.touched, r.run.told = true, true
		if r.run.updated == nil {
			r.run.updated = make([]bool, len(r.sub.uris))
		}
		for _, p := range r.run.trigger.parts() {
			for _, row := range p.msg.Rows[p.first:p.end] {
				if i := r.sub.ofWindow(row.ID); i >= 0 {
					r.run.updated[i] = true
				}
			}
		}
	}
	for i, updated := range r.run.updated {
		if !updated && !yield(r.sub.uris[i]) {
			return
		}
	}
}

// newestSample returns the time of the newest sample in the windows, or the clock's where they are empty.
func (r *Runner) newestSample() (newest metric.TimeUUID) {
	for i := range r.sub.uris {
		if p, ok := r.view(i).Last(); ok && (newest.IsZero() || p.Time.Compare(newest) > 0) {
			newest = p.Time
		}
	}
	if newest.IsZero() {
		return metric.NewTimeUUID(metric.TicksOf(r.now()), metric.PlainLow)
	}
	return newest
}
