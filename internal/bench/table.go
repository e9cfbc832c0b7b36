package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable writes results for people, the targets beside the figures.
func WriteTable(out io.Writer, results []Result) error {
	if len(results) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") } // Flush tells errors
	line("workload", "raw ns", "full ns", "ratio", "target", "exec ns", "target", "channels", "target", "naive", "target",
		"allocs", "B/sample", "MB", "p50 µs", "p99 µs", "reads", "wrong")
	hub := false
	for _, r := range results {
		w := &r.workload
		if w.hub {
			hub = true
			continue
		}
		line(r.Workload, number(r.RawNS, 0), number(r.FullNS, 0), number(r.Ratio, 2), target(w.Target, w.Stretch),
			number(r.ExecNS, 0), target(w.ExecTarget, w.ExecStretch), number(r.AgainstChannels, 2),
			number(w.Channels, 1), number(r.AgainstNaive, 1), "5", number(r.AllocsPerFrame, 1), number(r.BytesPerSample, 1),
			number(r.RSSMB, 0), number(r.P50US, 0), number(r.P99US, 0), number(r.ReadsPerFrame, 2), fmt.Sprint(r.Wrong))
	}
	if hub {
		line()
		line("hub", "raw ns", "full ns", "ratio", "per second", "target", "allocs", "MB", "p50 µs", "p99 µs", "wrong")
	}
	for _, r := range results {
		if w := &r.workload; w.hub {
			line(r.Workload, number(r.RawNS, 0), number(r.FullNS, 0), number(r.Ratio, 2), number(r.PerSecond, 0),
				target(w.Target, w.Stretch), number(r.AllocsPerFrame, 1), number(r.RSSMB, 0), number(r.P50US, 0),
				number(r.P99US, 0), fmt.Sprint(r.Wrong))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nns: of processors for each update, medians. ratio: full by raw. channels, naive: their cost by full's.\n"+
		"allocs: for each frame. reads: of the socket for each frame, alike on all sides. GOGC %d, GOMAXPROCS %d.\n",
		results[0].GOGC, results[0].GOMAXPROCS)
	return err
}

func number(v float64, digits int) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// target writes a target and, in brackets, the stretch.
func target(goal, stretch float64) string {
	if goal == 0 {
		return "–"
	}
	return fmt.Sprintf("%v (%v)", goal, stretch)
}
