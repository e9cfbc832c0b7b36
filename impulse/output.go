package impulse

import "github.com/komstream/komstream/metric"

// output collects what a run emits.
type output struct {
	samples  []metric.Sample
	foreign  []metric.Sample
	replaced int
	index    map[identity]int // places in samples; used from scanLimit samples on
	usual    int              // length of samples in the run before
}

// identity is what two samples of a run must not have in common.
type identity struct {
	uri  metric.URI
	time metric.TimeUUID
}

// scanLimit is the number of samples up to which a scan beats a map.
const scanLimit = 8

// add adds a valid sample with a local uri.
func (o *output) add(s metric.Sample) {
	if i := o.find(s); i >= 0 {
		o.samples[i] = s
		o.replaced++
		return
	}
	if o.samples == nil {
		o.samples = make([]metric.Sample, 0, max(1, o.usual))
	}
	o.samples = append(o.samples, s)
	if len(o.samples) > scanLimit {
		o.remember()
	}
}

// find returns the place of the sample with the metric and time of s, or -1.
func (o *output) find(s metric.Sample) int {
	if len(o.samples) > scanLimit {
		if i, ok := o.index[identity{s.URI, s.Time}]; ok {
			return i
		}
		return -1
	}
	for i := range o.samples {
		if o.samples[i].Time == s.Time && o.samples[i].URI == s.URI {
			return i
		}
	}
	return -1
}

// remember puts the samples that the index lacks into it.
func (o *output) remember() {
	if o.index == nil {
		o.index = make(map[identity]int, 2*len(o.samples))
	}
	for i := len(o.index); i < len(o.samples); i++ {
		o.index[identity{o.samples[i].URI, o.samples[i].Time}] = i
	}
}

// reset forgets the run. The samples belong to whoever has the outcome.
func (o *output) reset() {
	o.usual = min(len(o.samples), 1024)
	if len(o.index) > 128 { // an idle impulse should be small
		o.index = nil
	}
	clear(o.index)
	o.samples, o.foreign, o.replaced = nil, nil, 0
}
