package komstream

import (
	"context"
	"crypto/tls"
	"iter"
	"net"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"go.uber.org/zap"
)

// Config says where a session connects, as whom, and within which limits. Hub (or Dial), Username and Key are
// required; the zero value of every other field is its default. Open checks all of it and names every fault.
type Config struct {
	// Hub is the base URL of the hub, "https://hub.example.org": the login is at /login, the websocket at /.
	// http, https, ws and wss are understood. Default with Dial set: "http://localhost".
	Hub string
	// LoginURL and AgentURL override Hub where the two live apart.
	LoginURL, AgentURL string
	// Username is the user's name; case does not matter.
	Username string
	// Key is the agent's RSA key, authorised at the hub beforehand. See [connection.LoadOrCreateKey].
	Key *connection.Key

	// Dial opens the network connections of login and websocket: hub.Hub.DialContext for the hub of the same
	// process, a proxy, a test. Default: a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS configures https and wss. Default: the system's roots.
	TLS *tls.Config
	// Logger receives what happens, one line each. Default: nothing is logged.
	Logger *zap.Logger
	// Events are optional callbacks for the same, with their data.
	Events Events
	// Clock drives retention, throttles, breakers and the backoff between connections; the wait after a hub that has
	// no storage (4503) and the deadlines of sockets go by the system's. Default: the system's clock.
	Clock Clock
	// System is the actor system to live in, from actors.WithSystem. Default: one of the session's own (about 3 MB).
	System *actors.System

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
	// RequestTimeout is how long the hub may leave everything unanswered before the connection counts as broken.
	// Default 60 s.
	RequestTimeout time.Duration
	// RetryInitial and RetryMax bound the pause before the next try after a loss: it starts at RetryInitial, doubles
	// with each failure up to RetryMax, and varies by half of itself either way. Defaults 500 ms and 20 s.
	RetryInitial, RetryMax time.Duration
	// PingInterval is the pause between pings; a hub silent for three of them is gone. Default 10 s.
	PingInterval time.Duration
	// CloseTimeout bounds Close. Default 5 s.
	CloseTimeout time.Duration
}

// What a session tells and takes, by the package that defines it.
type (
	// Events are the optional callbacks of a session: see [actors.Events].
	Events = actors.Events
	// Clock and Timer are time that tests and replays bring along: see [actors.Clock].
	Clock = actors.Clock
	// Timer is what a Clock returns.
	Timer = actors.Timer
	// State is where a session stands: see [actors.State].
	State = actors.State
	// Stats are the figures of a session: see [actors.Stats].
	Stats = actors.Stats
	// ImpulseStats are the figures of one impulse: see [actors.ImpulseStats].
	ImpulseStats = actors.ImpulseStats
	// Range says which samples History reads: see [actors.Range].
	Range = actors.Range

	// ConfigError names a field of Config that cannot be used.
	ConfigError = actors.ConfigError
	// OpenError says how far Open came and what it last saw.
	OpenError = actors.OpenError
	// ShutdownError says what Close or Shutdown had to leave behind.
	ShutdownError = actors.ShutdownError
)

// The states of a session; [actors.State] draws how they follow each other.
const (
	StateConnecting     = actors.StateConnecting
	StateAuthenticating = actors.StateAuthenticating
	StateSyncing        = actors.StateSyncing
	StateLive           = actors.StateLive
	StateWaiting        = actors.StateWaiting
	StateClosed         = actors.StateClosed
)

// Errors that a caller may branch on.
var (
	// ErrClosed is returned by every call on a session that has been closed.
	ErrClosed = actors.ErrClosed
	// ErrAccessDenied is matched by the error of Open when the hub does not let the agent in.
	ErrAccessDenied = connection.ErrAccessDenied
	// ErrNotFound is matched by the error of History and Delete when there is no such metric.
	ErrNotFound = connection.ErrNotFound
	// ErrUnsupported is matched by the error of a call that needs what this hub does not offer.
	ErrUnsupported = connection.ErrUnsupported
	// ErrInsideRun is matched by the error of Send, Flush, Close and the like when an impulse's function calls them.
	ErrInsideRun = impulse.ErrInsideRun
)

// Session is one agent's session with a hub. Its methods are safe for concurrent use.
type Session struct{ s *actors.Session }

