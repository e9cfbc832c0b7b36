package machine

import (
	"context"
	"math"

	"github.com/shirou/gopsutil/v4/cpu"
)

// processors turns the counters of processor time into shares of the time between two reads.
type processors struct {
	last   cpu.TimesStat
	primed bool
}

// mode is a way in which a processor spends its time.
type mode struct {
	name    string
	seconds func(cpu.TimesStat) float64
}

// modes cover all the time. What guests use is part of user and nice already.
var modes = []mode{
	{"user", func(t cpu.TimesStat) float64 { return t.User }},
	{"system", func(t cpu.TimesStat) float64 { return t.System }},
	{"nice", func(t cpu.TimesStat) float64 { return t.Nice }},
	{"idle", func(t cpu.TimesStat) float64 { return t.Idle }},
	{"iowait", func(t cpu.TimesStat) float64 { return t.Iowait }},
	{"irq", func(t cpu.TimesStat) float64 { return t.Irq }},
	{"softirq", func(t cpu.TimesStat) float64 { return t.Softirq }},
	{"steal", func(t cpu.TimesStat) float64 { return t.Steal }},
}

func (p *processors) read(ctx context.Context, b *batch) error {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errNone
	}
	if p.primed {
		for i, percent := range shares(p.last, all[0]) {
			add(b, "cpu."+modes[i].name, percent)
		}
	}
	p.last, p.primed = all[0], true
	return nil
}

// shares returns the percentage of each mode in the time from before to after, to a hundredth, or none where no time
// passed. The kernel's counters now and then step back by a tick, iowait above all: that counts as nothing.
func shares(before, after cpu.TimesStat) []float64 {
	percents := make([]float64, len(modes))
	var total float64
	for i, m := range modes {
		percents[i] = max(0, m.seconds(after)-m.seconds(before))
		total += percents[i]
	}
	if total == 0 {
		return nil
	}
	for i := range percents {
		percents[i] = hundredth(100 * percents[i] / total)
	}
	return percents
}

// hundredth rounds: more digits of a percentage would be noise.
func hundredth(x float64) float64 { return math.Round(100*x) / 100 }
