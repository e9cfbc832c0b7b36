package actors

import (
	"context"
	"slices"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
	"go.uber.org/zap"
)

// link is one live connection, from the handshake to the loss.
type link struct {
	conn   *connection.Conn
	cookie connection.Cookie
	ctx    context.Context
	cancel context.CancelCauseFunc

	running bool // its goroutine will report its loss; only the connection actor's turns touch it
}

// open logs in, if there is no cookie, and opens the websocket. It reports to the connection actor.
func (s *Session) open(ctx context.Context, epoch int, cookie connection.Cookie) {
	defer s.goroutines.Done()
	linkCtx, cancelLink := context.WithCancelCause(ctx)
	ctx, cancel := context.WithTimeout(ctx, s.config.ConnectTimeout)
	defer cancel()
	l, err := s.dial(ctx, epoch, cookie)
	if err != nil {
		cancelLink(nil)
		s.root.Send(s.connectionPID, &connectFailed{epoch: epoch, err: err})
		return
	}
	l.ctx, l.cancel = linkCtx, cancelLink
	s.root.Send(s.connectionPID, &connected{epoch: epoch, link: l})
}

func (s *Session) dial(ctx context.Context, epoch int, cookie connection.Cookie) (*link, error) {
	if cookie.IsZero() {
		s.root.Send(s.connectionPID, &authenticating{epoch: epoch})
		var err error
		cookie, err = connection.Login(ctx, connection.LoginConfig{
			URL: s.config.LoginURL, Username: s.config.Username, Key: s.config.Key,
			Dial: s.config.Dial, TLS: s.config.TLS, Timeout: s.config.ConnectTimeout,
		})
		if err != nil {
			return nil, err
		}
	}
	conn, err := connection.Dial(ctx, connection.DialConfig{
		URL: s.config.AgentURL, Cookie: cookie, Dial: s.config.Dial, TLS: s.config.TLS,
		HandshakeTimeout: s.config.ConnectTimeout,
		PingInterval:     s.config.PingInterval, Silence: 3 * s.config.PingInterval,
	})
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, cookie: cookie}, nil
}

// run reads and writes until the connection is lost, and reports why.
func (s *Session) run(epoch int, l *link) {
	defer s.goroutines.Done()
	err := l.conn.Run(l.ctx, &reader{s: s, ctx: l.ctx}, s.requests, s.outbox)
	s.root.Send(s.connectionPID, &connectionLost{epoch: epoch, err: err})
}

// reader turns what the hub pushes into messages for the router, on the goroutine that reads the socket.
type reader struct {
	s      *Session
	ctx    context.Context
	values []metric.Value // reused
}

// Notification implements connection.Handler. It blocks while the router is behind.
func (r *reader) Notification(n *wire.Notification, seq wire.Seq) {
	r.values = n.Values(r.values[:0])
	rows := make([]impulse.Row, len(n.Items))
	known := r.s.names.resolve(n.Items, r.values, rows)
	clear(r.values)
	if unknown := len(n.Items) - known; unknown > 0 {
		r.s.counts.unknown.Add(uint64(unknown))
	}
	if known == 0 {
		return
	}
	m := &impulse.Message{Time: n.Time, Via: slices.Clone(n.Via), Pos: n.Pos, Rows: rows[:known]}
	m.Seq, _ = seq.TimeUUID()
	// The only error is the end of the connection: the message is read again with the history.
	_ = r.s.inbound.put(r.ctx, m)
}

// Response implements connection.Handler: an answer to nothing we asked is ignored.
func (r *reader) Response(*wire.Response, wire.Seq) {}

// Interval implements connection.Handler: history that nobody asked for, or waits for any more, is ignored.
func (r *reader) Interval(*wire.Interval, wire.Seq) {}

// Missed implements connection.Handler. It blocks until the impulses concerned are held, so that nothing that is read
// from now on triggers them before their windows are whole again.
func (r *reader) Missed(all []connection.Missed) {
	var ids []window.ID
	e := Missed{Metrics: len(all)}
	for i := range all {
		e.Samples += all[i].Count
		if id, known := r.s.names.find(all[i].URI); known {
			ids = append(ids, id)
		}
	}
	r.s.counts.missed.Add(e.Samples)
	post(r.s.events, zap.WarnLevel, r.s.config.Events.Missed, e)
	if len(ids) == 0 {
		return
	}
	held := make(chan struct{})
	r.s.root.Send(r.s.connectionPID, &missedWindows{ids: ids, held: held})
	select {
	case <-held:
	case <-r.ctx.Done(): // everything is read again over the next connection
	}
}

// Malformed implements connection.Handler.
func (r *reader) Malformed(err error) {
	r.s.counts.malformed.Add(1)
	post(r.s.events, zap.WarnLevel, r.s.config.Events.Malformed, Malformed{Err: err})
}
