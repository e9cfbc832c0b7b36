package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/demo"
	"github.com/komstream/komstream/internal/termview"
)

const (
	repaintEvery = 500 * time.Millisecond
	lineEvery    = 2 * time.Second
)

// demoFlags are the flags of the demo.
type demoFlags struct {
	length time.Duration
	json   bool
	chaos  bool
	seed   uint64
}

func newDemo(o *options) *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "A hub, two users and their impulses on the metrics of this machine",
		Long: "Start a hub on a free port of this machine and two users. Alice sends what this machine is doing every second and\n" +
			"shares it; her impulses, and those of Bob, who reads what she shares, derive metrics from it. A checker that reads\n" +
			"the sockets by itself compares every run with what was sent. On a terminal there is a live view; q ends it.\n" +
			"Nothing is left behind, unless --dir says where to keep the hub's data and the keys.",
		Example: "  komstream demo\n  komstream demo --for 15s --json\n  komstream demo --for 30s --chaos",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.length < 0 {
				return usage(fmt.Errorf("--for %s must not be negative", f.length))
			}
			return runDemo(c, o.dir, f)
		},
	}
	c.Flags().DurationVar(&f.length, "for", 0, "end after this time; 0 runs until it is ended")
	c.Flags().BoolVar(&f.json, "json", false, "print nothing but one JSON object at the end")
	c.Flags().BoolVar(&f.chaos, "chaos", false, "cut the connections every few seconds")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of --chaos; 0 takes another one each time")
	return c
}

func runDemo(c *cobra.Command, dir string, f demoFlags) error {
	out := &output{out: c.OutOrStdout(), notes: c.ErrOrStderr(), json: f.json}
	d, err := demo.Start(c.Context(), demo.Config{Dir: dir, Chaos: f.chaos, Seed: f.seed, Progress: out.progress})
	if err != nil {
		return fmt.Errorf("%w%s", err, advice(err))
	}
	if f.chaos {
		out.progress(fmt.Sprintf("cutting connections, seed %d", d.Seed()))
	}
	ctx, cancel := c.Context(), context.CancelFunc(func() {})
	if f.length > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.length)
	}
	defer cancel()
	showErr := out.show(ctx, d)
	if showErr != nil {
		out.progress("the view broke: " + showErr.Error())
	}
	// A second interrupt ends the program at once.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	out.progress("waiting until everything is acknowledged …")
	result, err := d.Finish(context.WithoutCancel(c.Context()))
	if printErr := out.result(result, dir); printErr != nil {
		return errors.Join(err, printErr)
	}
	for _, text := range result.Faults[:min(len(result.Faults), 5)] {
		out.progress("wrong: " + text)
	}
	if err == nil {
		err = result.Check()
	}
	if err != nil {
		return &codedError{exitWrong, err}
	}
	return nil
}

// output is where the demo writes.
type output struct {
	out, notes io.Writer
	json       bool

	mu   sync.Mutex
	live bool // a view is painted: lines would break it
}

// progress writes a line, unless there is a live view.
func (o *output) progress(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.live {
		_ = say(o.notes, "%s", text) // a demo that nobody can follow goes on
	}
}

// show shows the demo until ctx ends, or q is typed.
func (o *output) show(ctx context.Context, d *demo.Demo) error {
	file, ok := o.out.(*os.File)
	if o.json || !ok {
		<-ctx.Done()
		return nil
	}
	screen := termview.NewScreen(file)
	every := lineEvery
	if screen.Live() {
		every = repaintEvery
		keys, err := readKeys(os.Stdin)
		if err != nil {
			return err
		}
		defer keys.close()
		ctx = keys.quits(ctx)
		o.setLive(true)
		defer o.setLive(false)
	}
	defer func() { _ = screen.Close() }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := screen.Draw(d.Snapshot()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *output) setLive(live bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live = live
}

// result writes the result, as JSON or in words.
func (o *output) result(r demo.Result, dir string) error {
	if o.json {
		return json.NewEncoder(o.out).Encode(r)
	}
	_, err := fmt.Fprintf(o.out, "\n%d samples sent, %d acknowledged; %d updates received, %d of them shared by another user\n"+
		"%d runs of impulses sent %d samples; %d writes to another user's metrics refused\n"+
		"%d connections, %d of them cut; %d runs checked, %d wrong\n",
		r.SamplesSent, r.SamplesAcknowledged, r.UpdatesReceived, r.SharedUpdates,
		r.ImpulseRuns, r.ImpulseSamples, r.RefusedRemoteWrites, r.Connections, r.Cuts, r.CheckedRuns, r.Wrong)
	if err != nil {
		return err
	}
	next := "\nNext:\n" +
		"  komstream demo --chaos        the same, with connections that break\n" +
		"  komstream hub --dir data      a hub of your own; komstream --help says how to add users\n" +
		"  go run ./examples/hello       the smallest program, one of several in examples/\n"
	if dir != "" {
		next += fmt.Sprintf("  komstream hub --dir %s   this demo's hub, with its data; the keys are in %s\n", demo.HubDir(dir), dir)
	}
	_, err = io.WriteString(o.out, next)
	return err
}
