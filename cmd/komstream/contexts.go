package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/internal/clicontext"
)

func newLogin(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "login",
		Short: "Try a hub, user and key, and remember them as a context",
		Long: "Connect to a hub, and when it lets the agent in, store hub, user and the path of the key as a named context, which\n" +
			"becomes the current one. The key itself is not copied. The other commands of an agent use the current context\n" +
			"where neither flags nor the environment say otherwise.",
		Example: "  komstream login --context work --hub http://127.0.0.1:7650 --user alice --key alice.priv",
		Args:    noArguments,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		name := o.client.context
		if name == "" {
			name = "default"
		}
		where, err := clicontext.File{}.Resolve(o.client.where, "", func(variable string) string {
			if variable == "KOMSTREAM_CONTEXT" {
				return "" // it names what is stored
			}
			return os.Getenv(variable)
		})
		if err != nil {
			return usage(err)
		}
		if where.Key, err = filepath.Abs(where.Key); err != nil {
			return err
		}
		path, err := clicontext.Path(os.Getenv)
		if err != nil {
			return err
		}
		file, err := clicontext.Load(path)
		if err == nil {
			err = file.Set(name, where)
		}
		if err != nil {
			return err
		}
		session, err := openSession(c.Context(), where, o.client.timeout, komstream.Events{})
		if err != nil {
			return err
		}
		if err := errors.Join(session.Close(), file.Save(path)); err != nil {
			return err
		}
		if o.json {
			return printJSON(c.OutOrStdout(), namedContext{Name: name, Context: where, Current: true})
		}
		return say(c.OutOrStdout(), "%s may act for %s on %s; stored as context %s in %s", where.Key, where.User, where.Hub, name, path)
	}
	return o.asClient(c)
}

// namedContext is a context in a list.
type namedContext struct {
	Name string `json:"name"`
	clicontext.Context
	Current bool `json:"current"`
}

// onContexts returns a command that works on the file of contexts, and stores it again where change says so.
func onContexts(c *cobra.Command, change bool, run func(c *cobra.Command, file *clicontext.File, args []string) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := clicontext.Path(os.Getenv)
		if err != nil {
			return err
		}
		file, err := clicontext.Load(path)
		if err != nil {
			return err
		}
		if err := run(c, &file, args); err != nil || !change {
			return err
		}
		return file.Save(path)
	}
	return c
}

func newContext(o *options) *cobra.Command {
	list := onContexts(&cobra.Command{Use: "ls", Short: "List the contexts", Args: noArguments,
		Example: "  komstream context ls --json"}, false,
		func(c *cobra.Command, file *clicontext.File, _ []string) error {
			all := []namedContext{}
			for _, name := range file.Names() {
				all = append(all, namedContext{name, file.Contexts[name], name == file.Current})
			}
			if o.json {
				return printJSON(c.OutOrStdout(), all)
			}
			return table(c.OutOrStdout(), " \tNAME\tHUB\tUSER\tKEY", all, func(x namedContext) string {
				mark := " "
				if x.Current {
					mark = "*"
				}
				return mark + "\t" + x.Name + "\t" + x.Hub + "\t" + x.User + "\t" + x.Key
			})
		})
	use := onContexts(&cobra.Command{Use: "use NAME", Short: "Make a context the current one; - is the one before",
		Example: "  komstream context use work\n  komstream context use -", Args: arguments("NAME"),
		ValidArgsFunction: completeContexts}, true,
		func(c *cobra.Command, file *clicontext.File, args []string) error {
			if err := file.Use(args[0]); err != nil {
				return err
			}
			return say(c.ErrOrStderr(), "the current context is %s", file.Current)
		})
	show := onContexts(&cobra.Command{Use: "show [NAME]", Short: "Show a context, or what commands use now",
		Example: "  komstream context show work", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeContexts}, false,
		func(c *cobra.Command, file *clicontext.File, args []string) (err error) {
			x := namedContext{Name: file.Current}
			if len(args) > 0 {
				x.Name = args[0]
				x.Context, err = file.Get(x.Name)
			} else if x.Context, err = file.Resolve(clicontext.Context{}, "", os.Getenv); err != nil {
				err = usage(err)
			}
			if err != nil {
				return err
			}
			x.Current = x.Name == file.Current
			if o.json {
				return printJSON(c.OutOrStdout(), x)
			}
			return say(c.OutOrStdout(), "hub   %s\nuser  %s\nkey   %s", x.Hub, x.User, x.Key)
		})
	remove := onContexts(&cobra.Command{Use: "rm NAME", Short: "Forget a context; the key stays where it is",
		Example: "  komstream context rm work", Args: arguments("NAME"), ValidArgsFunction: completeContexts}, true,
		func(_ *cobra.Command, file *clicontext.File, args []string) error { return file.Remove(args[0]) })
	return group("context", "Choose among the hubs that this user logs in to", list, use, show, remove)
}
