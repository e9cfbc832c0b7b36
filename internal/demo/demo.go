package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/check"
	"github.com/komstream/komstream/internal/machine"
	"github.com/komstream/komstream/metric"
)

// Config says how the demo runs. The zero value is as good as any.
type Config struct {
	// Dir keeps the hub's data, in the folder hub, and the users' keys. Default: a temporary directory, removed at
	// the end.
	Dir string
	// Interval is the time between two readings of the machine. Default 1 s.
	Interval time.Duration
	// Chaos cuts the users' connections now and then.
	Chaos bool
	// Seed decides when. Default: another one each time; [Demo.Seed] tells it.
	Seed uint64
	// CutAfter is how long a connection lasts under Chaos: between this and twice as long. Default 2 s.
	CutAfter time.Duration
	// Progress is told what happens, one line at a time, from several goroutines. Default: nobody.
	Progress func(text string)

	keys []*connection.Key // tests bring theirs
}

// The users.
const (
	alice = "alice"
	bob   = "bob"
)

// Demo is a demo that runs. Make it with [Start].
type Demo struct {
	config  Config
	started time.Time
	dir     string // to be removed, or ""
	hub     *hub.Hub
	chaos   *chaos // nil without Chaos
	users   [2]*user

	stop    context.CancelFunc // ends the readings
	reading sync.WaitGroup
	refused atomicCount // writes to another user's metrics that a session refused
	display display
}

// user is one user of the demo.
type user struct {
	name    string
	checker *check.Checker
	session *komstream.Session
	sent    atomicCount // samples given to Send
}

// Start starts the demo: when it returns, both users are connected and the first reading is on its way. ctx bounds the
// start only. [Demo.Finish] ends it.
func Start(ctx context.Context, c Config) (_ *Demo, err error) {
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	if c.CutAfter <= 0 {
		c.CutAfter = 2 * time.Second
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	d := &Demo{config: c, started: time.Now(), stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "komstream-demo-"); err != nil {
			return nil, err
		}
		d.dir = dir
	}
	if c.Chaos {
		d.chaos = newChaos(c.Seed, c.CutAfter)
	}
	keys, err := d.prepare(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := d.connect(ctx, keys); err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.reading.Go(func() { d.read(life) })
	d.reading.Go(func() { d.trespass(life) })
	return d, nil
}

// prepare makes the keys, which takes seconds, and starts the hub meanwhile.
func (d *Demo) prepare(ctx context.Context, dir string) ([]*connection.Key, error) {
	keys := d.config.keys
	var making sync.WaitGroup
	faults := make([]error, 2)
	if keys == nil {
		keys = make([]*connection.Key, 2)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		d.config.Progress("making two 4096-bit keys, which takes some seconds …")
		for i, name := range [2]string{alice, bob} {
			making.Go(func() { keys[i], faults[i] = connection.LoadOrCreateKey(filepath.Join(dir, name+".priv")) })
		}
	}
	h, err := hub.Start(ctx, hub.Config{Dir: HubDir(dir), Listen: []string{"127.0.0.1:0"}})
	making.Wait()
	if err == nil {
		d.hub = h
		d.config.Progress("hub listening on " + h.URL())
	}
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	return keys, d.admit(ctx, keys)
}

// HubDir returns the hub's data directory within that of a demo.
func HubDir(dir string) string { return filepath.Join(dir, "hub") }

// admit makes the accounts and the share, where an earlier demo has not left them.
func (d *Demo) admit(ctx context.Context, keys []*connection.Key) error {
	known := func(err error) error {
		if errors.Is(err, hub.ErrExists) {
			return nil
		}
		return err
	}
	for i, name := range [2]string{alice, bob} {
		if err := known(d.hub.AddUser(ctx, name)); err != nil {
			return err
		}
		if _, err := d.hub.AddAgent(ctx, name, keys[i].Public()); known(err) != nil {
			return err
		}
	}
	return known(d.hub.Share(ctx, alice, host, bob))
}

// maxPause bounds the pauses before a user who was cut off connects again: the hub is not to blame.
const maxPause = 2 * time.Second

// connect opens the sessions. Alice's comes first, so that Bob finds her metrics.
func (d *Demo) connect(ctx context.Context, keys []*connection.Key) error {
	impulses := [2]impulsesOf{d.aliceImpulses(), d.bobImpulses()}
	for i, name := range [2]string{alice, bob} {
		u := &user{name: name, checker: check.New(name)}
		config := komstream.Config{Hub: d.hub.URL(), Username: name, Key: keys[i], CloseTimeout: settleTimeout}
		if d.chaos != nil {
			config.Dial = d.chaos.dial
			config.RetryMax = maxPause
		}
		config.Dial = u.checker.Tap(config.Dial)
		session, err := komstream.Open(ctx, config, u.checker.Watch(impulses[i]...)...)
		if err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
		u.session = session
		d.users[i] = u
	}
	return nil
}

// read sends what the machine is doing, at once and then in every interval.
func (d *Demo) read(ctx context.Context) {
	reader := machine.NewReader(host)
	tick := time.NewTicker(d.config.Interval)
	defer tick.Stop()
	for at := time.Now(); ; {
		samples, err := reader.Read(ctx, at)
		if err != nil && ctx.Err() == nil {
			d.config.Progress(err.Error()) // a source is missing; the others are there
		}
		d.send(ctx, d.users[0], samples)
		select {
		case <-ctx.Done():
			return
		case at = <-tick.C:
		}
	}
}

// send sends samples and counts them.
func (d *Demo) send(ctx context.Context, u *user, samples []metric.Sample) {
	if len(samples) == 0 {
		return
	}
	switch err := u.session.Send(ctx, samples...); {
	case err == nil:
		u.sent.add(len(samples))
	case ctx.Err() == nil:
		d.config.Progress(fmt.Sprintf("%s cannot send: %v", u.name, err))
	}
}

// trespass has Bob write what is Alice's, and counts that his session refuses it before it reaches the wire. One of his
// impulses tries as well.
func (d *Demo) trespass(ctx context.Context) {
	mine := metric.Datapoint(host.Global(alice).Child("note"), time.Now(), 1)
	switch err := d.users[1].session.Send(ctx, mine); {
	case err == nil:
		d.config.Progress("bob could write what is alice's")
		d.users[1].sent.add(1)
	case ctx.Err() == nil:
		d.refused.add(1)
	}
}

// Seed returns the seed of the chaos, 0 without.
func (d *Demo) Seed() uint64 {
	if d.chaos == nil {
		return 0
	}
	return d.chaos.seed
}

// URL returns where the hub listens.
func (d *Demo) URL() string { return d.hub.URL() }

// close ends what was started, and removes what was made.
func (d *Demo) close() error {
	d.stop()
	d.reading.Wait()
	var faults []error
	for _, u := range d.users {
		if u != nil {
			faults = append(faults, u.session.Close())
		}
	}
	if d.hub != nil {
		faults = append(faults, d.hub.Close())
	}
	if d.dir != "" {
		faults = append(faults, os.RemoveAll(d.dir))
	}
	return errors.Join(faults...)
}
