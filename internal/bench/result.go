package bench

import (
	"cmp"
	"slices"
)

// Result is what came of a workload, and the JSON that tools read. Costs are the time of processors that the measured
// process has used, in nanoseconds for each update, medians over the rounds. For the hub's workloads an update is a
// sample stored, a notification delivered or a row of history read.
type Result struct {
	Workload string `json:"workload"`
	// RawNS and FullNS are the costs of the yardstick and of the shipped path. Ratio is the second by the first in the
	// same round, the median of it.
	RawNS  float64 `json:"raw_ns"`
	FullNS float64 `json:"full_ns"`
	Ratio  float64 `json:"ratio"`
	// ExecNS is what the shipped path costs for each run of an impulse. Execs counts runs, Updates what was sent, over
	// all measured rounds.
	ExecNS  float64 `json:"exec_ns"`
	Execs   int64   `json:"execs"`
	Updates int64   `json:"updates"`
	// Wrong counts runs that did not see their trigger, saw what came later, or came out of order, in all rounds of the
	// shipped path, measured or not. When it is not 0 the other figures mean nothing.
	Wrong int64 `json:"wrong"`
	// AllocsPerFrame counts allocations, BytesPerSample what the windows take for each sample they hold, by the
	// session's own account, RSSMB the memory of the process with the shipped path.
	AllocsPerFrame float64 `json:"allocs_per_frame"`
	BytesPerSample float64 `json:"bytes_per_sample"`
	RSSMB          float64 `json:"rss_mb"`
	// P50US, P99US and P999US are quantiles of the delay from the moment at which a message was due to be sent to the
	// start of the run, in microseconds, at Rate messages a second.
	P50US  float64 `json:"p50_us"`
	P99US  float64 `json:"p99_us"`
	P999US float64 `json:"p999_us"`
	Rate   int     `json:"rate"`
	// PacedExecNS is ExecNS at that rate, where little is queued and much is spent on waking up.
	PacedExecNS float64 `json:"paced_exec_ns"`
	// ChannelsRatio and NaiveRatio are what the peers cost, by what the yardstick costs; AgainstChannels and
	// AgainstNaive by what the shipped path costs: more than 1 means that komstream is cheaper.
	ChannelsRatio   float64 `json:"channels_ratio"`
	NaiveRatio      float64 `json:"naive_ratio"`
	AgainstChannels float64 `json:"against_channels"`
	AgainstNaive    float64 `json:"against_naive"`
	// ChannelsWrong and NaiveWrong are the faults of the peers, which have no cuts.
	ChannelsWrong int64 `json:"channels_wrong"`
	NaiveWrong    int64 `json:"naive_wrong"`
	// ReadsPerFrame are the reads of the socket for each message, of the shipped path. Rounds in which the sides
	// differed by more than a tenth are left out; Rounds are those that count, Dropped the others.
	ReadsPerFrame float64 `json:"reads_per_frame"`
	Rounds        int     `json:"rounds"`
	Dropped       int     `json:"rounds_dropped"`
	// Spread is half the distance between the least and the greatest ratio, as a share of Ratio.
	Spread float64 `json:"ratio_spread"`
	// Samples is how many samples each window held at the beginning.
	Samples    int `json:"window_samples"`
	GOGC       int `json:"gogc"`
	GOMAXPROCS int `json:"gomaxprocs"`
	// PerSecond is the highest rate of the hub's workloads: samples acknowledged, notifications delivered or rows read
	// in a second of the clock, with whatever else the machine does.
	PerSecond float64 `json:"per_second,omitempty"`

	// Bursts are the figures of fan-out for each number of frames that are published at a time; the middle one stands
	// for the workload.
	Bursts []Burst `json:"bursts,omitempty"`

	workload Workload
}

// Burst is what a delivery costs when so many frames are published at a time.
type Burst struct {
	Frames    int     `json:"frames"`
	RawNS     float64 `json:"raw_ns"`
	FullNS    float64 `json:"full_ns"`
	Ratio     float64 `json:"ratio"`
	PerSecond float64 `json:"per_second"`
	P50US     float64 `json:"p50_us"`
	P99US     float64 `json:"p99_us"`
}

// lap is one round of all sides.
type lap map[string]*figures

// cost returns what a side has used for each update.
func (l lap) cost(side string) float64 {
	f := l[side]
	if f == nil || f.Updates == 0 {
		return 0
	}
	return float64(f.CPU.Nanoseconds()) / float64(f.Updates)
}

// even reports whether the sides have made as many reads for a message, within a tenth. Naive is not asked: the small
// buffer that it reads with is one of its faults.
func (l lap) even() bool {
	base := l[sideRaw].reads()
	for name, f := range l {
		if name != sideNaive && (f.reads() > 1.1*base || f.reads() < 0.9*base) {
			return false
		}
	}
	return true
}

func (f *figures) reads() float64 { return float64(f.Reads) / float64(f.Frames) }

// sumUp turns laps into a result.
func sumUp(w Workload, laps []lap) Result {
	r := Result{Workload: w.Name, Rate: w.Rate, Samples: w.Samples, Rounds: len(laps), workload: w}
	over := func(of func(l lap) float64) float64 {
		values := make([]float64, 0, len(laps))
		for _, l := range laps {
			values = append(values, of(l))
		}
		return median(values)
	}
	by := func(a, b string) float64 {
		return over(func(l lap) float64 { return quotient(l.cost(a), l.cost(b)) })
	}
	r.RawNS = over(func(l lap) float64 { return l.cost(sideRaw) })
	r.FullNS = over(func(l lap) float64 { return l.cost(sideFull) })
	r.Ratio, r.ChannelsRatio, r.NaiveRatio = by(sideFull, sideRaw), by(sideChannels, sideRaw), by(sideNaive, sideRaw)
	r.AgainstChannels, r.AgainstNaive = by(sideChannels, sideFull), by(sideNaive, sideFull)
	var least, greatest float64
	for i, l := range laps {
		f := l[sideFull]
		r.Execs += f.Execs
		r.Updates += f.Updates
		ratio := quotient(l.cost(sideFull), l.cost(sideRaw))
		if i == 0 {
			least = ratio
		}
		least, greatest = min(least, ratio), max(greatest, ratio)
		for side, wrong := range map[string]*int64{sideChannels: &r.ChannelsWrong, sideNaive: &r.NaiveWrong} {
			if l[side] != nil {
				*wrong += l[side].Wrong
			}
		}
	}
	r.Spread = quotient((greatest-least)/2, r.Ratio)
	full := func(of func(f *figures) float64) float64 { return over(func(l lap) float64 { return of(l[sideFull]) }) }
	r.ExecNS = full(func(f *figures) float64 { return quotient(float64(f.CPU.Nanoseconds()), float64(f.Execs)) })
	r.AllocsPerFrame = full(func(f *figures) float64 { return quotient(float64(f.Mallocs), float64(f.Frames)) })
	r.ReadsPerFrame = full((*figures).reads)
	r.BytesPerSample = full(func(f *figures) float64 { return quotient(float64(f.Bytes), float64(f.Samples)) })
	r.RSSMB = full(func(f *figures) float64 { return float64(f.RSS) / (1 << 20) })
	if len(laps) > 0 {
		r.GOGC, r.GOMAXPROCS = laps[0][sideFull].GOGC, laps[0][sideFull].GOMAXPROCS
	}
	return r
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// median returns the middle value, the upper one of two; the zero value of none.
func median[T cmp.Ordered](values []T) (m T) {
	slices.Sort(values)
	if n := len(values); n > 0 {
		m = values[n/2]
	}
	return m
}
