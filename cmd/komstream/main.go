// Command komstream serves a hub, administers it, and shows what komstream does on the metrics of this machine.
//
//	komstream demo                 a hub, two users and their impulses, live, on this machine's metrics
//	komstream hub --dir data       serve a hub
//	komstream keys new             make the key of an agent
//	komstream --dir data user add alice
//
// `komstream help exit-codes` lists how it ends. Errors are one line on standard error that says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:])) }

// run executes a command line and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code, advice := explain(err)
	fmt.Fprintln(os.Stderr, "komstream: "+strings.TrimPrefix(oneLine(err), "komstream: ")+advice)
	return code
}

// codedError is an error with the exit code that it ends the program with.
type codedError struct {
	code int
	err  error
}

// Error returns the error's text.
func (e *codedError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *codedError) Unwrap() error { return e.err }

func usage(err error) error { return &codedError{exitUsage, err} }

// oneLine joins the lines of an error: joined errors have several.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

// options are the flags that all commands have.
type options struct {
	dir    string // the hub's, for administration
	json   bool
	client clientFlags
}

// dataDir returns the hub's directory, which the command cannot do without.
func (o *options) dataDir() (string, error) {
	if o.dir == "" {
		return "", usage(errors.New("no data directory: name the hub's with --dir"))
	}
	return o.dir, nil
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "komstream",
		Short: "Streams of metrics, and functions that run on them",
		Long: "komstream serves a hub and administers it, sends, reads and watches metrics, and shows what it does on the metrics of\n" +
			"this machine. What administers needs --dir. What works as an agent takes hub, user and key from flags, a context that\n" +
			"--context names, the environment, or the current context, in this order.\n\n" +
			exitCodes,
		Example: "  komstream demo\n" +
			"  komstream keys new --out alice.priv\n" +
			"  komstream --dir data user add alice\n" +
			"  komstream --dir data agent add alice alice.pub\n" +
			"  komstream hub --dir data --listen 127.0.0.1:7650\n" +
			"  komstream login --hub http://127.0.0.1:7650 --user alice --key alice.priv\n" +
			"  komstream send cpu 12.5\n" +
			"  komstream get cpu",
		SilenceErrors: true, // main prints them, in one line
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w: see %s --help", err, c.CommandPath()))
	})
	root.PersistentFlags().StringVar(&o.dir, "dir", "", "data directory of the hub, to administer it")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.AddCommand(
		newDemo(&o), newHub(&o), newUser(&o), newAgent(&o), newShare(&o),
		newKeys(&o), newLogin(&o), newContext(&o), newSend(&o), newGet(&o), newWatch(&o), newList(&o), newRemove(&o),
		newBench(&o), newBenchProcess(), newVersion(&o), newCompletion(), newExitCodes(),
	)
	return root
}

// noArguments refuses what is left of a command line; for a group of commands that is a command it does not have.
func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasSubCommands():
		return usage(fmt.Errorf("%s has no command %q: see %[1]s --help", c.CommandPath(), args[0]))
	}
	return usage(fmt.Errorf("%s takes no arguments, got %q: see %[1]s --help", c.CommandPath(), args[0]))
}

// arguments wants exactly the named ones.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usage(fmt.Errorf("%s takes %s, got %d arguments: see %[1]s --help",
				c.CommandPath(), strings.Join(names, " "), len(args)))
		}
		return nil
	}
}

// group returns a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArguments, RunE: func(c *cobra.Command, _ []string) error {
		return usage(fmt.Errorf("%s needs a command: see %[1]s --help", c.CommandPath()))
	}}
	c.AddCommand(commands...)
	return c
}
