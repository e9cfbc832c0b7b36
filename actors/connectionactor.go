package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
	"go.uber.org/zap"
)

// connectionActor keeps a session connected: it logs in, dials, subscribes and refills, and after a loss does so
// again, after a pause that grows. What it must not lose stands in its book, which outlives it.
type connectionActor struct {
	s    *Session
	book *book
}

// book is what the connection actor knows. Only its turns touch it.
type book struct {
	started bool // an incarnation has started before
	closing bool
	epoch   int // grows with every connection and every loss: what is reported of an earlier one is ignored
	retry   *connection.Retry
	cookie  connection.Cookie
	link    *link // nil while there is none
	subs    map[window.ID]*subscribed
	syncing int   // metrics whose answers are awaited
	watch   Timer // of the watchdog
	seen    uint64
}

// subscribed is a metric that impulses use.
type subscribed struct {
	id      window.ID
	uri     metric.URI
	past    window.Past
	syncing bool
	again   bool // something changed while syncing: sync once more
	loaded  bool // over the present connection, with this past
	denials int  // refusals in a row
	waiting []*Binding
}

func newBook(config Config) *book {
	retry := connection.NewRetry(connection.RetryConfig{Initial: config.RetryInitial, Max: config.RetryMax})
	return &book{retry: retry, subs: make(map[window.ID]*subscribed)}
}

// deniedFirst and deniedMost bound the pause before a refused subscription is tried again.
const (
	deniedFirst = time.Second
	deniedMost  = time.Minute
)

// errNoAnswer is why a connection is dropped whose hub answers pings and nothing else.
var errNoAnswer = errors.New("komstream: hub has not answered a request in time")

func connectionProps(s *Session, b *book) *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return &connectionActor{s: s, book: b} },
		actor.WithMailbox(newMailbox),
	)
}

// Receive implements actor.Actor.
func (a *connectionActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.start()
	case *authenticating:
		if m.epoch == a.book.epoch {
			a.s.setState(StateChange{To: StateAuthenticating})
		}
	case *connected:
		a.connected(c, m)
	case *connectFailed:
		a.lost(m.epoch, m.err)
	case *connectionLost:
		a.lost(m.epoch, m.err)
	case *retryConnect:
		if m.epoch == a.book.epoch {
			a.connect()
		}
	case *wantWindows:
		a.want(c, m)
	case *dropWindows:
		a.drop(m)
	case *resyncWindows:
		a.resync(m)
	case *missedWindows:
		// Behind what this actor has said of these windows before, which must not release their impulses.
		c.Send(a.s.routerPID, &holdWindows{ids: m.ids, held: m.held})
		a.resync(&resyncWindows{ids: m.ids})
	case *synced:
		a.synced(c, m)
	case *retrySync:
		if sub := a.book.subs[m.id]; m.epoch == a.book.epoch && sub != nil {
			a.sync(sub)
		}
	case *checkProgress:
		a.checkProgress(m.epoch)
	case *closeConnection:
		a.close(m)
	case *failConnection:
		panic(m.reason)
	}
}

// start connects again after a restart. The live connection is given up first: what it was doing is not known. The
// first incarnation is told to connect once its PID is known, to which the goroutine that connects reports.
func (a *connectionActor) start() {
	b := a.book
	if !b.started {
		b.started = true
		return
	}
	if l := b.link; l != nil {
		l.cancel(errors.New("komstream: connection actor restarted"))
		if l.running {
			return // it reports its loss when it has ended: before that there must not be another
		}
		_ = l.conn.Close()
		b.link = nil
	}
	a.connect()
}

// connect starts the next try.
func (a *connectionActor) connect() {
	b := a.book
	if b.closing {
		return
	}
	b.epoch++
	a.s.setState(StateChange{To: StateConnecting})
	a.s.goroutines.Add(1)
	go a.s.open(a.s.life, b.epoch, b.cookie)
}

