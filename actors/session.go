package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"go.uber.org/zap"
)

// Session is one agent's session with a hub, with the actors that run it. Its methods are safe for concurrent use.
type Session struct {
	config Config
	events *eventQueue
	names  *names
	system *actor.ActorSystem
	root   *actor.RootContext
	lane   *lane
	pool   *pool

	outbox   *connection.Outbox
	requests *connection.Requests
	inbound  *inbound

	supervisorPID, connectionPID, routerPID *actor.PID

	life       context.Context // ends when the session is closed
	end        context.CancelFunc
	goroutines sync.WaitGroup // of connections
	closing    chan struct{}  // closed when Close or Shutdown begins
	stopped    chan struct{}  // closed when router and connection are gone
	gone       chan struct{}  // closed when the last actor is: a run that does not end keeps its impulse's
	done       chan struct{}  // closed when all is over
	closed     atomic.Bool    // Close or Shutdown has begun
	closeErr   error          // set before done is closed

	counts      counts
	hubSendsVia atomic.Bool
	live        chan struct{} // closed when the session is live for the first time
	refused     chan error    // the first login that was denied

	mu       sync.Mutex
	state    State     // guarded by mu
	since    time.Time // guarded by mu
	lastErr  error     // guarded by mu
	wasLive  bool      // guarded by mu
	bindings []*Binding
	byName   map[string]*inbox // guarded by mu
	origins  map[metric.Origin]string
	final    *routerStats // guarded by mu: the router's last figures, once it is gone
	expiry   Timer        // guarded by mu
	pressed  time.Time    // guarded by mu: when a limit of memory was last reported

	echoMu sync.Mutex
	echo   router.Echo // guarded by echoMu
}

// counts are figures that goroutines of several actors add to.
type counts struct {
	missed atomic.Uint64

	messages, updates, unknown, malformed, connects, restarts, synced atomic.Uint64
}

// expireEvery is how often retention is applied to windows that nothing is appended to.
const expireEvery = time.Minute

// pressureEvery is the least pause between two events of memory limits.
const pressureEvery = time.Second

// Open connects, subscribes the impulses and returns when every window is loaded and the session is live. ctx bounds
// Open only. When it ends first, or the hub denies access or a subscription, Open undoes everything and returns an
// error that says how far it came and what it last saw; configuration and impulses are checked before anything is
// done, all faults joined. Once Open has succeeded the session never gives up by itself.
func Open(ctx context.Context, config Config, impulses ...impulse.Impulse) (*Session, error) {
	config, err := config.withDefaults()
	faults := []error{err}
	faults = append(faults, checkImpulses(config.Username, nil, impulses)...)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s := newSession(config)
	s.start()
	_, err = s.bind(ctx, impulses, s.refused)
	if err == nil {
		err = s.awaitLive(ctx)
	}
	if err != nil {
		err = s.openError(err)
		s.abort()
		return nil, err
	}
	return s, nil
}

func newSession(config Config) *Session {
	s := &Session{
		config: config, events: newEventQueue(config.Logger), names: newNames(config.Username),
		lane: newLane(), pool: newPool(), requests: connection.NewRequests(),
		closing: make(chan struct{}), stopped: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
		live: make(chan struct{}), refused: make(chan error, 1),
		since: config.Clock.Now(), byName: make(map[string]*inbox), origins: make(map[metric.Origin]string),
	}
	s.life, s.end = context.WithCancel(context.Background())
	system := config.System
	if system == nil {
		system = newSystem(config.Logger)
	}
	s.system, s.root = system.system, system.system.Root
	s.inbound = newInbound(func() { s.root.Send(s.routerPID, drain) })
	s.outbox = connection.NewOutbox(connection.OutboxConfig{
		Username: config.Username, MaxSamples: config.QueueSamples, MaxBytes: config.QueueBytes,
		Rejected: s.rejected,
		Overwrote: func(sample metric.Sample) {
			post(s.events, zap.InfoLevel, config.Events.Overwrite, Overwrite{Sample: sample})
		},
	})
	return s
}

// start spawns the supervisor, which spawns the others, and returns when they exist.
func (s *Session) start() {
	spawned := make(chan struct{})
	s.supervisorPID = s.root.SpawnPrefix(supervisorProps(s, spawned), "komstream-"+s.config.Username+"-")
	<-spawned
	s.scheduleExpiry()
}

