package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// runHub measures a workload of the hub.
func runHub(ctx context.Context, c *Config, w Workload, key string) (r Result, err error) {
	dir, err := os.MkdirTemp("", "komstream-bench")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stages := map[string]*hubStage{}
	for _, side := range []string{sideRaw, sideFull} {
		s, err := openHubStage(ctx, c, w, side, filepath.Join(dir, side), key)
		if err != nil {
			return r, err
		}
		defer s.close()
		stages[side] = s
	}
	wrong, laps, err := hubLaps(c, stages)
	if err != nil {
		return r, err
	}
	bursts, middle := stages[sideFull].load.bursts()
	if c.Profiles != "" {
		if _, err := stages[sideFull].round(bursts[middle], filepath.Join(c.Profiles, w.Name+".prof")); err != nil {
			return r, err
		}
	}
	r = sumUpHub(w, laps[middle])
	r.Wrong, r.Samples = wrong, stages[sideFull].load.Rows
	for i, burst := range bursts {
		if burst > 0 {
			b := sumUpHub(w, laps[i])
			r.Bursts = append(r.Bursts, Burst{burst, b.RawNS, b.FullNS, b.Ratio, b.PerSecond, b.P50US, b.P99US})
		}
	}
	return r, nil
}

// hubLaps measures, and returns the laps of each burst.
func hubLaps(c *Config, stages map[string]*hubStage) (wrong int64, laps [][]lap, err error) {
	bursts, _ := stages[sideFull].load.bursts()
	laps = make([][]lap, len(bursts))
	for round := range c.rounds() + 1 {
		for i, burst := range bursts {
			l := lap{}
			for _, side := range []string{sideRaw, sideFull} {
				if l[side], err = stages[side].round(burst, ""); err != nil {
					return wrong, nil, err
				}
			}
			wrong += l[sideFull].Wrong
			if round > 0 { // the first one warms up
				laps[i] = append(laps[i], l)
				c.Progress("  " + l.String())
			}
		}
	}
	return wrong, laps, nil
}

// sumUpHub turns laps into a result.
func sumUpHub(w Workload, laps []lap) Result {
	r := sumUp(w, laps)
	r.Rate, r.Execs, r.ExecNS, r.BytesPerSample = 0, 0, 0, 0
	var rates, p50, p99, p999 []float64
	for _, l := range laps {
		f := l[sideFull]
		rates = append(rates, float64(f.Updates)/f.Wall.Seconds())
		p50, p99, p999 = append(p50, f.P50), append(p99, f.P99), append(p999, f.P999)
	}
	r.PerSecond, r.P50US, r.P99US, r.P999US = median(rates), median(p50), median(p99), median(p999)
	return r
}