// connected takes a new connection over: it starts reading, has the windows held, and subscribes everything.
func (a *connectionActor) connected(c actor.Context, m *connected) {
	b := a.book
	if m.epoch != b.epoch || b.closing {
		m.link.cancel(nil)
		_ = m.link.conn.Close()
		return
	}
	b.link, b.cookie = m.link, m.link.cookie
	b.retry.Connected(a.s.config.Clock.Now())
	a.s.counts.connects.Add(1)
	a.s.useFeatures(m.link.conn.Features())
	a.s.setState(StateChange{To: StateSyncing})
	a.s.inbound.turnPage()
	c.Send(a.s.routerPID, &reloading{})
	a.s.goroutines.Add(1)
	m.link.running = true
	go a.s.run(b.epoch, m.link)
	for _, sub := range b.subs {
		a.sync(sub)
	}
	a.watch()
	a.checkLive()
}

// lost ends a connection, or a try, and sets the time of the next.
func (a *connectionActor) lost(epoch int, err error) {
	b := a.book
	if epoch != b.epoch {
		return
	}
	b.epoch++
	if b.link != nil {
		b.link.cancel(err)
		b.link = nil
	}
	for _, sub := range b.subs {
		sub.syncing, sub.again, sub.loaded = false, false, false
	}
	b.syncing = 0
	if errors.Is(err, connection.ErrAccessDenied) {
		b.cookie = connection.Cookie{}
		a.s.denied(err)
	}
	if b.closing {
		return
	}
	pause := b.retry.Failed(a.s.config.Clock.Now())
	if first := pause < time.Second; first && leaving(err) {
		pause /= 8 // the next process takes over; the jitter still spreads ten thousand agents over some time
	}
	a.s.setState(StateChange{To: StateWaiting, Err: err, RetryIn: pause})
	a.after(pause, &retryConnect{epoch: b.epoch})
}

// leaving reports whether the hub has said that it goes away in order, 1001 or 1012, and not that something is wrong.
func leaving(err error) bool {
	var closed *connection.CloseError
	return errors.As(err, &closed) && (closed.Code == 1001 || closed.Code == 1012)
}

// after sends the actor a message later, if the session still lives then.
func (a *connectionActor) after(pause time.Duration, message any) Timer {
	s := a.s
	return s.config.Clock.AfterFunc(pause, func() {
		if s.life.Err() == nil {
			s.root.Send(s.connectionPID, message)
		}
	})
}

// want notes what a binding needs and asks the hub for what is not there yet.
func (a *connectionActor) want(c actor.Context, m *wantWindows) {
	for id, past := range m.pasts {
		sub := a.book.subs[id]
		if sub == nil {
			sub = &subscribed{id: id, uri: a.s.names.uri(id), past: past}
			a.book.subs[id] = sub
		}
		wider := sub.past.Max(past)
		if sub.loaded && sub.denials == 0 && wider == sub.past {
			c.Send(a.s.routerPID, &windowLoaded{id: id, waiting: []*Binding{m.binding}})
			continue
		}
		sub.past = wider
		sub.waiting = append(sub.waiting, m.binding)
		a.sync(sub)
	}
}

// drop forgets metrics that nobody uses and withdraws their subscriptions.
func (a *connectionActor) drop(m *dropWindows) {
	for _, id := range m.ids {
		sub := a.book.subs[id]
		if sub == nil {
			continue
		}
		delete(a.book.subs, id)
		if sub.syncing {
			a.book.syncing--
		}
		if l := a.book.link; l != nil {
			// Best effort: the hub forgets the hooks of a session that is gone, and pushes for unknown metrics are
			// counted and passed over.
			a.s.requests.Unhook(l.ctx, sub.uri, func(error) {})
		}
	}
	a.checkLive()
}

// resync reads windows again that were made anew or lack something.
func (a *connectionActor) resync(m *resyncWindows) {
	for _, id := range m.ids {
		if sub := a.book.subs[id]; sub != nil {
			sub.loaded = false
			a.sync(sub)
		}
	}
	if a.book.syncing > 0 && a.s.State() == StateLive {
		a.s.setState(StateChange{To: StateSyncing})
	}
}

// sync asks the hub for one metric, if there is a connection; otherwise the next connection does.
func (a *connectionActor) sync(sub *subscribed) {
	l := a.book.link
	if l == nil {
		return
	}
	if sub.syncing {
		sub.again = true
		return
	}
	sub.syncing = true
	a.book.syncing++
	s, epoch, id := a.s, a.book.epoch, sub.id
	// Whatever the reason to read it: at start, by a wider Bind, again after a denial, the answer must not take the
	// place of what comes after the hub gave it.
	s.root.Send(s.routerPID, &startRefill{id: id})
	s.sync(l.ctx, sub.uri, sub.past, func(result syncResult) {
		s.root.Send(s.connectionPID, &synced{epoch: epoch, id: id, result: result})
	})
}

