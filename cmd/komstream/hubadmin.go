package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/admin"
)

// newHubCommands returns what is done with a hub besides serving it.
func newHubCommands(o *options) []*cobra.Command {
	stats := o.account(&cobra.Command{Use: "stats", Short: "Print what a running hub has done since its start", Args: noArguments,
		Example: "  komstream --dir data hub stats"},
		func([]string) (admin.Request, error) { return admin.Request{Op: admin.HubStats}, nil },
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			s := *reply.Stats
			if o.json {
				return printJSON(c.OutOrStdout(), hubStats(s))
			}
			return say(c.OutOrStdout(), "users                   %d\nsessions                %d\nsockets                 %d\n"+
				"messages accepted       %d\nsamples accepted        %d\nnotifications queued    %d\nnotifications replayed  %d\n"+
				"messages not told of    %d", s.Users, s.Sessions, s.Sockets, s.Messages, s.Samples, s.Queued, s.Replayed, s.Lost)
		})
	return []*cobra.Command{newBackup(o), newVerify(o), stats}
}

func newBackup(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup NEWDIR",
		Short: "Copy the hub's data to a new directory, also while it runs",
		Long: "Copy the hub's data to a directory that does not exist yet, while the hub goes on. Everything that was acknowledged\n" +
			"before is in it. To restore a backup, start a hub on the directory, or on a copy of it.",
		Example: "  komstream --dir data hub backup backup-1\n  komstream --dir backup-1 hub verify",
		Args:    arguments("NEWDIR"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		to, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		if _, err := o.do(c, admin.Request{Op: admin.Backup, To: to}); err != nil {
			return err
		}
		if o.json {
			return printJSON(c.OutOrStdout(), map[string]string{"backup": to})
		}
		return say(c.OutOrStdout(), "backed up to %s; check it with komstream --dir %[1]s hub verify", to)
	}
	return c
}

func newVerify(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check all data of a hub that does not run, or of a backup",
		Long: "Read everything in a data directory, while no hub uses it, and change nothing: every checksum, the form of every\n" +
			"record, and whether what refers to something finds it. What is wrong is printed, and the exit code is 3.",
		Example: "  komstream --dir backup-1 hub verify",
		Args:    noArguments,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		dir, err := o.dataDir()
		if err != nil {
			return err
		}
		v, err := hub.Verify(c.Context(), dir)
		switch {
		case err != nil && strings.Contains(err.Error(), "used by another process"):
			return &codedError{exitFailed, fmt.Errorf("%w: stop the hub, or verify a backup", err)}
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: name the directory of a hub, or of a backup, with --dir", err)
		case err != nil:
			return &codedError{exitWrong, err}
		}
		if o.json {
			err = printJSON(c.OutOrStdout(), verified(v))
		} else {
			err = printVerified(c, v)
		}
		if err == nil && len(v.Faults) > 0 {
			err = &codedError{exitWrong, fmt.Errorf("%s found: restore a backup that has none", count(len(v.Faults), "fault"))}
		}
		return err
	}
	return c
}

func printVerified(c *cobra.Command, v hub.Verification) error {
	for _, fault := range v.Faults {
		if err := say(c.OutOrStdout(), "wrong: %s", fault); err != nil {
			return err
		}
	}
	return say(c.OutOrStdout(), "users     %d\nagents    %d\nlogins    %d\nshares    %d\nhooks     %d\nmetrics   %d\n"+
		"samples   %d\nbytes     %d\narrivals  %d\nfaults    %d", v.Users, v.Agents, v.Cookies, v.Shares, v.Hooks, v.Metrics,
		v.Samples, v.Bytes, v.Arrivals, len(v.Faults))
}

// verified is [hub.Verification] as JSON.
type verified struct {
	Users    int      `json:"users"`
	Agents   int      `json:"agents"`
	Cookies  int      `json:"logins"`
	Shares   int      `json:"shares"`
	Hooks    int      `json:"hooks"`
	Metrics  int      `json:"metrics"`
	Samples  int64    `json:"samples"`
	Bytes    int64    `json:"bytes"`
	Arrivals int64    `json:"arrivals"`
	Faults   []string `json:"faults,omitempty"`
}

// hubStats is [hub.Stats] as JSON.
type hubStats struct {
	Users    int    `json:"users"`
	Sessions int    `json:"sessions"`
	Sockets  int    `json:"sockets"`
	Messages uint64 `json:"messages"`
	Samples  uint64 `json:"samples"`
	Queued   uint64 `json:"queued"`
	Replayed uint64 `json:"replayed"`
	Missed   uint64 `json:"missed"`
	Lost     uint64 `json:"lost"`
}
