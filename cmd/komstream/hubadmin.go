package main

import (
	"github.com/spf13/cobra"

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
	return []*cobra.Command{stats}
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
	Lost     uint64 `json:"lost"`
}
