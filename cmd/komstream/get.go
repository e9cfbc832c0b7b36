package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/metric"
)

// getFlags are the flags of get.
type getFlags struct {
	from, to            string
	count               int
	csv, plot, reversed bool
}

// defaultCount is how many samples get shows where no range is asked for.
const defaultCount = 100

func newGet(o *options) *cobra.Command {
	var f getFlags
	c := &cobra.Command{
		Use:   "get URI",
		Short: "Print the history of a metric",
		Long: "Print samples of a metric, the user's own or one that another user shares, the oldest first: as a table, with --json as\n" +
			"one JSON object a line, with --csv as CSV, with --plot as a chart. Without a range these are the newest 100.\n" +
			"With --newest-first nothing waits for the end of a long history, which is then read in little memory.",
		Example: "  komstream get cpu.user --from -1h --to now\n" +
			"  komstream get cpu.user --count 1 --json\n" +
			"  komstream get cpu.user --from -7d --csv > week.csv\n" +
			"  komstream get cpu.user --plot",
		Args:              arguments("URI"),
		ValidArgsFunction: o.completeURIs,
		RunE:              func(c *cobra.Command, args []string) error { return runGet(c, o, f, args[0]) },
	}
	c.Flags().StringVar(&f.from, "from", "", "begin: a distance like -1h or -7d, a day, or a time with a zone")
	c.Flags().StringVar(&f.to, "to", "", "end, likewise; default is the newest")
	c.Flags().IntVar(&f.count, "count", 0, "print at most so many, the newest; 0 is all of a range")
	c.Flags().BoolVar(&f.csv, "csv", false, "print CSV")
	c.Flags().BoolVar(&f.plot, "plot", false, "print a chart")
	c.Flags().BoolVar(&f.reversed, "newest-first", false, "print the newest first")
	return o.asClient(c)
}

func runGet(c *cobra.Command, o *options, f getFlags, arg string) (err error) {
	if err := oneOf(c, "csv", "plot", "json"); err != nil {
		return err
	}
	names, err := uris([]string{arg})
	if err != nil {
		return err
	}
	r, err := f.asked(time.Now())
	if err != nil {
		return err
	}
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return err
	}
	defer session.end(&err)
	history := session.History(c.Context(), names[0], r)
	if !f.reversed || f.plot {
		if history, err = forward(history); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(c.OutOrStdout())
	switch {
	case f.plot:
		err = plotHistory(c.OutOrStdout(), names[0], history)
	case f.csv:
		err = writeCSV(out, history)
	case o.json:
		for s, readErr := range history {
			if err = errors.Join(readErr, printJSON(out, toJSON(s))); err != nil {
				break
			}
		}
	default:
		err = writeTable(out, history)
	}
	return errors.Join(err, out.Flush())
}

// asked returns the range that is asked for.
func (f *getFlags) asked(now time.Time) (r komstream.Range, err error) {
	if f.count < 0 {
		return r, usage(fmt.Errorf("--count %d must not be negative", f.count))
	}
	if r.From, err = parseMoment("--from", f.from, now); err != nil {
		return r, err
	}
	if r.To, err = parseMoment("--to", f.to, now); err != nil {
		return r, err
	}
	if !r.From.IsZero() && !r.To.IsZero() && r.To.Before(r.From) {
		return r, usage(fmt.Errorf("--from %s must not be after --to %s", f.from, f.to))
	}
	r.Last = f.count
	if f.count == 0 && f.from == "" {
		r.Last = defaultCount
	}
	return r, nil
}

// forward turns a history round, which comes newest first. It holds all of it in memory.
func forward(history iter.Seq2[metric.Sample, error]) (iter.Seq2[metric.Sample, error], error) {
	var all []metric.Sample
	for s, err := range history {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return func(yield func(metric.Sample, error) bool) {
		for _, s := range slices.Backward(all) {
			if !yield(s, nil) {
				return
			}
		}
	}, nil
}

func writeTable(out io.Writer, history iter.Seq2[metric.Sample, error]) error {
	for s, err := range history {
		if err == nil {
			err = say(out, "%-24s  %s", timeText(s.When()), valueText(s.Value, 0))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeCSV writes what `komstream send --csv` reads.
func writeCSV(out io.Writer, history iter.Seq2[metric.Sample, error]) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"uri", "time", "kind", "value"}); err != nil {
		return err
	}
	for s, err := range history {
		if err == nil {
			err = w.Write([]string{string(s.URI), timeText(s.When()), s.Kind().String(), s.Value.String()})
		}
		if err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
