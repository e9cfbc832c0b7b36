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
	var laps []lap
	wrong := int64(0)
	for i := range c.rounds() + 1 {
		l := lap{}
		for _, side := range []string{sideRaw, sideFull} {
			if l[side], err = stages[side].round(""); err != nil {
				return r, err
			}
		}
		wrong += l[sideFull].Wrong
		if i > 0 { // the first one warms up
			laps = append(laps, l)
			c.Progress("  " + l.String())
		}
	}
	if c.Profiles != "" {
		if _, err := stages[sideFull].round(filepath.Join(c.Profiles, w.Name+".prof")); err != nil {
			return r, err
		}
	}
	r = sumUp(w, laps)
	r.Wrong, r.Rate, r.Samples, r.Execs, r.ExecNS = wrong, 0, stages[sideFull].load.Rows, 0, 0
	rates := make([]float64, 0, len(laps))
	var p50, p99, p999 []float64
	for _, l := range laps {
		f := l[sideFull]
		rates = append(rates, float64(f.Updates)/f.Wall.Seconds())
		p50, p99, p999 = append(p50, f.P50), append(p99, f.P99), append(p999, f.P999)
	}
	r.PerSecond, r.P50US, r.P99US, r.P999US = median(rates), median(p50), median(p99), median(p999)
	return r, nil
}
