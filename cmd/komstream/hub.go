package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/admin"
)

// hubFlags are the flags of hub.
type hubFlags struct {
	config        hub.Config
	level, format string
	ops           string
	drain         time.Duration
}

func newHub(o *options) *cobra.Command {
	var f hubFlags
	c := &cobra.Command{
		Use:   "hub",
		Short: "Serve a hub until it is interrupted",
		Long: "Serve a hub until SIGINT or SIGTERM. As soon as it accepts connections it prints a line for each address on standard\n" +
			"output, \"listening on http://HOST:PORT\". The log goes to standard error. Users, agents and shares are administered\n" +
			"with the other commands and the same --dir, also while it runs. Under systemd it says when it is ready.\n\n" +
			"At the end it answers what is under way, for --drain at most, and tells the agents to come back at once. A second\n" +
			"interrupt ends it without.",
		Example: "  komstream hub --dir data\n" +
			"  komstream hub --dir data --listen 127.0.0.1:0 --log-level debug\n" +
			"  komstream hub --dir data --listen '' --listen-tls :443 --cert hub.crt --cert-key hub.key",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := o.dataDir()
			if err != nil {
				return err
			}
			if f.drain <= 0 {
				return usage(fmt.Errorf("--drain %s must be positive", f.drain))
			}
			log, err := newLogger(c.ErrOrStderr(), f.level, f.format)
			if err != nil {
				return err
			}
			f.config.Dir, f.config.Logger = dir, log
			return serve(c, o, f, log)
		},
	}
	f.register(c)
	c.AddCommand(newHubCommands(o)...)
	return c
}

// register gives the command its flags.
func (f *hubFlags) register(c *cobra.Command) {
	config, flags := &f.config, c.Flags()
	flags.StringSliceVar(&config.Listen, "listen", []string{"127.0.0.1:7650"}, "addresses for plain http; port 0 takes a free one, '' none")
	flags.StringSliceVar(&config.ListenTLS, "listen-tls", nil, "addresses for https; they need --cert and --cert-key, or --acme-host")
	flags.StringVar(&config.CertFile, "cert", "", "PEM file of the certificate and its chain; a new one is used at once")
	flags.StringVar(&config.KeyFile, "cert-key", "", "PEM file of the certificate's key")
	flags.StringSliceVar(&config.ACMEHosts, "acme-host", nil, "names to fetch certificates for, from Let's Encrypt, whose terms are thereby accepted")
	flags.StringVar(&config.ACMEEmail, "acme-email", "", "where the authority writes about problems")
	flags.StringVar(&config.ACMEURL, "acme-url", "", "directory of another authority")
	flags.StringVar(&config.PublicURL, "public-url", "", "where agents reach the hub, when it is behind a proxy")
	flags.StringSliceVar(&config.TrustedProxies, "trusted-proxies", nil, "addresses and networks of the proxies whose X-Forwarded headers are believed")
	flags.StringVar(&config.CookieDomain, "cookie-domain", "", "domain of the login cookie, where login and websocket have different names")
	flags.DurationVar(&config.LogLife, "log-life", 0, "how long arrivals are kept for agents that come back (default 24h)")
	flags.Int64Var(&config.LogBytes, "log-bytes", 0, "and how many bytes of them for each user (default 1 GiB)")
	flags.StringVar(&f.ops, "ops-listen", "", "address for /healthz, /readyz and /metrics; they are on the socket in --dir in any case")
	flags.DurationVar(&f.drain, "drain", 10*time.Second, "how long to answer what is under way at the end")
	flags.StringVar(&f.level, "log-level", "info", "least level that is logged: debug, info, warn or error")
	flags.StringVar(&f.format, "log-format", "text", "text, or json for one object a line")
}

func serve(c *cobra.Command, o *options, f hubFlags, log *zap.Logger) (err error) {
	ctx := c.Context()
	// An empty address is how --listen '' says that there is none.
	if len(f.config.Listen) == 1 && f.config.Listen[0] == "" {
		f.config.Listen = nil
	}
	if len(f.config.Listen)+len(f.config.ListenTLS) == 0 {
		return usage(errors.New("the hub listens nowhere: name an address with --listen or --listen-tls"))
	}
	h, err := hub.Start(ctx, f.config)
	if err != nil {
		return startError(err)
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.Background(), f.drain)
		defer cancel()
		err = errors.Join(err, h.Shutdown(ending))
		log.Info("stopped")
	}()
	socket, err := admin.Serve(h, f.config.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, socket.Close()) }()
	if f.ops != "" {
		closeOps, err := serveOps(ctx, h, f.ops, log)
		if err != nil {
			return err
		}
		defer closeOps()
	}
	if err := announce(c.OutOrStdout(), o, f.config, h); err != nil {
		return err
	}
	if err := notify("READY=1"); err != nil {
		log.Warn("systemd was not told that the hub is ready", zap.Error(err))
	}
	<-ctx.Done()
	_ = notify("STOPPING=1") // the end shows it, too
	log.Info("stopping")
	return nil
}

// flagNames are the flags of the fields that the hub's errors name.
var flagNames = strings.NewReplacer("hub: ", "", "Config.ListenTLS", "--listen-tls", "Config.Listen", "--listen",
	"Config.CertFile", "--cert", "Config.KeyFile", "--cert-key", "Config.ACMEHosts", "--acme-host", "Config.ACMEURL", "--acme-url",
	"Config.TrustedProxies", "--trusted-proxies", "Config.PublicURL", "--public-url", "Config.CookieDomain", "--cookie-domain",
	"Config.LogLife", "--log-life", "Config.LogBytes", "--log-bytes")

// startError says why a hub did not start, in the words of the command line.
func startError(err error) error {
	if text := err.Error(); strings.Contains(text, "Config.") {
		return usage(errors.New(flagNames.Replace(text)))
	}
	return fmt.Errorf("%w%s", err, advice(err))
}

// announce says where the hub listens.
func announce(out io.Writer, o *options, config hub.Config, h *hub.Hub) error {
	for i, address := range h.Addrs() {
		scheme := "http"
		if i >= len(config.Listen) {
			scheme = "https"
		}
		url := scheme + "://" + address.String()
		var err error
		if o.json {
			err = printJSON(out, map[string]string{"listening": url})
		} else {
			err = say(out, "listening on %s", url)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// serveOps serves health and figures on an address of their own.
func serveOps(ctx context.Context, h *hub.Hub, address string, log *zap.Logger) (closeOps func(), err error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--ops-listen: %w: choose another address", err)
	}
	server := &http.Server{
		Handler: h.Ops(), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		ErrorLog: zap.NewStdLog(log.Named("ops")),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // it ends by Close only
	}()
	log.Info("serving health and figures", zap.String("url", "http://"+l.Addr().String()))
	return func() {
		_ = server.Close() // nobody is left to tell
		<-done
	}, nil
}

// notify tells systemd what the service does, where it asks for that.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, state)
	return errors.Join(err, conn.Close())
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

// newLogger returns a logger that writes lines for people, or for programs.
func newLogger(out io.Writer, level, format string) (*zap.Logger, error) {
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, usage(fmt.Errorf("--log-level %q must be debug, info, warn or error", level))
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	encoding.EncodeLevel = zapcore.CapitalLevelEncoder
	var encoder zapcore.Encoder
	switch format {
	case "text":
		encoder = zapcore.NewConsoleEncoder(encoding)
	case "json":
		encoder = zapcore.NewJSONEncoder(encoding)
	default:
		return nil, usage(fmt.Errorf("--log-format %q must be text or json", format))
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(out)), least)), nil
}