// scheduleExpiry applies retention every now and then for as long as the session lives.
func (s *Session) scheduleExpiry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == StateClosed {
		return
	}
	s.expiry = s.config.Clock.AfterFunc(expireEvery, func() {
		s.root.Send(s.routerPID, &expireWindows{})
		s.scheduleExpiry()
	})
}

// Bind adds impulses to a live session. It returns when their subscriptions are answered and their windows loaded,
// or undoes everything: when ctx ends, when the hub denies a subscription, when a name is taken. Impulses bound
// before are not disturbed.
func (s *Session) Bind(ctx context.Context, impulses ...impulse.Impulse) (*Binding, error) {
	s.mu.Lock()
	faults := checkImpulses(s.config.Username, s.byName, impulses)
	s.mu.Unlock()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s.bind(ctx, impulses, nil)
}

// checkImpulses returns the faults of impulses that are to be bound beside those of taken.
func checkImpulses(username string, taken map[string]*inbox, impulses []impulse.Impulse) (faults []error) {
	names := make(map[string]bool)
	for _, imp := range impulses {
		faults = append(faults, imp.Check(username))
		if taken[imp.Name] != nil || names[imp.Name] {
			faults = append(faults, &impulse.InvalidError{
				Impulse: imp.Name, Field: "Name", Value: fmt.Sprintf("%q", imp.Name), Rule: "must be unique in the session",
			})
		}
		names[imp.Name] = true
	}
	return faults
}

// bind binds checked impulses. What comes on refused ends it, too.
func (s *Session) bind(ctx context.Context, impulses []impulse.Impulse, refused <-chan error) (*Binding, error) {
	b := newBinding(s, impulses)
	if err := s.remember(b); err != nil {
		return nil, err
	}
	spawned := make(chan struct{})
	s.root.Send(s.supervisorPID, &spawnImpulses{binding: b, done: spawned})
	select {
	case <-spawned:
	case <-s.stopped:
		return nil, ErrClosed
	}
	s.root.Send(s.routerPID, &bindImpulses{binding: b})
	err := b.wait(ctx, refused)
	if err == nil {
		return b, nil
	}
	// Nothing of it stays. Its impulses may have run already: those end by their context.
	b.mu.Lock()
	b.unbound = true
	b.mu.Unlock()
	b.remove()
	grace, cancel := context.WithTimeout(context.Background(), s.config.CloseTimeout)
	defer cancel()
	return nil, errors.Join(err, b.finished(grace))
}

// remember registers the names of a binding, all or none.
func (s *Session) remember(b *Binding) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == StateClosed {
		return ErrClosed
	}
	for _, box := range b.boxes {
		if s.byName[box.impulse.Name] != nil {
			return fmt.Errorf("komstream: bind: impulse %q was bound by another call meanwhile", box.impulse.Name)
		}
	}
	for _, box := range b.boxes {
		name := box.impulse.Name
		s.byName[name] = box
		s.origins[metric.OriginOf(s.config.Username, name)] = name
	}
	s.bindings = append(s.bindings, b)
	return nil
}

// forget frees the names of a binding.
func (s *Session) forget(b *Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, box := range b.boxes {
		delete(s.byName, box.impulse.Name)
	}
	for i, known := range s.bindings {
		if known == b {
			s.bindings = append(s.bindings[:i], s.bindings[i+1:]...)
			break
		}
	}
}

// awaitLive blocks until the session is live for the first time.
func (s *Session) awaitLive(ctx context.Context) error {
	select {
	case <-s.live:
		return nil
	case err := <-s.refused:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// openError says how far the session came.
func (s *Session) openError(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &OpenError{State: s.state, Last: s.lastErr, Cause: cause}
}

// Send queues samples and returns when they are queued; it blocks while the queue is full, until ctx ends. A sample
// that breaks a rule, or names another user's metric, refuses the whole call with an error that names its index,
// field and rule, and nothing is queued. Samples of one call that have the same time share a frame. What the hub
// refuses later is reported by Events.Rejected. From inside a run Send returns an error that wraps
// impulse.ErrInsideRun.
func (s *Session) Send(ctx context.Context, samples ...metric.Sample) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: send by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	return s.outbox.Send(ctx, samples)
}

// Flush blocks until everything queued before it is acknowledged or refused by the hub, or ctx ends.
func (s *Session) Flush(ctx context.Context) error {
	if name, inside := insideRun(ctx, s); inside {
		return fmt.Errorf("komstream: flush by a run of %q: %w", name, impulse.ErrInsideRun)
	}
	return s.outbox.Flush(ctx)
}

// emit hands the outputs of a run to the outbound queue as one unit. Above the queue's bound the impulse has to wait
// before its next run.
func (s *Session) emit(box *inbox, out *impulse.Outcome) {
	if !s.hubSendsVia.Load() {
		s.echoMu.Lock()
		s.echo.Sent(out.Samples, out.Via, s.config.Clock.Now())
		s.echoMu.Unlock()
	}
	var irt wire.Seq
	if !out.Irt.IsZero() {
		irt = wire.SeqOf(out.Irt)
	}
	over, err := s.outbox.Emit(out.Samples, irt, out.Via, box.unblock)
	switch {
	case err != nil:
		post(s.events, zap.WarnLevel, s.config.Events.Failed, RunFailure{Impulse: box.impulse.Name, Err: err})
	case over:
		box.block()
	}
}

// rejected passes the hub's refusal on, and forgets that the samples were ours.
func (s *Session) rejected(r connection.Rejection) {
	s.echoMu.Lock()
	for _, sample := range r.Samples {
		s.echo.Refused(sample)
	}
	s.echoMu.Unlock()
	post(s.events, zap.WarnLevel, s.config.Events.Rejected, Rejection(r))
}

// ownOrigins returns the impulses of this session that a message descends from, where the hub does not say.
func (s *Session) ownOrigins(m *impulse.Message, now metric.Ticks) []metric.Origin {
	s.echoMu.Lock()
	defer s.echoMu.Unlock()
	if s.echo.Len() == 0 {
		return nil
	}
	var via []metric.Origin
	at := now.Time()
	for _, row := range m.Rows {
		via = s.echo.AppendVia(via, s.names.uri(row.ID), m.Time, row.Value, at)
	}
	return via
}

// knownOrigins returns the names of those origins that are impulses of this session.
func (s *Session) knownOrigins(via []metric.Origin) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, origin := range via {
		if name, ok := s.origins[origin]; ok {
			names = append(names, name)
		}
	}
	return names
}

func (s *Session) useFeatures(hub wire.Features) { s.hubSendsVia.Store(hub.Has(wire.FeatureVia)) }

func (s *Session) ticks() metric.Ticks { return metric.TicksOf(s.config.Clock.Now()) }

// answers returns how many answers the hub has given, and whether samples wait for theirs.
func (s *Session) answers() (answered uint64, due bool) {
	sent := s.outbox.Stats()
	return sent.Acknowledged + sent.Refused + sent.Unavailable + s.counts.synced.Load(), sent.InFlight > 0
}

// State returns where the session stands.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// setState changes the state and reports it. After StateClosed nothing changes any more.
func (s *Session) setState(change StateChange) {
	s.mu.Lock()
	change.From = s.state
	if s.state == StateClosed || s.state == change.To {
		s.mu.Unlock()
		return
	}
	s.state, s.since = change.To, s.config.Clock.Now()
	if change.Err != nil {
		s.lastErr = change.Err
	}
	if change.To == StateLive && !s.wasLive {
		s.wasLive = true
		close(s.live)
	}
	s.mu.Unlock()
	level := zap.InfoLevel
	if change.Err != nil {
		level = zap.WarnLevel
	}
	post(s.events, level, s.config.Events.State, change)
}

// denied ends Open where the hub denies access: trying again would not change it.
func (s *Session) denied(err error) {
	select {
	case s.refused <- err:
	default:
	}
}

// restarted reports an actor of ours that failed.
func (s *Session) restarted(r Restart) {
	s.counts.restarts.Add(1)
	post(s.events, zap.ErrorLevel, s.config.Events.Restarted, r)
}

// discarded reports triggers that will never run.
func (s *Session) discarded(name string, triggers uint64) {
	post(s.events, zap.InfoLevel, s.config.Events.Discarded, Discarded{Impulse: name, Triggers: triggers})
}
