package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/admin"
)

func newUser(o *options) *cobra.Command {
	add := o.account(&cobra.Command{Use: "add NAME", Short: "Make a user", Args: arguments("NAME"),
		Example: "  komstream --dir data user add alice"},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.AddUser, User: args[0]}, nil
		},
		func(c *cobra.Command, args []string, _ admin.Reply) error {
			name := strings.ToLower(args[0])
			if o.json {
				return printJSON(c.OutOrStdout(), map[string]string{"user": name})
			}
			return say(c.OutOrStdout(), "added user %s; next: komstream agent add %[1]s PUBFILE", name)
		})
	list := o.account(&cobra.Command{Use: "ls", Short: "List the users", Args: noArguments,
		Example: "  komstream --dir data user ls"},
		func([]string) (admin.Request, error) { return admin.Request{Op: admin.ListUsers}, nil },
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			if o.json {
				return printJSON(c.OutOrStdout(), jsonList(reply.Users))
			}
			for _, name := range reply.Users {
				if err := say(c.OutOrStdout(), "%s", name); err != nil {
					return err
				}
			}
			return nil
		})
	show := o.account(&cobra.Command{Use: "usage NAME", Short: "Print what a user has stored", Args: arguments("NAME"),
		Long: "Print what a user has stored: metrics, samples, and their bytes before compression. The samples of today are\n" +
			"counted where a quota bounds them.",
		Example: "  komstream --dir data user usage alice"},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.UserUsage, User: args[0]}, nil
		},
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			u := *reply.Usage
			if o.json {
				return printJSON(c.OutOrStdout(), u)
			}
			return say(c.OutOrStdout(), "datasources    %d\ndatapoints     %d\nsamples        %d\nbytes          %d\n"+
				"texts today    %d\nnumbers today  %d", u.Datasources, u.Datapoints, u.Samples, u.Bytes, u.TextsToday, u.NumbersToday)
		})
	return group("user", "Make and list the users of a hub, and bound what they store", add, list, show,
		newRetention(o), newQuota(o), newPassword(o), newLogout(o))
}

func newRetention(o *options) *cobra.Command {
	var age string
	var r hub.Retention
	var none, yes bool
	c := &cobra.Command{
		Use:   "retention NAME [SUBTREE]",
		Short: "Show or set how much is kept of a user's metrics",
		Long: "Without flags, list a user's rules. With flags, set the rule of a subtree, or of everything where none is named: what\n" +
			"is older than --age, beyond the newest --count samples of each metric, or beyond --bytes of all of them, is deleted\n" +
			"in the background, about once a minute. Of several rules the narrowest holds for a metric.",
		Example: "  komstream --dir data user retention alice host --age 30d --yes\n" +
			"  komstream --dir data user retention alice host --none\n" +
			"  komstream --dir data user retention alice",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return usage(fmt.Errorf("%s takes NAME [SUBTREE]: see %[1]s --help", c.CommandPath()))
			}
			return nil
		},
	}
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if age != "" {
			if r.Age, err = parseSpan(age); err != nil {
				return usage(fmt.Errorf("--age: %w", err))
			}
		}
		if r == (hub.Retention{}) && !none {
			if len(args) > 1 {
				return usage(errors.New("a rule needs --age, --count or --bytes, or --none to take it away"))
			}
			return listRetention(o, c, args[0])
		}
		request := admin.Request{Op: admin.SetRetention, User: args[0]}
		if len(args) > 1 {
			request.URI = args[1]
		}
		if !none {
			request.Retention = &r
			if err := confirm(c, yes, true, "delete of %s:%s what is beyond %s, now and from now on?", args[0], request.URI,
				retentionText(r)); err != nil {
				return err
			}
		}
		_, err = o.do(c, request)
		return err
	}
	c.Flags().StringVar(&age, "age", "", "keep samples that are younger than this: 30d, 12h")
	c.Flags().Int64Var(&r.Count, "count", 0, "keep so many samples of each metric")
	c.Flags().Int64Var(&r.Bytes, "bytes", 0, "keep so many bytes of all metrics together")
	c.Flags().BoolVar(&none, "none", false, "take the rule away")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func listRetention(o *options, c *cobra.Command, name string) error {
	reply, err := o.do(c, admin.Request{Op: admin.ListRetention, User: name})
	if err != nil {
		return err
	}
	if o.json {
		type rule struct {
			URI   string `json:"uri"`
			Age   string `json:"age,omitempty"`
			Count int64  `json:"count,omitempty"`
			Bytes int64  `json:"bytes,omitempty"`
		}
		rules := []rule{}
		for _, r := range reply.Retention {
			x := rule{URI: string(r.URI), Count: r.Count, Bytes: r.Bytes}
			if r.Age > 0 {
				x.Age = r.Age.String()
			}
			rules = append(rules, x)
		}
		return printJSON(c.OutOrStdout(), rules)
	}
	return table(c.OutOrStdout(), "SUBTREE\tKEEPS", reply.Retention, func(r hub.RetentionRule) string {
		uri := string(r.URI)
		if uri == "" {
			uri = "(everything)"
		}
		return uri + "\t" + retentionText(r.Retention)
	})
}

func retentionText(r hub.Retention) string {
	var parts []string
	if r.Age > 0 {
		parts = append(parts, ageText(r.Age.Truncate(time.Second)))
	}
	if r.Count > 0 {
		parts = append(parts, count(r.Count, "sample")+" each")
	}
	if r.Bytes > 0 {
		parts = append(parts, count(r.Bytes, "byte"))
	}
	return strings.Join(parts, ", ")
}

