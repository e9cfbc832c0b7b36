package check

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/komstream/komstream/metric"
)

// series is what was received of one metric, by instant.
type series struct {
	delta    time.Duration // the most that an impulse asks for
	count    int
	instants []instant // in order of ticks
}

// instant is what was received for one instant, in order of arrival.
type instant struct {
	ticks    int64
	arrivals []arrival
}

// arrival is one sample as it was received.
type arrival struct {
	frame   *frame // nil for a row of history
	seq     uint64 // when, among everything received
	id      id
	kind    metric.Kind
	content string
}

// slack is how much longer than its impulses a series remembers.
const slack = 10 * time.Minute

func (s *series) add(a arrival) {
	t := a.id.ticks()
	i, found := slices.BinarySearchFunc(s.instants, t, func(n instant, t int64) int {
		switch {
		case n.ticks < t:
			return -1
		case n.ticks > t:
			return 1
		}
		return 0
	})
	if !found {
		s.instants = slices.Insert(s.instants, i, instant{ticks: t})
	}
	n := &s.instants[i]
	if k := len(n.arrivals); k > 0 && a.frame == nil {
		if last := n.arrivals[k-1]; last.frame == nil && last.id == a.id && last.content == a.content {
			return // the history was read once more
		}
	}
	n.arrivals = append(n.arrivals, a)
}

// prune forgets what no window can show any more.
func (s *series) prune(now time.Time) {
	if len(s.instants) < 4096 {
		return
	}
	cutoff := ticksOf(now.Add(-s.delta - slack))
	n := 0
	for n < len(s.instants)-s.count-16 && s.instants[n].ticks < cutoff {
		n++
	}
	if n > len(s.instants)/4 {
		s.instants = slices.Clone(s.instants[n:])
	}
}

// ticksOf returns an instant in the ticks of [id.ticks].
func ticksOf(t time.Time) int64 { return t.Unix()*1e7 + int64(t.Nanosecond())/100 + unixTicks }

// timeOf is the reverse of ticksOf.
func timeOf(ticks int64) time.Time {
	ticks -= unixTicks
	return time.Unix(ticks/1e7, ticks%1e7*100).UTC()
}

// shows reports whether a row of a view is this arrival.
func (a *arrival) shows(r *ViewRow) bool {
	if a.id != id(r.Time) {
		return false
	}
	if a.kind == metric.KindDatasource {
		return a.content == r.Text
	}
	return numberOf(a.content) == r.Value
}

// parseFloat is strconv.ParseFloat but that a number beyond float64 is an infinity and no error.
func parseFloat(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return v, err
}
