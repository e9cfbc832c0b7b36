package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

const legend = `ns: of processors for each update, medians. ratio: full by raw; target (and stretch): at most. exec: of full, for a
run; paced: the same while delays are measured. channels, naive: what they cost by what full costs; target: at least.
allocs: for each frame. p50, p99: from when a frame is due to the start of the run; of the hub, from a send to its
answer or delivery. reads: of the socket for each frame, alike on all sides. GOGC %d, GOMAXPROCS %d.
`

// WriteTable writes results for people, the targets beside the figures.
func WriteTable(out io.Writer, results []Result) error {
	if len(results) == 0 {
		return nil
	}
	library := [][]string{{"workload", "raw ns", "full ns", "ratio", "target", "exec ns", "target", "paced", "channels", "target",
		"naive", "target", "allocs", "B/sample", "MB", "p50 µs", "p99 µs", "reads", "wrong"}}
	hub := [][]string{{"hub", "raw ns", "full ns", "ratio", "per second", "target", "allocs", "MB", "p50 µs", "p99 µs",
		"wrong"}}
	for i := range results {
		r := &results[i]
		if r.workload.hub {
			hub = append(hub, r.hubCells())
			for _, b := range r.Bursts {
				hub = append(hub, []string{fmt.Sprintf("of %d", b.Frames), number(b.RawNS, 0), number(b.FullNS, 0),
					number(b.Ratio, 2), number(b.PerSecond, 0), "", "", "", number(b.P50US, 0), number(b.P99US, 0), ""})
			}
		} else {
			library = append(library, r.cells())
		}
	}
	for _, rows := range [][][]string{library, hub} {
		if len(rows) == 1 {
			continue
		}
		if err := writeRows(out, rows); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, legend, results[0].GOGC, results[0].GOMAXPROCS)
	return err
}

func (r *Result) cells() []string {
	w := &r.workload
	return []string{
		r.Workload, number(r.RawNS, 0), number(r.FullNS, 0), number(r.Ratio, 2), target(w.Target, w.Stretch),
		number(r.ExecNS, 0), target(w.ExecTarget, w.ExecStretch), number(r.PacedExecNS, 0), number(r.AgainstChannels, 2),
		number(w.Channels, 1), number(r.AgainstNaive, 1), number(againstNaive, 0), number(r.AllocsPerFrame, 1),
		number(r.BytesPerSample, 1), number(r.RSSMB, 0), number(r.P50US, 0), number(r.P99US, 0),
		number(r.ReadsPerFrame, 2), fmt.Sprint(r.Wrong),
	}
}

func (r *Result) hubCells() []string {
	w := &r.workload
	return []string{
		r.Workload, number(r.RawNS, 0), number(r.FullNS, 0), number(r.Ratio, 2), number(r.PerSecond, 0),
		target(w.Target, w.Stretch), number(r.AllocsPerFrame, 1), number(r.RSSMB, 0), number(r.P50US, 0), number(r.P99US, 0),
		fmt.Sprint(r.Wrong),
	}
}

// againstNaive is how many times less than the peer naive a workload is to cost.
const againstNaive = 5

func writeRows(out io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") // Flush tells errors
	}
	_, _ = fmt.Fprintln(t)
	return t.Flush()
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
	return fmt.Sprintf("%.10g (%.10g)", goal, stretch)
}