func newQuota(o *options) *cobra.Command {
	var q hub.Quota
	var none bool
	c := &cobra.Command{
		Use:   "quota NAME",
		Short: "Show or set what a user may have and send",
		Long: "Without flags, show a user's quota; 0 bounds nothing. With flags, change the bounds named; --none takes all away. What\n" +
			"there is already stays; what would exceed a bound is refused with a reason.",
		Example: "  komstream --dir data user quota alice --datapoints 1000 --numbers-per-day 1000000\n" +
			"  komstream --dir data user quota alice",
		Args: arguments("NAME"),
	}
	bounds := []struct {
		flag  string
		field func(*hub.Quota) *int64
		usage string
	}{
		{"datasources", func(q *hub.Quota) *int64 { return &q.Datasources }, "text metrics"},
		{"datapoints", func(q *hub.Quota) *int64 { return &q.Datapoints }, "numeric metrics"},
		{"texts-per-day", func(q *hub.Quota) *int64 { return &q.TextsPerDay }, "samples of text metrics in a day of UTC"},
		{"numbers-per-day", func(q *hub.Quota) *int64 { return &q.NumbersPerDay }, "samples of numeric metrics in a day of UTC"},
		{"bytes", func(q *hub.Quota) *int64 { return &q.Bytes }, "bytes of all samples, before compression"},
	}
	for _, b := range bounds {
		c.Flags().Int64Var(b.field(&q), b.flag, 0, "greatest number of "+b.usage)
	}
	c.Flags().BoolVar(&none, "none", false, "bound nothing")
	c.RunE = func(c *cobra.Command, args []string) error {
		next := hub.Quota{}
		change := none
		if !none {
			reply, err := o.do(c, admin.Request{Op: admin.ShowQuota, User: args[0]})
			if err != nil {
				return err
			}
			next = *reply.Quota
		}
		for _, b := range bounds {
			if c.Flags().Changed(b.flag) {
				*b.field(&next) = *b.field(&q)
				change = true
			}
		}
		if change {
			_, err := o.do(c, admin.Request{Op: admin.SetQuota, User: args[0], Quota: &next})
			return err
		}
		lines := map[string]int64{}
		var text strings.Builder
		for _, b := range bounds {
			lines[b.flag] = *b.field(&next)
			text.WriteString(fmt.Sprintf("%-16s", b.flag) + strconv.FormatInt(*b.field(&next), 10) + "\n")
		}
		if o.json {
			return printJSON(c.OutOrStdout(), lines)
		}
		_, err := io.WriteString(c.OutOrStdout(), text.String())
		return err
	}
	return c
}

func newPassword(o *options) *cobra.Command {
	var none bool
	c := &cobra.Command{
		Use:   "password NAME",
		Short: "Set the password of a user for the console",
		Long: "Set a user's password, of 8 to 1,024 bytes. It is asked for on a terminal, and read from standard input, up to the end\n" +
			"of the line, elsewhere. Agents need none.",
		Example: "  komstream --dir data user password alice < password.txt",
		Args:    arguments("NAME"),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		request := admin.Request{Op: admin.SetPassword, User: args[0]}
		if !none {
			password, err := readPassword(c)
			if err != nil {
				return err
			}
			request.Password = password
		}
		_, err := o.do(c, request)
		return err
	}
	c.Flags().BoolVar(&none, "none", false, "take the password away")
	return c
}

func readPassword(c *cobra.Command) (string, error) {
	in, ok := terminal(c.InOrStdin())
	if !ok {
		text, err := interruptible(c.Context(), func() (string, error) {
			text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 4096))
			return string(text), err
		})
		password, _, _ := strings.Cut(text, "\n")
		password = strings.TrimSuffix(password, "\r")
		if err == nil && password == "" {
			err = usage(errors.New("no password on standard input: redirect it from a file, or say --none"))
		}
		return password, err
	}
	var answers [2]string
	for i, question := range []string{"password: ", "once more: "} {
		if _, err := io.WriteString(c.ErrOrStderr(), question); err != nil {
			return "", err
		}
		var err error
		if answers[i], err = askPassword(c, in); err != nil {
			return "", err
		}
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two passwords differ: nothing was done")
	}
	if answers[0] == "" {
		return "", usage(errors.New("the password is empty: say --none to take it away"))
	}
	return answers[0], nil
}

// askPassword reads a line that the terminal does not show. However it ends, the terminal shows what is typed again.
func askPassword(c *cobra.Command, in *os.File) (string, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	text, err := interruptible(c.Context(), func() (string, error) {
		text, err := term.ReadPassword(int(in.Fd()))
		return string(text), err
	})
	return text, errors.Join(err, term.Restore(int(in.Fd()), state), say(c.ErrOrStderr(), ""))
}

func newLogout(o *options) *cobra.Command {
	var agent string
	c := o.account(&cobra.Command{Use: "logout NAME", Short: "End all logins of a user, or of one agent", Args: arguments("NAME"),
		Long: "End the logins of a user's agents, and close their connections. Agents log in again by themselves; suspend or remove\n" +
			"those that must not.",
		Example: "  komstream --dir data user logout alice"},
		func(args []string) (admin.Request, error) {
			return admin.Request{Op: admin.RevokeLogins, User: args[0], Agent: agent}, nil
		},
		func(c *cobra.Command, _ []string, reply admin.Reply) error {
			if o.json {
				return printJSON(c.OutOrStdout(), map[string]int{"ended": reply.Count})
			}
			return say(c.OutOrStdout(), "ended %s", count(reply.Count, "login"))
		})
	c.Flags().StringVar(&agent, "agent", "", "only those of the agent with this id")
	return c
}
