package bench

import (
	"context"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// full is the shipped path: a session as everybody opens one.
type full struct {
	*common
	session *komstream.Session
	base    metric.Ticks // see baseTicks
}

func (s *full) open(ctx context.Context, o opening) error {
	key, err := parseKey(o.Key)
	if err != nil {
		return err
	}
	s.base = baseTicks(o.Filled)
	s.session, err = komstream.Open(ctx, komstream.Config{
		Hub: "http://" + o.Address, Username: sideFull, Key: key, Dial: s.line.dial,
		MemoryLimit: 4 << 30, // of the widest workload
	}, s.w.impulses(s.function)...)
	return err
}

// function makes the function of impulse i. The message of a run is told by its time, which costs next to nothing: what
// is measured is the way to the function, not what the function does.
func (s *full) function(i int) impulse.Func {
	t := &s.tally[i]
	own := s.uris[s.w.first(i)]
	return func(_ context.Context, u *impulse.Update) error {
		r := s.round.Load()
		if r == nil || u.Cause() == impulse.Refilled {
			return nil
		}
		k := int64(u.TimeUUID().Ticks() - s.base)
		r.begun(k)
		uri := own
		if s.w.Job == jobOthers {
			uri = s.uris[int(k%int64(s.w.groups()))*s.w.Batch]
		}
		s.judge(r, t.watch.run(k, last(u.View(uri))))
		switch {
		case r.All:
			s.every(r, u, k)
		case s.w.Job == jobMean || s.w.Job == jobDescribe:
			s.compute(r, u)
		}
		if s.w.Job == jobOthers {
			s.others(r, u, k)
		}
		t.ran(r)
		return nil
	}
}

// every looks at all updated metrics: what came with the message, and what the windows show.
func (s *full) every(r *round, u *impulse.Update, k int64) {
	n := 0
	for sample := range u.Updated() {
		n++
		if sample.Float() != float64(k) || last(u.View(sample.URI)) != float64(k) {
			s.judge(r, 1)
		}
	}
	if n != min(s.w.Batch, s.w.On) || u.Merged() != 1 {
		s.judge(r, 1)
	}
}

// compute re-reads the last hour of every updated metric.
func (s *full) compute(r *round, u *impulse.Update) {
	to := u.Time()
	from := to.Add(-hour)
	for sample := range u.Updated() {
		s.judge(r, s.result(u.View(sample.URI), from, to))
	}
}

// result computes, and returns 1 when what comes out cannot be right.
func (s *full) result(view window.View, from, to time.Time) int64 {
	past := view.Between(from, to)
	if s.w.Job == jobMean {
		if mean := past.Mean(); mean != mean || past.Len() < s.w.Samples {
			return 1
		}
		return 0
	}
	if d := past.Describe(); d.Count < s.w.Samples || d.P50 > d.Max {
		return 1
	}
	return 0
}

// others looks at three metrics that message k did not update.
func (s *full) others(r *round, u *impulse.Update, k int64) {
	groups := s.w.groups()
	for n := 1; n <= 3; n++ {
		group := int((k + int64(n*groups/4)) % int64(groups))
		shown := last(u.View(s.uris[group*s.w.Batch]))
		s.judge(r, other(k, firstMessage, group, groups, shown))
	}
}

func (s *full) judge(r *round, wrong int64) {
	if wrong != 0 {
		r.wrong.Add(wrong)
	}
}

func last(v window.View) float64 {
	p, _ := v.Last()
	return p.Value
}

func (s *full) stats(f *figures) {
	st := s.session.Stats()
	f.Bytes, f.Samples = st.WindowBytes, int64(st.WindowSamples)
	for _, i := range st.Impulses {
		f.Merged += int64(i.Counters.Coalesced)
	}
}

func (s *full) close() error { return s.session.Close() }
