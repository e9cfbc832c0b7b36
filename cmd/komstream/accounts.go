package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/admin"
	"github.com/komstream/komstream/metric"
)

// account returns a command that makes one request to the hub of --dir and prints the reply.
func (o *options) account(c *cobra.Command, request func(args []string) (admin.Request, error),
	show func(out io.Writer, args []string, reply admin.Reply) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		dir, err := o.dataDir()
		if err != nil {
			return err
		}
		r, err := request(args)
		if err != nil {
			return err
		}
		accounts, err := admin.Open(c.Context(), dir)
		if err != nil {
			return fmt.Errorf("%w%s", err, advice(err))
		}
		defer func() { err = errors.Join(err, accounts.Close()) }()
		reply, err := accounts.Do(c.Context(), r)
		if err != nil {
			return err
		}
		return show(c.OutOrStdout(), args, reply)
	}
	return c
}

func newUser(o *options) *cobra.Command {
	add := o.account(&cobra.Command{Use: "add NAME", Short: "Make a user", Args: arguments("NAME")},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.AddUser, User: args[0]}, nil
		},
		func(out io.Writer, args []string, _ admin.Reply) error {
			return say(out, "added user %s; next: komstream agent add %[1]s PUBFILE", strings.ToLower(args[0]))
		})
	list := o.account(&cobra.Command{Use: "ls", Short: "List the users", Args: noArguments},
		func([]string) (admin.Request, error) { return admin.Request{Op: admin.ListUsers}, nil },
		func(out io.Writer, _ []string, reply admin.Reply) error {
			for _, name := range reply.Users {
				if err := say(out, "%s", name); err != nil {
					return err
				}
			}
			return nil
		})
	return group("user", "Make and list the users of a hub", add, list)
}

func newAgent(o *options) *cobra.Command {
	add := o.account(&cobra.Command{Use: "add USER PUBFILE", Short: "Authorise a key to act for a user",
		Args: arguments("USER", "PUBFILE")},
		func(args []string) (admin.Request, error) {
			key, err := publicKey(args[1])
			return admin.Request{Op: admin.AddAgent, User: args[0], Key: key.String()}, err
		},
		func(out io.Writer, _ []string, reply admin.Reply) error { return say(out, "%s", reply.ID) })
	list := o.account(&cobra.Command{Use: "ls USER", Short: "List the agents of a user", Args: arguments("USER")},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.ListAgents, User: args[0]}, nil
		},
		func(out io.Writer, _ []string, reply admin.Reply) error {
			return table(out, "AGENT\tSTATE\tADDED\tKEY", reply.Agents, func(a admin.Agent) string {
				state := "active"
				if !a.Active {
					state = "suspended"
				}
				return a.ID + "\t" + state + "\t" + a.Added.Format(time.RFC3339) + "\t" + a.Fingerprint
			})
		})
	change := func(use, short string, op admin.Op) *cobra.Command {
		return o.account(&cobra.Command{Use: use + " AGENT", Short: short, Args: arguments("AGENT")},
			func(args []string) (admin.Request, error) { return admin.Request{Op: op, Agent: args[0]}, nil },
			func(io.Writer, []string, admin.Reply) error { return nil })
	}
	return group("agent", "Authorise, suspend and remove the agents of a user", add, list,
		change("suspend", "Deny an agent everything until it is activated", admin.SuspendAgent),
		change("activate", "End a suspension", admin.ActivateAgent),
		change("rm", "Remove an agent for good", admin.RemoveAgent))
}

func newShare(o *options) *cobra.Command {
	change := func(use, short string, op admin.Op) *cobra.Command {
		return o.account(&cobra.Command{Use: use + " OWNER:URI USER", Short: short, Args: arguments("OWNER:URI", "USER")},
			func(args []string) (admin.Request, error) {
				uri, err := metric.ParseURI(args[0])
				if err == nil && uri.IsLocal() {
					err = fmt.Errorf("%q must be OWNER:URI, alice:host for example", args[0])
				}
				if err != nil {
					return admin.Request{}, usage(err)
				}
				return admin.Request{Op: op, User: uri.Owner(), URI: string(uri.Local()), To: args[1]}, nil
			},
			func(io.Writer, []string, admin.Reply) error { return nil })
	}
	list := o.account(&cobra.Command{Use: "ls USER", Short: "List what a user shares and was given", Args: arguments("USER")},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.ListShares, User: args[0]}, nil
		},
		func(out io.Writer, _ []string, reply admin.Reply) error {
			return table(out, "METRICS\tREADER", reply.Shares, func(s admin.Share) string {
				return s.Owner + ":" + s.URI + "\t" + s.To
			})
		})
	return group("share", "Give other users read access to a subtree, and take it back",
		change("add", "Let a user read a metric and all below it", admin.AddShare),
		change("rm", "Withdraw a share", admin.RemoveShare), list)
}

func say(out io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(out, format+"\n", args...)
	return err
}

// table prints rows in columns under a head, and nothing for no rows.
func table[T any](out io.Writer, head string, rows []T, row func(T) string) error {
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	lines := []string{head}
	for _, r := range rows {
		lines = append(lines, row(r))
	}
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	return w.Flush()
}
