package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	count  int
	length time.Duration
}

func newWatch(o *options) *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch URI…",
		Short: "Print samples as they arrive",
		Long: "Print the samples of some metrics as they arrive, until it is interrupted: time, uri and value, or with --json one JSON\n" +
			"object a line. A metric need not exist yet. After a lost connection it goes on with what arrives then.",
		Example:           "  komstream watch cpu.user bob:cpu.user\n  komstream watch cpu.user --json --count 10",
		ValidArgsFunction: o.completeURIs,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("%s takes URI…: see %[1]s --help", c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runWatch(c, o, f, args) },
	}
	c.Flags().IntVar(&f.count, "count", 0, "end after so many samples; 0 goes on")
	c.Flags().DurationVar(&f.length, "for", 0, "end after this time; 0 goes on")
	return o.asClient(c)
}

func runWatch(c *cobra.Command, o *options, f watchFlags, args []string) (err error) {
	if f.count < 0 || f.length < 0 {
		return usage(errors.New("--count and --for must not be negative"))
	}
	names, err := uris(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	w := &watcher{out: c.OutOrStdout(), notes: c.ErrOrStderr(), json: o.json, left: f.count, limited: f.count > 0, stop: cancel}
	session, err := o.connect(ctx, komstream.Events{State: w.state}, impulse.Impulse{
		Name: "watch", On: impulse.URIs(names...), Past: impulse.Past{Delta: time.Nanosecond, Count: 1},
		// Everything that arrives is to be shown, whoever sent it, and nothing else.
		RunCold: true, LiveOnly: true, AllowLoops: true, Do: w.run,
	})
	if err != nil {
		return err
	}
	defer session.end(&err)
	if err := say(w.notes, "watching %s", strings.Join(args, " ")); err != nil {
		return err
	}
	if f.length > 0 {
		timer := time.AfterFunc(f.length, func() { cancel(errDone) })
		defer timer.Stop()
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errDone) && c.Context().Err() == nil {
		return cause
	}
	return nil
}

// errDone ends a watch that has shown what it was asked for.
var errDone = errors.New("done")

// watcher prints updates.
type watcher struct {
	out, notes io.Writer
	json       bool
	stop       context.CancelCauseFunc

	mu      sync.Mutex
	limited bool
	left    int // samples to print, where limited
	lost    bool
}

// run prints the samples of an update.
func (w *watcher) run(_ context.Context, u *impulse.Update) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range u.Updated() {
		if w.limited && w.left == 0 {
			return nil
		}
		if err := w.print(s); err != nil {
			w.stop(fmt.Errorf("writing: %w", err))
			return nil
		}
		if w.left--; w.limited && w.left == 0 {
			w.stop(errDone)
		}
	}
	return nil
}

func (w *watcher) print(s metric.Sample) error {
	if w.json {
		return printJSON(w.out, toJSON(s))
	}
	return say(w.out, "%s  %s  %s", timeText(s.When()), s.URI, valueText(s.Value, 0))
}

// state tells of a connection that is lost, and of the next one.
func (w *watcher) state(change komstream.StateChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case change.To == komstream.StateWaiting && !w.lost:
		w.lost = true
		_ = say(w.notes, "%s", change) // nobody is there to be told
	case change.To == komstream.StateLive && w.lost:
		w.lost = false
		_ = say(w.notes, "connected again")
	}
}
