package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/bench"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	quick    bool
	profiles string
}

// benchProcess is the hidden command that bench runs in other processes.
const benchProcess = "bench-process"

func newBench(o *options) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench [workload…]",
		Short: "Measure what an update costs, against a yardstick and hand-written programs",
		Long: "Measure workloads through a real websocket. Each is done by the shipped path (full), by a frozen reference that\n" +
			"reads and decodes and does nothing else (raw), and by two programs as one might write them by hand: channels (the\n" +
			"reference decoder, a goroutine and a channel for each impulse) and naive (encoding/json, a map of slices under a\n" +
			"mutex, a goroutine for each update). All are processes of their own and take turns; what counts is the time of\n" +
			"processors that each uses, as a ratio to raw in the same round. A fifth process sends.\n\n" +
			"Workloads: " + strings.Join(bench.Names(), " ") + ". Default: all of them.\n" +
			"Windows that maintain their statistics are not in the library yet, and so there is no mean-incremental and no\n" +
			"describe-incremental.\n\n" +
			"Every run of an impulse is checked; wrong must be 0. The command fails when it is not. --json prints one object for\n" +
			"each workload instead of the table.",
		Example: "  komstream bench --quick\n  komstream bench join fanout --json\n  komstream bench join --profile .",
		Args: func(c *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(bench.Names(), name) {
					return usage(fmt.Errorf("no workload %q: there are %s", name, strings.Join(bench.Names(), " ")))
				}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runBench(c, o.json, f, args) },
	}
	c.Flags().BoolVar(&f.quick, "quick", false, "fewer and shorter rounds: all workloads in two minutes instead of ten")
	c.Flags().StringVar(&f.profiles, "profile", "", "directory for a profile of the processors for each workload")
	return c
}

func newBenchProcess() *cobra.Command {
	return &cobra.Command{
		Use:    benchProcess,
		Hidden: true,
		Args:   noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			// It ends with its input; an interrupt that reaches all processes at once is for the one that gives orders.
			return bench.Process(context.WithoutCancel(c.Context()), c.InOrStdin(), c.OutOrStdout())
		},
	}
}

func runBench(c *cobra.Command, asJSON bool, f benchFlags, workloads []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot tell where this program is: %w", err)
	}
	if len(workloads) == 0 {
		workloads = nil
	}
	config := bench.Config{
		Workloads: workloads, Quick: f.quick, Profiles: f.profiles, Command: []string{self, benchProcess},
		Progress: func(line string) { _ = say(c.ErrOrStderr(), "%s", line) },
	}
	if asJSON {
		encoder := json.NewEncoder(c.OutOrStdout())
		config.Each = func(r bench.Result) error { return encoder.Encode(r) }
	}
	results, err := bench.Run(c.Context(), config)
	if !asJSON {
		err = errors.Join(err, bench.WriteTable(c.OutOrStdout(), results))
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Wrong != 0 {
			return &codedError{exitWrong, fmt.Errorf("%d wrong runs in %s: its figures mean nothing", r.Wrong, r.Workload)}
		}
	}
	return nil
}
