package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/admin"
)

func newHub(o *options) *cobra.Command {
	var listen, level, public string
	c := &cobra.Command{
		Use:   "hub",
		Short: "Serve a hub until it is interrupted",
		Long: "Serve a hub until SIGINT or SIGTERM. As soon as it accepts connections it prints one line on standard output,\n" +
			"\"listening on http://HOST:PORT\". The log goes to standard error.\n" +
			"Users, agents and shares are administered with the other commands and the same --dir, also while it runs.",
		Example: "  komstream hub --dir data\n  komstream hub --dir data --listen 127.0.0.1:0 --log-level debug",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := o.dataDir()
			if err != nil {
				return err
			}
			log, err := newLogger(c.ErrOrStderr(), level)
			if err != nil {
				return err
			}
			return serve(c, dir, log, hub.Config{Dir: dir, Listen: []string{listen}, PublicURL: public, Logger: log})
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7650", "address to listen on; port 0 takes a free one")
	c.Flags().StringVar(&public, "public-url", "", "where agents reach the hub, when it is behind a proxy")
	c.Flags().StringVar(&level, "log-level", "info", "least level that is logged: debug, info, warn or error")
	return c
}

func serve(c *cobra.Command, dir string, log *zap.Logger, config hub.Config) (err error) {
	ctx := c.Context()
	h, err := hub.Start(ctx, config)
	if err != nil {
		return fmt.Errorf("%w%s", err, advice(err))
	}
	defer func() {
		if closeErr := h.Close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
		log.Info("stopped")
	}()
	socket, err := admin.Serve(h, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	if err := say(c.OutOrStdout(), "listening on http://%s", h.Addr()); err != nil {
		return err
	}
	<-ctx.Done()
	log.Info("stopping")
	return nil
}

// advice says what to do about the errors that a first start meets.
func advice(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "used by another process"):
		return ": stop the other hub, or choose another --dir"
	case strings.Contains(text, "address already in use"):
		return ": choose another port with --listen, 0 for a free one"
	case strings.Contains(text, "permission denied"):
		return ": choose a --dir or --listen that this user may use"
	}
	return ""
}

// newLogger returns a logger that writes lines for people.
func newLogger(out io.Writer, level string) (*zap.Logger, error) {
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, usage(fmt.Errorf("--log-level %q must be debug, info, warn or error", level))
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	encoding.EncodeLevel = zapcore.CapitalLevelEncoder
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(out)), least)
	return zap.New(core), nil
}
