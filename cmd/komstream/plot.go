package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/guptarohit/asciigraph"
	"golang.org/x/term"

	"github.com/komstream/komstream/metric"
)

const (
	plotHeight = 15
	plotWidth  = 80 // where there is no terminal to ask
	plotMargin = 14 // columns for the numbers of the axis
)

// plotHistory draws the samples of a datapoint, the oldest first.
func plotHistory(out io.Writer, uri metric.URI, history iter.Seq2[metric.Sample, error]) error {
	var times []time.Time
	var values []float64
	for s, err := range history {
		if err != nil {
			return err
		}
		if s.Kind() != metric.KindDatapoint {
			return fmt.Errorf("%s is a %s, and only numbers can be drawn: leave --plot out", uri, s.Kind())
		}
		if f := s.Float(); !math.IsInf(f, 0) {
			times, values = append(times, s.When()), append(values, f)
		}
	}
	if len(values) == 0 {
		return errors.New("there are no samples in this range: choose another with --from and --to")
	}
	width := plotWidth
	if file, yes := terminal(out); yes {
		if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 2*plotMargin {
			width = w
		}
	}
	caption := fmt.Sprintf("%s  %s … %s", uri, timeText(times[0]), timeText(times[len(times)-1]))
	graph := asciigraph.Plot(columns(times, values, width-plotMargin),
		asciigraph.Height(plotHeight), asciigraph.Caption(caption))
	return say(out, "%s", graph)
}

// columns gives each column of a chart the mean of the values in its part of the time, and a gap where there are none.
// Fewer values than columns are spread over them.
func columns(times []time.Time, values []float64, width int) []float64 {
	first, span := times[0], times[len(times)-1].Sub(times[0])
	if span <= 0 || width < 2 {
		return values
	}
	sums, counts := make([]float64, width), make([]float64, width)
	for i, t := range times {
		at := int(float64(t.Sub(first)) / float64(span) * float64(width-1))
		sums[at] += values[i]
		counts[at]++
	}
	// A gap is a stretch without samples that is long against the usual distance between them: single empty columns
	// between few samples are bridged.
	bridge := 2*width/len(values) + 1
	last := -1
	for i := range sums {
		if counts[i] == 0 {
			continue
		}
		sums[i] /= counts[i]
		if last >= 0 {
			for j := last + 1; j < i; j++ {
				sums[j] = math.NaN()
				if i-last <= bridge {
					sums[j] = sums[last] + (sums[i]-sums[last])*float64(j-last)/float64(i-last)
				}
			}
		}
		last = i
	}
	return sums
}
