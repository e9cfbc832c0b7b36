package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/metric"
)

// sendFlags are the flags of send.
type sendFlags struct {
	at, text, resume string
	ndjson, csv      bool
	fromLine         int64
}

func newSend(o *options) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send URI VALUE…",
		Short: "Send samples: from the command line, a text, or many from standard input",
		Long: "Send samples of metrics of the user's own.\n\n" +
			"Values on the command line are numbers, or with --text texts; of several the first has the time of now, or of --time,\n" +
			"and each other is a millisecond later. With --text and no value the text is read from standard input.\n\n" +
			"--ndjson reads one JSON object a line, {\"uri\": \"cpu\", \"time\": \"2026-11-24T10:00:00Z\", \"value\": 1.5}, with a string as\n" +
			"the value of a text; it is what `komstream get --json` prints. --csv reads uri,time,value, or what a first line of\n" +
			"these names and kind says. A line without a time has the time of reading. A line that is refused is told by its\n" +
			"number on standard error, and the others are sent; then the exit code is 4. With --resume FILE a load that was\n" +
			"interrupted goes on where it stopped when the same command is given again.",
		Example: "  komstream send cpu.user 12.5\n" +
			"  komstream send cpu.user --time 2026-11-24T10:00:00Z 12.5\n" +
			"  komstream send --text host.motd < motd.txt\n" +
			"  komstream send --ndjson < samples.ndjson\n" +
			"  komstream send --csv --resume load.state < samples.csv",
		ValidArgsFunction: o.completeURIs,
		RunE:              func(c *cobra.Command, args []string) error { return runSend(c, o, f, args) },
	}
	c.Flags().StringVar(&f.at, "time", "", "time of the first value: ISO 8601 with a zone, or a distance from now like -5m")
	c.Flags().StringVar(&f.text, "text", "", "send texts of this URI")
	c.Flags().BoolVar(&f.ndjson, "ndjson", false, "read samples as JSON objects, one a line")
	c.Flags().BoolVar(&f.csv, "csv", false, "read samples as CSV: uri,time,value")
	c.Flags().StringVar(&f.resume, "resume", "", "file that says how far a load has come; it is removed at the end")
	c.Flags().Int64Var(&f.fromLine, "from-line", 1, "pass over the lines before this one")
	return o.asClient(c)
}

func runSend(c *cobra.Command, o *options, f sendFlags, args []string) (err error) {
	if err := errors.Join(oneOf(c, "text", "ndjson", "csv"), oneOf(c, "resume", "from-line")); err != nil {
		return err
	}
	if f.ndjson || f.csv {
		if len(args) > 0 || f.at != "" {
			return usage(errors.New("send --ndjson and --csv take no arguments and no --time: uri, time and value stand in the lines"))
		}
		if f.fromLine < 1 {
			return usage(fmt.Errorf("--from-line %d must be at least 1", f.fromLine))
		}
		return runLoad(c, o, f)
	}
	if f.resume != "" || c.Flags().Changed("from-line") {
		return usage(errors.New("--resume and --from-line need --ndjson or --csv"))
	}
	samples, err := f.samples(c, args)
	if err != nil {
		return err
	}
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return err
	}
	defer session.end(&err)
	// A session would wait for ever for a hub that went away: right for a load, wrong for a job that sends a value.
	ctx, cancel := context.WithTimeoutCause(c.Context(), o.client.timeout, errNoAnswer)
	defer cancel()
	if err = session.Send(ctx, samples...); err == nil {
		err = session.Flush(ctx)
	}
	if errors.Is(err, errNoAnswer) {
		return &codedError{exitUnreachable, fmt.Errorf("%w (%s): send again, with --time if it must not count twice",
			err, o.client.timeout)}
	}
	if err != nil {
		return err
	}
	refusals := session.Refusals()
	sent := len(samples) - len(refusals)
	for _, r := range refusals {
		if err = say(c.ErrOrStderr(), "%s %s: %s", r.Sample.URI, timeText(r.Sample.When()), r.Reason); err != nil {
			return err
		}
	}
	if o.json {
		err = printJSON(c.OutOrStdout(), map[string]int{"sent": sent, "refused": len(refusals)})
	} else {
		err = say(c.OutOrStdout(), "sent %s", count(sent, "sample"))
	}
	if err == nil && len(refusals) > 0 {
		err = &codedError{exitRefused, fmt.Errorf("the hub refused %s: see the reasons above", count(len(refusals), "sample"))}
	}
	return err
}

// errNoAnswer is a hub that let the session in and was silent then.
var errNoAnswer = errors.New("the hub did not answer within --timeout")

// count writes a number with its noun.
func count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// samples makes the samples of a command line, and checks them: what is wrong is told before a hub is asked for.
func (f *sendFlags) samples(c *cobra.Command, args []string) ([]metric.Sample, error) {
	kind, values := metric.KindDatapoint, args
	var uri string
	switch {
	case f.text != "":
		kind, uri = metric.KindDatasource, f.text
		if len(args) == 0 {
			text, err := readText(c)
			if err != nil {
				return nil, err
			}
			values = []string{text}
		}
	case len(args) < 2:
		return nil, usage(errors.New("send takes URI VALUE…, --text URI, --ndjson or --csv: see komstream send --help"))
	default:
		uri, values = args[0], args[1:]
	}
	now := time.Now()
	at, err := parseMoment("--time", f.at, now)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = now
	}
	samples := make([]metric.Sample, len(values))
	for i, value := range values {
		t := at.Add(time.Duration(i) * time.Millisecond)
		if kind == metric.KindDatapoint {
			samples[i] = metric.Datapoint(metric.URI(uri), t, value)
		} else {
			samples[i] = metric.Datasource(metric.URI(uri), t, value)
		}
		if err := samples[i].Check(); err != nil {
			return nil, usage(fmt.Errorf("%w%s", err, textAdvice(kind, err)))
		}
	}
	return samples, nil
}

// textAdvice says how a text is sent, where a number is none.
func textAdvice(kind metric.Kind, err error) string {
	var invalid *metric.InvalidError
	if kind == metric.KindDatapoint && errors.As(err, &invalid) && invalid.Field == "number" {
		return ": texts are sent with --text URI"
	}
	return ""
}

// readText reads one text from standard input, not from a keyboard.
func readText(c *cobra.Command) (string, error) {
	in := c.InOrStdin()
	if _, yes := terminal(in); yes {
		return "", usage(errors.New("no text: give it as an argument, or redirect standard input: komstream send --text URI < FILE"))
	}
	text, err := interruptible(c.Context(), func() (string, error) {
		text, err := io.ReadAll(io.LimitReader(in, metric.MaxText+1))
		return string(text), err
	})
	if err != nil {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	return text, nil
}
