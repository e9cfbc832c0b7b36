package window

import (
	"math"
	"slices"

	"github.com/komstream/komstream/metric"
)

// oracle is a window that is slow and obvious: a sorted slice, and a full copy of it after every message.
type oracle struct {
	past                     Past
	maxSamples, maxTextBytes int

	kind    metric.Kind
	samples []sample
	message uint64 // the last appended
	number  uint64 // of the state
	states  map[uint64][]sample

	refilling bool
	pushes    []sample
}

func (o *oracle) record() { o.states[o.number] = slices.Clone(o.samples) }

// at returns what was shown after a message.
func (o *oracle) at(number uint64) []sample {
	for n := number; ; n-- {
		if s, ok := o.states[n]; ok {
			return s
		}
		if n == 0 {
			return nil
		}
	}
}

func (o *oracle) advance(number uint64) {
	if number <= o.message && o.number > o.message { // an expiry came in the midst of a message
		delete(o.states, o.number)
		o.number = o.message
	}
	o.message = max(o.message, number)
	o.number = max(o.number, number)
}

func (o *oracle) retain(now metric.Ticks) {
	cutoff := now.Add(-o.past.Delta)
	past := 0
	for _, s := range o.samples {
		if s.ticks <= now {
			past++
		}
	}
	seen := 0
	o.samples = slices.DeleteFunc(slices.Clone(o.samples), func(s sample) bool {
		if s.ticks > now {
			return false
		}
		seen++
		return s.ticks < cutoff && past-seen >= o.past.Count
	})
}

func (o *oracle) limit() {
	for len(o.samples) > o.maxSamples || len(o.samples) > 1 && int(textBytesOf(o.samples)) > o.maxTextBytes {
		o.samples = o.samples[1:]
	}
}

// put inserts by the rule of equal instants.
func put(samples []sample, s sample) []sample {
	i := slices.IndexFunc(samples, func(x sample) bool { return x.ticks >= s.ticks })
	switch {
	case i < 0:
		return append(samples, s)
	case samples[i].ticks != s.ticks:
		return slices.Insert(slices.Clone(samples), i, s)
	case samples[i].low <= s.low:
		samples = slices.Clone(samples)
		samples[i] = s
	}
	return samples
}

func (o *oracle) append(number uint64, kind metric.Kind, s sample, now metric.Ticks) {
	o.advance(number)
	if o.kind != kind {
		o.kind, o.samples, o.pushes = kind, nil, nil
	}
	o.retain(now)
	o.samples = put(o.samples, s)
	o.limit()
	if o.refilling {
		o.pushes = append(o.pushes, s)
	}
	o.record()
}

func (o *oracle) expire(now metric.Ticks) {
	n := len(o.samples)
	o.retain(now)
	if len(o.samples) != n {
		o.number = o.message + 1
		o.record()
	}
}

func (o *oracle) refill(number uint64, from, to metric.TimeUUID, kind metric.Kind, rows []sample, now metric.Ticks) bool {
	o.advance(number)
	inside := func(s sample) bool {
		t := metric.TimeUUIDFromOrder(s.ticks, s.low)
		return t.Compare(from) >= 0 && t.Compare(to) <= 0
	}
	pushes := o.pushes
	o.pushes, o.refilling = nil, false
	if len(rows) == 0 || o.kind != 0 && len(pushes) > 0 {
		if kind != o.kind {
			rows = nil
		}
		kind = o.kind
	}
	o.retain(now)
	before := o.samples
	if kind != o.kind {
		o.kind, o.samples = kind, nil
	}
	result := slices.DeleteFunc(slices.Clone(o.samples), inside)
	for _, s := range slices.Concat(rows, pushes) {
		if inside(s) {
			result = put(result, s)
		}
	}
	o.samples = result
	o.retain(now)
	o.limit()
	o.record()
	return !slices.Equal(before, o.samples)
}

// shown lists what a view shows, in every way that it can be asked.
func shown(v View) []sample {
	var samples []sample
	for p := range v.Points() {
		s := sample{ticks: p.Time.Ticks(), low: p.Time.LowOrder(), value: p.Value, text: p.Text}
		if math.IsNaN(s.value) {
			s.value = 0 // of a text
		}
		samples = append(samples, s)
	}
	return samples
}
