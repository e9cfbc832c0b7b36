package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/admin"
)

// eachUser calls visit for the user that is named, or else for every user.
func (o *options) eachUser(c *cobra.Command, named []string, visit func(accounts *admin.Accounts, user string) error) (err error) {
	dir, err := o.dataDir()
	if err != nil {
		return err
	}
	accounts, err := admin.Open(c.Context(), dir)
	if err != nil {
		return fmt.Errorf("%w%s", err, advice(err))
	}
	defer func() { err = errors.Join(err, accounts.Close()) }()
	if len(named) == 0 {
		reply, err := accounts.Do(c.Context(), admin.Request{Op: admin.ListUsers})
		if err != nil {
			return err
		}
		named = reply.Users
	}
	for _, user := range named {
		if err := visit(accounts, user); err != nil {
			return err
		}
	}
	return nil
}

// do makes one request to the hub of --dir.
func (o *options) do(c *cobra.Command, r admin.Request) (reply admin.Reply, err error) {
	dir, err := o.dataDir()
	if err != nil {
		return reply, err
	}
	accounts, err := admin.Open(c.Context(), dir)
	if err != nil {
		return reply, fmt.Errorf("%w%s", err, advice(err))
	}
	defer func() { err = errors.Join(err, accounts.Close()) }()
	return accounts.Do(c.Context(), r)
}

// account returns a command that makes one request to the hub of --dir and shows the reply.
func (o *options) account(c *cobra.Command, request func(args []string) (admin.Request, error),
	show func(c *cobra.Command, args []string, reply admin.Reply) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		r, err := request(args)
		if err != nil {
			return err
		}
		reply, err := o.do(c, r)
		if err != nil {
			return err
		}
		return show(c, args, reply)
	}
	return c
}

// silent shows nothing: that it succeeded is said by the exit code.
func silent(*cobra.Command, []string, admin.Reply) error { return nil }

func newAgent(o *options) *cobra.Command {
	add := o.account(&cobra.Command{Use: "add USER PUBFILE", Short: "Authorise a key to act for a user, and print the agent's id",
		Example: "  komstream --dir data agent add alice alice.pub", Args: arguments("USER", "PUBFILE")},
		func(args []string) (admin.Request, error) {
			key, err := publicKey(args[1])
			return admin.Request{Op: admin.AddAgent, User: args[0], Key: key.String()}, err
		},
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			if o.json {
				return printJSON(c.OutOrStdout(), map[string]string{"id": reply.ID})
			}
			return say(c.OutOrStdout(), "%s", reply.ID)
		})
	change := func(use, short string, op admin.Op) *cobra.Command {
		return o.account(&cobra.Command{Use: use + " AGENT", Short: short, Args: arguments("AGENT"),
			Example: "  komstream --dir data agent " + use + " 6f1c0a52d94b4f0f8e0b6c1f7a9d3e25"},
			func(args []string) (admin.Request, error) { return admin.Request{Op: op, Agent: args[0]}, nil }, silent)
	}
	return group("agent", "Authorise, suspend and remove the agents of a user", add, newAgentList(o),
		change("suspend", "Deny an agent everything until it is activated", admin.SuspendAgent),
		change("activate", "End a suspension", admin.ActivateAgent), newAgentRemove(o))
}

func newAgentList(o *options) *cobra.Command {
	type agent struct {
		User string `json:"user"`
		admin.Agent
	}
	c := &cobra.Command{Use: "ls [USER]", Short: "List the agents of a user, or of all", Args: atMostOne("USER"),
		Example: "  komstream --dir data agent ls alice"}
	c.RunE = func(c *cobra.Command, args []string) error {
		var all []agent
		err := o.eachUser(c, args, func(accounts *admin.Accounts, user string) error {
			reply, err := accounts.Do(c.Context(), admin.Request{Op: admin.ListAgents, User: user})
			for _, a := range reply.Agents {
				all = append(all, agent{user, a})
			}
			return err
		})
		if err != nil {
			return err
		}
		if o.json {
			return printJSON(c.OutOrStdout(), jsonList(all))
		}
		return table(c.OutOrStdout(), "AGENT\tUSER\tSTATE\tADDED\tKEY", all, func(a agent) string {
			state := "active"
			if !a.Active {
				state = "suspended"
			}
			return a.ID + "\t" + a.User + "\t" + state + "\t" + a.Added.Format(time.RFC3339) + "\t" + a.Fingerprint
		})
	}
	return c
}

func newAgentRemove(o *options) *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "rm AGENT", Short: "Remove an agent for good", Args: arguments("AGENT"),
		Long:    "Remove an agent with its logins and subscriptions. Its key can be authorised again, as another agent.",
		Example: "  komstream --dir data agent rm 6f1c0a52d94b4f0f8e0b6c1f7a9d3e25 --yes"}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := confirm(c, yes, false, "remove agent %s?", args[0]); err != nil {
			return err
		}
		_, err := o.do(c, admin.Request{Op: admin.RemoveAgent, Agent: args[0]})
		return err
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// errNotConfirmed ends a command whose question was not answered with yes.
var errNotConfirmed = errors.New("nothing was done: the answer was not yes")

// confirm asks on a terminal whether to go on. Without one it goes on, but not where must says that what is lost is lost
// for good.
func confirm(c *cobra.Command, yes, must bool, question string, args ...any) error {
	if yes {
		return nil
	}
	in, ok := terminal(c.InOrStdin())
	if !ok {
		if must {
			return usage(fmt.Errorf("%s There is no terminal to ask on: add --yes", fmt.Sprintf(question, args...)))
		}
		return nil
	}
	if _, err := fmt.Fprintf(c.ErrOrStderr(), question+" [y/N] ", args...); err != nil {
		return err
	}
	answer, err := interruptible(c.Context(), func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}

// interruptible returns what read does, or the cause of ctx when that ends first: a read of a terminal or a pipe cannot be
// broken off. What reads goes on until the program ends, soon.
func interruptible(ctx context.Context, read func() (string, error)) (text string, err error) {
	done := make(chan struct{})
	var got string
	var gotErr error
	go func() {
		defer close(done)
		got, gotErr = read()
	}()
	select {
	case <-done:
		return got, gotErr
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
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
