package connection

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/wire"
)

// Defaults of [DialConfig].
const (
	DefaultHandshakeTimeout = 30 * time.Second
	DefaultPingInterval     = 25 * time.Second
	DefaultSilence          = 75 * time.Second
	DefaultWriteTimeout     = 20 * time.Second
	DefaultReadLimit        = 10 << 20
	DefaultLargeReadLimit   = 128 << 20
)

// DialConfig says how to open the websocket connection of a session that is logged in.
type DialConfig struct {
	// URL is the hub's agent address: ws, wss, http or https; the latter two mean the former.
	URL string
	// Cookie is what [Login] returned.
	Cookie Cookie
	// Dial opens the network connection. Default a [net.Dialer], by way of the proxy that the environment names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is used with wss. May be nil.
	TLS *tls.Config
	// Features is what is announced to the hub. Default everything that this package understands.
	Features *Features

	// HandshakeTimeout bounds Dial. Default 30 s.
	HandshakeTimeout time.Duration
	// PingInterval is how often the hub is asked whether it lives. Default 25 s.
	PingInterval time.Duration
	// Silence is how long the hub may send nothing, not even a pong, before the connection counts as dead. The time
	// in which the handler is busy does not count. It should be several PingIntervals. Default 75 s.
	Silence time.Duration
	// WriteTimeout bounds the writing of one frame. Default 20 s.
	WriteTimeout time.Duration
	// ReadLimit is the size of a frame, in bytes, beyond which the connection is closed with code 1009. Default
	// 10 MiB.
	ReadLimit int
	// LargeReadLimit stands in for ReadLimit while history of a text metric is being answered: a page of an
	// original hub may be that large. Default 128 MiB.
	LargeReadLimit int
}

// Dial opens the connection. It does not read from it yet: call [Conn.Run]. It returns when ctx ends at the latest.
// Errors are [*DialError] but for a wrong configuration.
func Dial(ctx context.Context, config DialConfig) (*Conn, error) {
	config.setDefaults()
	address, err := websocketURL(config.URL)
	if err != nil {
		return nil, err
	}
	header := http.Header{wire.FeaturesHeader: {config.Features.String()}}
	if !config.Cookie.IsZero() {
		header.Set("Cookie", config.Cookie.pair)
	}
	ctx, cancel := context.WithTimeout(ctx, config.HandshakeTimeout)
	defer cancel()
	guard := &dialGuard{dial: config.Dial}
	dialer := websocket.Dialer{
		NetDialContext: guard.open,
		// Large reads, since notifications come in bulk; writes are small, and what is larger is fragmented.
		ReadBufferSize:  readBuffer,
		WriteBufferSize: 16 << 10,
	}
	if config.TLS != nil {
		// A configuration shared with an HTTP client may offer HTTP/2, over which there is no handshake.
		dialer.TLSClientConfig = config.TLS.Clone()
		dialer.TLSClientConfig.NextProtos = nil
	}
	if config.Dial == nil {
		dialer.Proxy = http.ProxyFromEnvironment
	}
	ws, response, err := dialer.DialContext(ctx, address, header) //nolint:bodyclose // the library has read and closed it
	if cause := guard.release(); cause != nil {
		if ws != nil {
			_ = ws.Close()
		}
		return nil, &DialError{Reason: lateHandshake, Err: cause}
	}
	if err != nil {
		return nil, dialError(response, err)
	}
	return newConn(ws, wire.ParseFeatures(response.Header.Get(wire.FeaturesHeader)), config), nil
}

func (c *DialConfig) setDefaults() {
	if c.Features == nil {
		own := wire.OwnFeatures()
		c.Features = &own
	}
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&c.HandshakeTimeout, DefaultHandshakeTimeout},
		{&c.PingInterval, DefaultPingInterval},
		{&c.Silence, DefaultSilence},
		{&c.WriteTimeout, DefaultWriteTimeout},
	} {
		if *d.field <= 0 {
			*d.field = d.standard
		}
	}
	if c.ReadLimit <= 0 {
		c.ReadLimit = DefaultReadLimit
	}
	if c.LargeReadLimit <= 0 {
		c.LargeReadLimit = DefaultLargeReadLimit
	}
}

func websocketURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("connection: agent URL %.200q must be ws://HOST/PATH or wss://HOST/PATH, without a user",
			text)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("connection: agent URL %.200q must have the scheme ws, wss, http or https", text)
	}
	u.Fragment = ""
	return u.String(), nil
}

// dialGuard makes the end of a context break off the handshake, which the websocket library bounds by the context's
// deadline only. It is used by one goroutine.
type dialGuard struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	ctx  context.Context
	stop func() bool
}

func (g *dialGuard) open(ctx context.Context, network, address string) (net.Conn, error) {
	dial := g.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err == nil {
		g.ctx = ctx
		g.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}

// release ends the guard. It returns why the connection was closed by it, or nil.
func (g *dialGuard) release() error {
	if g.stop == nil || g.stop() {
		return nil
	}
	return context.Cause(g.ctx)
}

const lateHandshake = "handshake did not end in time"

func dialError(response *http.Response, err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return &DialError{Reason: lateHandshake, Err: err}
	case response == nil:
		return &DialError{Reason: "no connection", Err: err}
	case !errors.Is(err, websocket.ErrBadHandshake):
		return &DialError{Status: response.StatusCode, Reason: "handshake failed", Err: err}
	case response.StatusCode/100 == 3:
		return &DialError{Status: response.StatusCode, Reason: fmt.Sprintf(
			"answer redirects to %.200q: the agent URL must be the hub's own", response.Header.Get("Location"))}
	}
	return &DialError{Status: response.StatusCode,
		Reason: fmt.Sprintf("answer %.80q is no websocket handshake: is this the agent URL of a hub?", response.Status)}
}
