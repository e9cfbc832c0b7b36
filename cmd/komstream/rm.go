package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/internal/admin"
	"github.com/komstream/komstream/metric"
)

func newRemove(o *options) *cobra.Command {
	var recursive, yes bool
	c := &cobra.Command{
		Use:   "rm URI…",
		Short: "Delete metrics with all their samples",
		Long: "Delete metrics of the user's own with all their samples, with --recursive everything below them, too. Subscriptions\n" +
			"stay, and wait for the metric to come again, as either kind. With --dir the metrics are those of the hub's data,\n" +
			"named OWNER:URI.",
		Example: "  komstream rm cpu.old --yes\n" +
			"  komstream rm host --recursive --yes\n" +
			"  komstream --dir data rm alice:cpu --recursive --yes",
		ValidArgsFunction: o.completeURIs,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("%s takes URI…: see %[1]s --help", c.CommandPath()))
			}
			return nil
		},
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		names, err := uris(args)
		if err != nil {
			return err
		}
		if o.dir != "" {
			return o.removeFromDir(c, names, recursive, yes)
		}
		return o.removeRemote(c, names, recursive, yes)
	}
	c.Flags().BoolVar(&recursive, "recursive", false, "delete what is below, too")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return o.asClient(c)
}

// confirmRemoval asks whether to delete metrics for good.
func confirmRemoval(c *cobra.Command, names []metric.URI, recursive, yes bool) error {
	below := ""
	if recursive {
		below = ", everything below"
	}
	what := string(names[0])
	if len(names) > 1 {
		what = fmt.Sprintf("%s and %d more", what, len(names)-1)
	}
	return confirm(c, yes, true, "Delete %s%s and all samples for good?", what, below)
}

func (o *options) removeFromDir(c *cobra.Command, names []metric.URI, recursive, yes bool) error {
	for i, uri := range names {
		if uri.IsLocal() {
			if o.client.where.User == "" {
				return usage(fmt.Errorf("with --dir %q must be OWNER:URI, or --user name the user", string(uri)))
			}
			names[i] = uri.Global(o.client.where.User)
		}
	}
	if err := confirmRemoval(c, names, recursive, yes); err != nil {
		return err
	}
	removed := 0
	for _, uri := range names {
		reply, err := o.do(c, admin.Request{
			Op: admin.DeleteMetrics, User: uri.Owner(), URI: string(uri.Local()), Tree: recursive,
		})
		if err != nil {
			return err
		}
		removed += reply.Count
	}
	return o.printRemoved(c, removed)
}

func (o *options) removeRemote(c *cobra.Command, names []metric.URI, recursive, yes bool) (err error) {
	if err := confirmRemoval(c, names, recursive, yes); err != nil {
		return err
	}
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return err
	}
	defer session.end(&err)
	removed := 0
	for _, uri := range names {
		all := []metric.URI{uri}
		if recursive {
			if all, err = session.below(c.Context(), uri); err != nil {
				return err
			}
		}
		for _, x := range all {
			err := session.Delete(c.Context(), x, 0)
			if recursive && errors.Is(err, komstream.ErrNotFound) {
				continue // somebody else was faster
			}
			if err != nil {
				return fmt.Errorf("after %s: %w", count(removed, "metric"), err)
			}
			removed++
		}
	}
	return o.printRemoved(c, removed)
}

func (o *options) printRemoved(c *cobra.Command, removed int) error {
	if o.json {
		return printJSON(c.OutOrStdout(), map[string]int{"deleted": removed})
	}
	return say(c.OutOrStdout(), "deleted %s", count(removed, "metric"))
}
