package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/internal/admin"
	"github.com/komstream/komstream/metric"
)

func newShare(o *options) *cobra.Command {
	return group("share", "Give other users read access to a subtree, and take it back",
		newShareChange(o, "add", "Let a user read a metric and all below it", admin.AddShare,
			func(c *cobra.Command, r *remote, uri metric.URI, to string) error {
				return r.Share(c.Context(), uri, to)
			}),
		newShareChange(o, "rm", "Withdraw a share", admin.RemoveShare,
			func(c *cobra.Command, r *remote, uri metric.URI, to string) error {
				return r.Unshare(c.Context(), uri, to)
			}),
		newShareList(o))
}

func newShareChange(o *options, use, short string, op admin.Op,
	remotely func(c *cobra.Command, r *remote, uri metric.URI, to string) error) *cobra.Command {
	c := &cobra.Command{Use: use + " URI USER", Short: short, Args: arguments("URI", "USER"),
		Long: short + ". With --dir it is done by the administrator, and the metric named OWNER:URI; without, by the\n" +
			"owner's own agent through the hub.",
		Example: "  komstream --dir data share " + use + " alice:host bob\n  komstream share " + use + " cpu bob"}
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		uri, err := metric.ParseURI(args[0])
		if err != nil {
			return usage(err)
		}
		if o.dir != "" {
			if uri.IsLocal() {
				return usage(fmt.Errorf("%q must be OWNER:URI, alice:host for example", args[0]))
			}
			_, err := o.do(c, admin.Request{Op: op, User: uri.Owner(), URI: string(uri.Local()), To: args[1]})
			return err
		}
		session, err := o.connect(c.Context(), komstream.Events{})
		if err != nil {
			return err
		}
		defer session.end(&err)
		return remotely(c, session, uri, args[1])
	}
	return o.asClient(c)
}

func newShareList(o *options) *cobra.Command {
	c := &cobra.Command{Use: "ls [USER]", Short: "List what users share and were given", Args: atMostOne("USER"),
		Long: "List what a user shares and was given. With --dir any user can be named, or none for all shares; without, it is the\n" +
			"user of the agent, and USER picks the shares with that one.",
		Example: "  komstream --dir data share ls alice\n  komstream share ls"}
	c.RunE = func(c *cobra.Command, args []string) error {
		shares, err := o.shares(c, args)
		if err != nil {
			return err
		}
		if o.json {
			return printJSON(c.OutOrStdout(), jsonList(shares))
		}
		return table(c.OutOrStdout(), "METRICS\tREADER", shares, func(s admin.Share) string {
			return s.Owner + ":" + s.URI + "\t" + s.To
		})
	}
	return o.asClient(c)
}

func (o *options) shares(c *cobra.Command, args []string) (shares []admin.Share, err error) {
	if o.dir != "" {
		err = o.eachUser(c, args, func(accounts *admin.Accounts, user string) error {
			reply, err := accounts.Do(c.Context(), admin.Request{Op: admin.ListShares, User: user})
			for _, s := range reply.Shares {
				if len(args) > 0 || s.Owner == user { // of all users, each share once
					shares = append(shares, s)
				}
			}
			return err
		})
		return shares, err
	}
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return nil, err
	}
	defer session.end(&err)
	given, received, err := session.Shares(c.Context())
	if err != nil {
		return nil, err
	}
	for _, s := range append(given, received...) {
		uri := s.URI.Global(session.where.User)
		x := admin.Share{Owner: uri.Owner(), URI: string(uri.Local()), To: s.User}
		if len(args) == 0 || x.Owner == args[0] || x.To == args[0] {
			shares = append(shares, x)
		}
	}
	return shares, nil
}
