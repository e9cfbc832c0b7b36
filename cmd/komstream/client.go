package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/bulk"
	"github.com/komstream/komstream/internal/clicontext"
	"github.com/komstream/komstream/metric"
)

// clientFlags say where a command of an agent connects, and as whom.
type clientFlags struct {
	where   clicontext.Context
	context string
	timeout time.Duration
}

const defaultTimeout = 10 * time.Second

// asClient gives a command the flags of an agent.
func (o *options) asClient(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringVar(&o.client.where.Hub, "hub", "", "URL of the hub (KOMSTREAM_HUB)")
	f.StringVar(&o.client.where.User, "user", "", "name of the user (KOMSTREAM_USER)")
	f.StringVar(&o.client.where.Key, "key", "", "file of the agent's private key (KOMSTREAM_KEY)")
	f.StringVar(&o.client.context, "context", "", "named context, as komstream login stores it (KOMSTREAM_CONTEXT)")
	f.DurationVar(&o.client.timeout, "timeout", defaultTimeout, "how long to wait for the hub")
	// The only error is that of a flag which does not exist.
	_ = c.RegisterFlagCompletionFunc("context", completeContexts)
	_ = c.MarkFlagFilename("key")
	return c
}

// resolve finds out where to connect.
func (o *options) resolve() (clicontext.Context, error) {
	path, err := clicontext.Path(os.Getenv)
	if err != nil {
		return clicontext.Context{}, err
	}
	file, err := clicontext.Load(path)
	if err != nil {
		return clicontext.Context{}, err
	}
	where, err := file.Resolve(o.client.where, o.client.context, os.Getenv)
	if err != nil {
		return where, usage(err)
	}
	return where, nil
}

// remote is a session of a command.
type remote struct {
	*komstream.Session
	where clicontext.Context

	mu       sync.Mutex
	refusals []bulk.Refusal
	refused  uint64
	told     chan struct{} // has room for one: something was refused
}

// connect opens the session that the flags, the environment and the contexts say.
func (o *options) connect(ctx context.Context, events komstream.Events, impulses ...impulse.Impulse) (*remote, error) {
	where, err := o.resolve()
	if err != nil {
		return nil, err
	}
	return openSession(ctx, where, o.client.timeout, events, impulses...)
}

func openSession(ctx context.Context, where clicontext.Context, timeout time.Duration, events komstream.Events,
	impulses ...impulse.Impulse) (*remote, error) {
	if timeout <= 0 {
		return nil, usage(fmt.Errorf("--timeout %s must be positive", timeout))
	}
	key, err := connection.LoadKey(where.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: make a key with `komstream keys new`, or name another with --key", err)
	}
	r := &remote{where: where, told: make(chan struct{}, 1)}
	events.Rejected = r.note
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.Session, err = komstream.Open(ctx, komstream.Config{Hub: where.Hub, Username: where.User, Key: key, Events: events}, impulses...)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// end closes the session and joins its error with that of the command.
func (r *remote) end(err *error) {
	if closeErr := r.Close(); closeErr != nil && !errors.Is(*err, context.Canceled) {
		*err = errors.Join(*err, closeErr)
	}
}

// note notes what the hub has refused.
func (r *remote) note(refused komstream.Rejection) {
	reason := fmt.Sprintf("%d/%d %s", refused.Status, refused.Code, refused.Reason)
	r.mu.Lock()
	for _, s := range refused.Samples {
		r.refusals = append(r.refusals, bulk.Refusal{Sample: s, Reason: reason})
		r.refused++
	}
	r.mu.Unlock()
	select {
	case r.told <- struct{}{}:
	default: // there is word already
	}
}

// Flush waits until the hub has answered for everything, and until all that it refused is noted: events come a little
// later than answers.
func (r *remote) Flush(ctx context.Context) error {
	if err := r.Session.Flush(ctx); err != nil {
		return err
	}
	want := r.Stats().Outbound.Refused
	for {
		r.mu.Lock()
		noted := r.refused
		r.mu.Unlock()
		if noted >= want {
			return nil
		}
		select {
		case <-r.told:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Refusals returns what was refused since the last call.
func (r *remote) Refusals() []bulk.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.refusals
	r.refusals = nil
	return all
}

// uris reads uris from the command line.
func uris(args []string) ([]metric.URI, error) {
	all := make([]metric.URI, len(args))
	for i, text := range args {
		var err error
		if all[i], err = metric.ParseURI(text); err != nil {
			return nil, usage(err)
		}
	}
	return all, nil
}

func completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	path, err := clicontext.Path(os.Getenv)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	file, err := clicontext.Load(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return file.Names(), cobra.ShellCompDirectiveNoFileComp
}

// oneOf allows one of some flags at most.
func oneOf(c *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if c.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usage(fmt.Errorf("%s do not go together: see %s --help", strings.Join(given, " and "), c.CommandPath()))
	}
	return nil
}
