package hub

import (
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/store"
)

// Config describes a hub. The zero value of each field means its default.
type Config struct {
	// Dir is the directory of the hub's data, made with mode 0700 when it does not exist. One process at a time may
	// use it. Required unless MemoryStore is set.
	Dir string
	// MemoryStore keeps everything in memory; all is gone when the hub closes.
	MemoryStore bool
	// Listen are TCP addresses to serve agents on by plain HTTP, "127.0.0.1:4480"; port 0 takes a free one. Default:
	// none, the hub is reached with [Hub.DialContext] and [Hub.Agents] only.
	Listen []string
	// ListenTLS are TCP addresses to serve agents on by HTTPS. They need CertFile and KeyFile, or ACMEHosts.
	ListenTLS []string
	// CertFile and KeyFile are PEM files with the certificate (chain) and its key. New ones are used within seconds.
	CertFile, KeyFile string
	// ACMEHosts are the names for which certificates are fetched and renewed automatically (ACME: Let's Encrypt), whose
	// terms of service are thereby accepted. They are kept in Dir. The authority must reach the hub on port 443 by
	// ListenTLS, or on port 80 by Listen.
	ACMEHosts []string
	// ACMEEmail is where the authority writes about problems with the certificates. May be empty.
	ACMEEmail string
	// ACMEURL is the authority's directory. Default Let's Encrypt.
	ACMEURL string
	// TrustedProxies are addresses and networks ("10.0.0.0/8") of proxies in front of the hub. Only from them are
	// believed X-Forwarded-For, X-Forwarded-Proto and X-Request-Id. Default: none.
	TrustedProxies []string
	// CookieDomain is the domain that the login cookie is sent to, for hubs that serve login and websocket under
	// different names of it: "example.org". It is left out on plain http, on addresses and on other names. Default:
	// none, the cookie belongs to the host alone.
	CookieDomain string

	// PublicURL is where agents reach the hub when that is not what it listens on, behind a proxy say:
	// "https://hub.example.org". With https the cookie is marked Secure, and a websocket's Origin must match it.
	PublicURL string
	// Logger gets events of the hub. It is never given a key, a cookie or a sample. Default: none.
	Logger *zap.Logger

	// CookieLife is how long a login is good for. Default 6 days.
	CookieLife time.Duration
	// OrphanLife is how long the hooks of a session outlive its last socket. Default 900 s.
	OrphanLife time.Duration
	// LogLife and LogBytes bound each user's arrival log. Default 24 h and 1 GiB.
	LogLife  time.Duration
	LogBytes int64
	// PushBytes bounds the notifications that wait for one socket. Default 1 MiB.
	PushBytes int
	// WriteTimeout is how long a write may take, for each begun 64 KiB, before the socket is closed. Default 30 s.
	WriteTimeout time.Duration
	// PingInterval is how often a silent socket is asked for a sign of life; after three without one it is closed.
	// Default 30 s.
	PingInterval time.Duration
	// HandshakeTimeout is how long the head of a login or handshake may take to arrive, and its body twice as long.
	// Default 10 s.
	HandshakeTimeout time.Duration
	// LoginRate is how many challenges a second one address gets on average, with bursts of ten times as many, and
	// UserLoginRate how many one user gets. Above either, an unused challenge is given again, and where there is none,
	// 429 with the time to wait. Defaults 50 and 50.
	LoginRate, UserLoginRate float64

	now   func() time.Time // tests replace the clock of logins and sessions
	store store.Store      // tests replace the store
	bus   bus.Bus          // tests join hubs
}

const (
	readLimit       = 10 << 20  // bytes of a frame from an agent
	answerBytes     = 1 << 20   // answers and pages waiting for one socket before its requests are read no further
	flightRequests  = 1024      // requests of one socket that wait for the sync
	flightBytes     = 4 << 20   // and their frames
	pageBytes       = 1 << 20   // of one page of history
	readBudget      = 256 << 20 // bytes of frames being read, over all sockets
	challengeLife   = 60 * time.Second
	reservationLife = time.Minute // a type named by a deletion refuses others
	seenLife        = 7 * 24 * time.Hour
)

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" && !c.MemoryStore {
		return c, errors.New("hub: Config.Dir must name a directory, or Config.MemoryStore be set")
	}
	if c.Dir != "" && c.MemoryStore {
		return c, fmt.Errorf("hub: Config.Dir %q must be empty with Config.MemoryStore", c.Dir)
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return c, fmt.Errorf("hub: Config.PublicURL %q must be an http or https URL with a host", c.PublicURL)
		}
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.now == nil {
		c.now = time.Now
	}
	for _, d := range []struct {
		field *time.Duration
		name  string
		value time.Duration
	}{
		{&c.CookieLife, "CookieLife", 6 * 24 * time.Hour}, {&c.OrphanLife, "OrphanLife", 900 * time.Second},
		{&c.LogLife, "LogLife", 24 * time.Hour}, {&c.WriteTimeout, "WriteTimeout", 30 * time.Second},
		{&c.PingInterval, "PingInterval", 30 * time.Second}, {&c.HandshakeTimeout, "HandshakeTimeout", 10 * time.Second},
	} {
		if *d.field < 0 {
			return c, fmt.Errorf("hub: Config.%s %v must be positive", d.name, *d.field)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.LogBytes < 0 || c.PushBytes < 0 || c.LoginRate < 0 || c.UserLoginRate < 0 {
		return c, errors.New("hub: Config.LogBytes, PushBytes, LoginRate and UserLoginRate must be positive")
	}
	if c.LogBytes == 0 {
		c.LogBytes = 1 << 30
	}
	if c.PushBytes == 0 {
		c.PushBytes = 1 << 20
	}
	if c.LoginRate == 0 {
		c.LoginRate = 50
	}
	if c.UserLoginRate == 0 {
		c.UserLoginRate = 50
	}
	return c, nil
}

// rsaAtOnce is how many logins may compute at the same time: strangers must not take all cores.
func rsaAtOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }
