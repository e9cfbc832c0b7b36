package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/admin"
	"github.com/komstream/komstream/metric"
)

func newShare(o *options) *cobra.Command {
	change := func(use, short string, op admin.Op) *cobra.Command {
		return o.account(&cobra.Command{Use: use + " OWNER:URI USER", Short: short, Args: arguments("OWNER:URI", "USER"),
			Example: "  komstream --dir data share " + use + " alice:host bob"},
			func(args []string) (admin.Request, error) {
				uri, err := metric.ParseURI(args[0])
				if err == nil && uri.IsLocal() {
					err = fmt.Errorf("%q must be OWNER:URI, alice:host for example", args[0])
				}
				if err != nil {
					return admin.Request{}, usage(err)
				}
				return admin.Request{Op: op, User: uri.Owner(), URI: string(uri.Local()), To: args[1]}, nil
			}, silent)
	}
	list := o.account(&cobra.Command{Use: "ls USER", Short: "List what a user shares and was given", Args: arguments("USER"),
		Example: "  komstream --dir data share ls alice"},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.ListShares, User: args[0]}, nil
		},
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			return printShares(c, o, reply.Shares)
		})
	return group("share", "Give other users read access to a subtree, and take it back",
		change("add", "Let a user read a metric and all below it", admin.AddShare),
		change("rm", "Withdraw a share", admin.RemoveShare), list)
}

func printShares(c *cobra.Command, o *options, shares []admin.Share) error {
	if o.json {
		return printJSON(c.OutOrStdout(), jsonList(shares))
	}
	return table(c.OutOrStdout(), "METRICS\tREADER", shares, func(s admin.Share) string {
		return s.Owner + ":" + s.URI + "\t" + s.To
	})
}
