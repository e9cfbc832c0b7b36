package bench

import (
	"fmt"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// job is what the function of an impulse does besides being checked.
type job string

const (
	jobTouch    job = "touch"    // look at the last sample of one updated metric
	jobOthers   job = "others"   // also at three metrics that were not updated
	jobMean     job = "mean"     // compute the mean of the last hour of each updated metric
	jobDescribe job = "describe" // describe it
)

// Workload is a load and what is to be done with it. Message k updates the metrics of group k modulo [Workload.groups];
// a group is Batch metrics that follow each other. The metrics of an impulse follow each other too.
type Workload struct {
	Name string
	// URIs is the number of metrics, Batch of how many of them each message has a sample.
	URIs, Batch int
	// Impulses is the number of impulses, On of how many metrics each of them is subscribed to.
	Impulses, On int
	// Samples is how many samples each window holds before anything is measured.
	Samples int
	// Frames is the number of messages in a round, a multiple of the number of groups.
	Frames int
	// Rate is the number of messages a second while delays are measured.
	Rate int
	// Target and Stretch are what the ratio to raw is to be at most, and for the hub what the rate in a second is to be at
	// least; 0 for none.
	Target, Stretch float64
	// ExecTarget and ExecStretch are the same for the nanoseconds of an execution.
	ExecTarget, ExecStretch float64
	// Channels is how many times less than the peer channels it is to cost.
	Channels float64

	// Job is what the functions do.
	Job job

	hub bool
}

// history is how many samples a window holds: one a second for an hour.
const history = 3600

// Workloads returns all workloads in the order in which they run. Quick ones are short.
func Workloads(quick bool) []Workload {
	all := []Workload{
		{Name: "join", URIs: 1000, Batch: 10, Impulses: 100, On: 10, Frames: 20_000, Target: 2.2, Stretch: 1.8},
		{Name: "each", URIs: 1000, Batch: 10, Impulses: 1000, On: 1, Frames: 20_000, Target: 3.3, Stretch: 2.5},
		{Name: "wide", URIs: 10_000, Batch: 10, Impulses: 10_000, On: 1, Frames: 20_000, Target: 5, Stretch: 3.5},
		{Name: "fanout", URIs: 1, Batch: 1, Impulses: 1000, On: 1, Frames: 1000, Rate: 200,
			ExecTarget: 60, ExecStretch: 30, Channels: 2},
		{Name: "single", URIs: 1000, Batch: 1, Impulses: 1000, On: 1, Frames: 100_000, Target: 3.2, Stretch: 2.5},
		{Name: "big", URIs: 1000, Batch: 100, Impulses: 10, On: 100, Frames: 2000, Target: 1.6, Stretch: 1.45},
		{Name: "partial", URIs: 1000, Batch: 10, Impulses: 100, On: 1000, Frames: 1000, Rate: 200, Job: jobOthers,
			ExecTarget: 2000, ExecStretch: 1000},
		{Name: "mean", URIs: 1000, Batch: 10, Impulses: 100, On: 10, Frames: 5000, Job: jobMean},
		{Name: "describe", URIs: 1000, Batch: 10, Impulses: 100, On: 10, Frames: 300, Rate: 500, Job: jobDescribe},
		{Name: "ingest", hub: true, Target: 200_000, Stretch: 350_000},
		{Name: "fan-out", hub: true},
		{Name: "history", hub: true},
	}
	for i := range all {
		w := &all[i]
		if w.Samples = history; quick && w.URIs > 1000 {
			w.Samples = history / 6
		}
		if w.Job == "" {
			w.Job = jobTouch
		}
		if w.Rate == 0 {
			w.Rate = 2000
		}
		if w.Channels == 0 {
			w.Channels = 1.5
		}
		if !quick {
			w.Frames *= 4
		} else if w.URIs > 1000 {
			w.Frames /= 2
		}
	}
	return all
}

// Names returns the names of all workloads.
func Names() (names []string) {
	for _, w := range Workloads(true) {
		names = append(names, w.Name)
	}
	return names
}

// find returns the workload with a name.
func find(name string, quick bool) (Workload, error) {
	for _, w := range Workloads(quick) {
		if w.Name == name {
			return w, nil
		}
	}
	return Workload{}, fmt.Errorf("bench: there is no workload %q", name)
}

// groups is the number of groups of metrics.
func (w *Workload) groups() int { return w.URIs / w.Batch }

// uris names the metrics. All names have one length, so that all messages have.
func (w *Workload) uris() []metric.URI {
	uris := make([]metric.URI, w.URIs)
	for i := range uris {
		uris[i] = benchURI(i)
	}
	return uris
}

func benchURI(i int) metric.URI { return metric.URI(fmt.Sprintf("host%04d.cpu", i)) }

// first is the first metric of impulse i.
func (w *Workload) first(i int) int { return i * w.On % w.URIs }

// runs is how often each impulse runs in a number of messages that is a multiple of the groups.
func (w *Workload) runs(frames int) int {
	if w.On == w.URIs {
		return frames
	}
	return frames / w.groups()
}

// step is the distance between the messages that make an impulse run.
func (w *Workload) step() int64 {
	if w.On == w.URIs {
		return 1
	}
	return int64(w.groups())
}

// impulses returns the impulses, each with the function that do makes for it.
func (w *Workload) impulses(do func(i int) impulse.Func) []impulse.Impulse {
	all, uris := make([]impulse.Impulse, w.Impulses), w.uris()
	for i := range all {
		on := impulse.URIs(uris[w.first(i) : w.first(i)+w.On]...)
		all[i] = impulse.Impulse{
			Name: fmt.Sprintf("bench.impulse%d", i), On: on, Past: impulse.Past{Delta: hour},
			// Every message is a run of its own, however far the functions lag behind.
			Overload: impulse.Queue(impulse.MaxQueue),
			Do:       do(i),
		}
	}
	return all
}