// Open connects, subscribes the impulses, loads their windows, and returns when the session is live. ctx bounds Open
// only. When it ends first, or the hub denies access or a subscription, Open undoes everything and returns an
// [*OpenError] that says how far it came and what it last saw. Configuration and impulses are checked before
// anything is done, all faults joined. Once Open has succeeded the session never gives up by itself: after any loss
// it connects anew, with growing pauses, subscribes, reads what its windows missed, and sends what was not
// acknowledged.
func Open(ctx context.Context, config Config, impulses ...impulse.Impulse) (*Session, error) {
	s, err := actors.Open(ctx, actors.Config(config), impulses...)
	if err != nil {
		return nil, err
	}
	return &Session{s}, nil
}

// Send queues samples of the user's own metrics and returns when they are queued; while the queue is full it blocks,
// until ctx ends. A sample that breaks a rule, or names another user's metric, refuses the whole call with an error
// that names its index, field and rule, and none is queued. Samples of one call that have the same time share a
// message, and are stored together or not at all. Delivery is at least once; what the hub refuses is reported by
// Events.Rejected. A hub of another kind notifies its subscribers twice of what had to be sent twice, and may
// overwrite what another session wrote meanwhile.
func (s *Session) Send(ctx context.Context, samples ...metric.Sample) error {
	return s.s.Send(ctx, samples...)
}

// Flush blocks until the hub has acknowledged or refused everything that was queued before, or ctx ends.
func (s *Session) Flush(ctx context.Context) error { return s.s.Flush(ctx) }

// History reads the samples of a metric from the hub, the user's own or shared by another, newest first. They are
// asked for page by page while the loop goes on, so that any range is read in bounded memory. An error comes as the
// last pair and ends it: see [actors.Session.History].
func (s *Session) History(ctx context.Context, uri metric.URI, r Range) iter.Seq2[metric.Sample, error] {
	return s.s.History(ctx, uri, r)
}

// Delete deletes one of the user's own metrics with all its samples, which is how its kind is changed; next names
// the kind that may take its place, 0 leaves it open. See [actors.Session.Delete].
func (s *Session) Delete(ctx context.Context, uri metric.URI, next metric.Kind) error {
	return s.s.Delete(ctx, uri, next)
}

// Bind adds impulses to the session. It returns when their subscriptions are answered and their windows loaded, or
// undoes everything and returns an error that names the metric and the hub's code. Impulses bound before are not
// disturbed.
func (s *Session) Bind(ctx context.Context, impulses ...impulse.Impulse) (*Binding, error) {
	b, err := s.s.Bind(ctx, impulses...)
	if err != nil {
		return nil, err
	}
	return &Binding{b}, nil
}

// State returns where the session stands. Events.State reports every change.
func (s *Session) State() State { return s.s.State() }

// Stats returns the session's figures, taken at one moment.
func (s *Session) Stats() Stats { return s.s.Stats() }

// Done returns a channel that is closed when the session is closed.
func (s *Session) Done() <-chan struct{} { return s.s.Done() }

// Err returns nil while the session is open, and then [ErrClosed], joined with what Close returned.
func (s *Session) Err() error { return s.s.Err() }

// Wait blocks until the session is closed, and returns what Close returned, or until ctx ends, and returns its cause.
func (s *Session) Wait(ctx context.Context) error { return s.s.Wait(ctx) }

// Close is Shutdown with Config.CloseTimeout: it flushes whatever other contexts have ended. Safe to call twice.
func (s *Session) Close() error { return s.s.Close() }

// Shutdown ends the session in order: no more samples are taken, no more runs begin, running ones are waited for,
// everything queued is sent until it is acknowledged, the socket is closed, the actors stop. ctx bounds the waiting;
// what it cuts short is told by a [*ShutdownError] that holds the samples not acknowledged. Safe to call twice.
func (s *Session) Shutdown(ctx context.Context) error { return s.s.Shutdown(ctx) }

// Actors returns the actors behind the session, for what package actors offers: samples and updates by message.
func (s *Session) Actors() *actors.Session { return s.s }

// Binding is a set of impulses that one Bind has added. Its methods are safe for concurrent use.
type Binding struct{ b *actors.Binding }

// Unbind takes the impulses out of the session and returns when none of their functions runs any more, or when ctx
// ends, with an error that names those still running. What waits is discarded and counted. Windows that no other
// impulse uses go with them. Unbinding again is no error.
func (b *Binding) Unbind(ctx context.Context) error { return b.b.Unbind(ctx) }

// Stats returns the figures of the binding's impulses, in the order they were given. After Unbind they are final.
func (b *Binding) Stats() []ImpulseStats { return b.b.Stats() }