// synced takes the hub's answer for one metric.
func (a *connectionActor) synced(c actor.Context, m *synced) {
	sub := a.book.subs[m.id]
	if m.epoch != a.book.epoch || sub == nil || !sub.syncing {
		return // of a connection that is gone, or nobody wants it any more
	}
	sub.syncing = false
	a.book.syncing--
	a.s.counts.synced.Add(1)
	err := m.result.err
	switch {
	case sub.again:
		sub.again = false
		a.sync(sub)
	case err == nil:
		sub.loaded, sub.denials = true, 0
		c.Send(a.s.routerPID, &windowLoaded{id: m.id, refill: true, rows: m.result.rows, waiting: sub.takeWaiting()})
	case errors.Is(err, connection.ErrUnavailable):
		// The hub cannot read its storage now: nothing is known, so whoever waits goes on waiting.
		a.book.syncing++ // it still stands between the session and Live
		sub.syncing = true
		a.retryUnavailable(sub)
	case errors.Is(err, connection.ErrDisconnected), errors.Is(err, connection.ErrClosed), a.book.link.ctx.Err() != nil:
		return // the loss itself is reported by the reader
	default:
		a.denied(c, sub, err)
	}
	a.checkLive()
}

// retryUnavailable asks again after a pause, as if the first request were still under way.
func (a *connectionActor) retryUnavailable(sub *subscribed) {
	s, epoch, id := a.s, a.book.epoch, sub.id
	l, uri, past := a.book.link, sub.uri, sub.past
	s.config.Clock.AfterFunc(deniedFirst, func() {
		s.sync(l.ctx, uri, past, func(result syncResult) {
			s.root.Send(s.connectionPID, &synced{epoch: epoch, id: id, result: result})
		})
	})
}

// denied tells those who wait for a metric that the hub refuses it. Impulses that have it already go on with what
// they have, and the subscription is tried again.
func (a *connectionActor) denied(c actor.Context, sub *subscribed, err error) {
	waiting := sub.takeWaiting()
	for _, binding := range waiting {
		binding.fail(err)
	}
	pause := min(deniedFirst<<min(sub.denials, 10), deniedMost)
	sub.denials++
	sub.loaded = true
	c.Send(a.s.routerPID, &windowLoaded{id: sub.id})
	if len(waiting) == 0 {
		post(a.s.events, zap.WarnLevel, a.s.config.Events.HookDenied, HookDenied{URI: sub.uri, Err: err, RetryIn: pause})
	}
	a.after(pause, &retrySync{epoch: a.book.epoch, id: sub.id})
}

func (sub *subscribed) takeWaiting() []*Binding {
	waiting := sub.waiting
	sub.waiting = nil
	return waiting
}

// checkLive makes a session live whose last window has been asked for and answered.
func (a *connectionActor) checkLive() {
	if a.book.link != nil && a.book.syncing == 0 && a.s.State() == StateSyncing {
		a.s.setState(StateChange{To: StateLive})
	}
}

// watch looks after a while whether the hub answers at all.
func (a *connectionActor) watch() {
	if a.book.watch != nil {
		a.book.watch.Stop()
	}
	a.book.watch = a.after(a.s.config.RequestTimeout, &checkProgress{epoch: a.book.epoch})
}

// checkProgress drops a connection on which something is asked and nothing was answered since the last look.
func (a *connectionActor) checkProgress(epoch int) {
	b := a.book
	if epoch != b.epoch || b.link == nil {
		return
	}
	answered, due := a.s.answers()
	if (due || b.syncing > 0) && answered == b.seen {
		b.link.cancel(fmt.Errorf("%w (%s)", errNoAnswer, a.s.config.RequestTimeout))
		return // the reader reports the loss
	}
	b.seen = answered
	a.watch()
}

// close ends the connection for good.
func (a *connectionActor) close(m *closeConnection) {
	b := a.book
	b.closing = true
	if b.watch != nil {
		b.watch.Stop()
	}
	if b.link != nil {
		b.link.cancel(connection.ErrClosed)
	}
	close(m.done)
}
