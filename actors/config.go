package actors

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
	"go.uber.org/zap"
)

// Config says where a session connects, as whom, and within which limits. Hub (or Dial), Username and Key are
// required; the zero value of every other field is its default.
type Config struct {
	// Hub is the base URL of the hub, "https://hub.example.org": it logs in at /login and opens its websocket at /.
	// http, https, ws and wss are understood. Default with Dial set: "http://localhost".
	Hub string
	// LoginURL and AgentURL override Hub where the two live apart.
	LoginURL, AgentURL string
	// Username is the user's name; case does not matter.
	Username string
	// Key is the agent's RSA key, authorised at the hub beforehand. See connection.LoadOrCreateKey.
	Key *connection.Key

	// Dial opens the network connections of login and websocket: hub.Hub.DialContext for the hub of the same
	// process, a proxy, a test. Default: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS configures https and wss. Default: the system's roots.
	TLS *tls.Config
	// Logger receives what happens, one line each. Default: nothing is logged.
	Logger *zap.Logger
	// Events are optional callbacks.
	Events Events
	// Clock drives retention, throttles, breakers and the backoff between connections; the wait after a hub that has
	// no storage (4503) and the deadlines of sockets go by the system's. Default: the system's clock.
	Clock Clock
	// System is the actor system to live in; see WithSystem. Default: one of the session's own (about 3 MB).
	System *System

	// MaxSamples is the greatest number of samples in one window. Default 1,000,000.
	MaxSamples int
	// MemoryLimit bounds the bytes of all windows of the session. Beyond it the oldest samples go, with an event.
	// Default 1 GiB.
	MemoryLimit int64
	// QueueSamples and QueueBytes bound the outbound queue; when either is reached, Send blocks. Defaults 100,000
	// samples and 64 MiB.
	QueueSamples int
	QueueBytes   int64

	// ConnectTimeout bounds one attempt to log in and connect. Default 15 s.
	ConnectTimeout time.Duration
	// RequestTimeout is how long an answer of the hub may take before the connection counts as broken. Default 60 s.
	RequestTimeout time.Duration
	// RetryInitial and RetryMax bound the pause before the next try after a loss: it starts at RetryInitial, doubles
	// with each failure up to RetryMax, and varies by half of itself either way. Defaults 500 ms and 20 s.
	RetryInitial, RetryMax time.Duration
	// PingInterval is the pause between pings; a hub silent for three of them is gone. Default 10 s.
	PingInterval time.Duration
	// CloseTimeout bounds Close. Default 5 s.
	CloseTimeout time.Duration
}

// Defaults of Config.
const (
	DefaultMaxSamples            = 1_000_000
	DefaultMemoryLimit     int64 = 1 << 30
	DefaultConnectTimeout        = 15 * time.Second
	DefaultRequestTimeout        = time.Minute
	DefaultPingInterval          = 10 * time.Second
	DefaultCloseTimeout          = 5 * time.Second
	defaultInProcessHubURL       = "http://localhost"
)

// withDefaults returns c with its zero fields filled, or every fault of c.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	fault := func(field, value, rule string) {
		faults = append(faults, &ConfigError{Field: field, Value: value, Rule: rule})
	}
	if name, err := metric.ParseUsername(c.Username); err != nil {
		fault("Username", fmt.Sprintf("%.80q", c.Username), "must be levels of A-Z a-z 0-9 _ - joined by single dots, at most 256 bytes")
	} else {
		c.Username = name
	}
	if c.Key == nil {
		fault("Key", "nil", "must be set; see connection.LoadOrCreateKey")
	}
	if c.Hub == "" && c.Dial != nil {
		c.Hub = defaultInProcessHubURL
	}
	if c.LoginURL == "" {
		c.LoginURL = strings.TrimSuffix(c.Hub, "/") + "/login"
	}
	if c.AgentURL == "" {
		c.AgentURL = strings.TrimSuffix(c.Hub, "/") + "/"
	}
	if c.Hub == "" && (strings.HasPrefix(c.LoginURL, "/") || strings.HasPrefix(c.AgentURL, "/")) {
		fault("Hub", `""`, "must be the hub's URL, unless Dial, or both LoginURL and AgentURL, are set")
	} else {
		checkURL(fault, "LoginURL", c.LoginURL)
		checkURL(fault, "AgentURL", c.AgentURL)
	}
	faults = append(faults, c.fillLimits()...)
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	return c, errors.Join(faults...)
}

func checkURL(fault func(field, value, rule string), field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		fault(field, fmt.Sprintf("%.80q", text), "must be a URL with a host and no password")
		return
	}
	switch u.Scheme {
	case "http", "https", "ws", "wss":
	default:
		fault(field, fmt.Sprintf("%.80q", text), "must begin with http, https, ws or wss")
	}
}

func (c *Config) fillLimits() (faults []error) {
	fill := func(field string, value, def int64) int64 {
		if value < 0 {
			faults = append(faults, &ConfigError{Field: field, Value: fmt.Sprint(value), Rule: "must not be negative"})
		}
		if value == 0 {
			return def
		}
		return value
	}
	c.MaxSamples = int(fill("MaxSamples", int64(c.MaxSamples), DefaultMaxSamples))
	c.MemoryLimit = fill("MemoryLimit", c.MemoryLimit, DefaultMemoryLimit)
	c.QueueSamples = int(fill("QueueSamples", int64(c.QueueSamples), 100_000))
	c.QueueBytes = fill("QueueBytes", c.QueueBytes, 64<<20)
	pause := func(field string, d *time.Duration, def time.Duration) {
		*d = time.Duration(fill(field, int64(*d), int64(def)))
	}
	pause("ConnectTimeout", &c.ConnectTimeout, DefaultConnectTimeout)
	pause("RequestTimeout", &c.RequestTimeout, DefaultRequestTimeout)
	pause("RetryInitial", &c.RetryInitial, connection.DefaultRetryInitial)
	pause("RetryMax", &c.RetryMax, connection.DefaultRetryMax)
	pause("PingInterval", &c.PingInterval, DefaultPingInterval)
	pause("CloseTimeout", &c.CloseTimeout, DefaultCloseTimeout)
	return faults
}
