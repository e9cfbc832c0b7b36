package impulse

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// Views gives the views of an impulse's windows.
type Views interface {
	// ViewAt returns the window of the i-th input, by its place in [Impulse.On], as it was after the message with
	// the number cut. It is called during runs only.
	ViewAt(i int, cut uint64) window.View
}

// RunnerConfig is what a [Runner] needs. All fields are required.
type RunnerConfig struct {
	// Impulse is the declaration, checked with [Impulse.Check].
	Impulse Impulse
	// Username is the user of the session.
	Username string
	// Windows are the windows of the inputs, in the order of Impulse.On.
	Windows []window.ID
	// Views gives their views.
	Views Views
	// Now is the session's clock. It must be safe for concurrent use.
	Now func() time.Time
}

// Runner executes the runs of one impulse, one at a time, and collects what they emit. It keeps its memory from run
// to run. It is not safe for concurrent use.
type Runner struct {
	name   string
	do     Func
	sub    *subscription
	views  Views
	now    func() time.Time
	origin [1]metric.Origin // as a list, for the many runs whose trigger has no via

	number  atomic.Uint64 // of the run going on; changes when it ends, so that its Update is known to be dead
	updates []Update      // to be used for the next runs: one allocation for several
	run     run
	out     Outcome
	spoken  bool // out says something

	given, marked context.Context // the context of the last run, as given and with the mark
}

// run is the state of one run.
type run struct {
	trigger  *Trigger
	touched  bool            // something below is set
	time     metric.TimeUUID // once asked for
	told     bool            // updated is filled in
	updated  []bool          // by input, whether a message has it
	slots    []int32         // by input: index + 1 in views, 0 where it was not asked for
	asked    []int32         // the inputs of views
	views    []window.View
	output   output
	failures []error
}

// Outcome is the result of a run.
type Outcome struct {
	// Err is why the run failed, or nil: the function's error, a [*PanicError], or what was wrong with its calls.
	Err error
	// Samples are to be sent as one unit, in the order emitted; empty where the run failed. The caller owns them.
	Samples []metric.Sample
	// Foreign are samples for metrics of other users, which nobody but they may write. They are not sent.
	Foreign []metric.Sample
	// Replaced counts samples that a later one of the same run with the same metric and time replaced.
	Replaced int
	// Via names the impulses from which Samples descend, this one included, where there is anything to send. It
	// must not be modified.
	Via []metric.Origin
	// ViaFull says that Via would be longer than [MaxVia]: it is a loop, or as good as one. Samples is empty then,
	// and Withheld counts what is not sent.
	ViaFull  bool
	Withheld int
	// Irt identifies the newest message of the trigger, which the samples answer. Zero: none, or nothing to send.
	Irt metric.TimeUUID
}

// NewRunner returns the Runner of an impulse. The error says which field of the configuration is missing.
func NewRunner(c RunnerConfig) (*Runner, error) {
	switch {
	case c.Impulse.Do == nil:
		return nil, fmt.Errorf("impulse: runner of %q: Impulse.Do must be a function", c.Impulse.Name)
	case len(c.Windows) != len(c.Impulse.On):
		return nil, fmt.Errorf("impulse: runner of %q: %d Windows must be as many as the %d inputs",
			c.Impulse.Name, len(c.Windows), len(c.Impulse.On))
	case c.Views == nil:
		return nil, fmt.Errorf("impulse: runner of %q: Views must be set", c.Impulse.Name)
	case c.Now == nil:
		return nil, fmt.Errorf("impulse: runner of %q: Now must be set", c.Impulse.Name)
	}
	return &Runner{
		name:   c.Impulse.Name,
		do:     c.Impulse.Do,
		sub:    newSubscription(c.Username, c.Impulse.On, c.Windows),
		views:  c.Views,
		now:    c.Now,
		origin: [1]metric.Origin{metric.OriginOf(c.Username, c.Impulse.Name)},
	}, nil
}

// Run executes one run of the trigger and returns its outcome, which is valid until the next Run; its samples are the
// caller's for good. The function sees a context that carries the mark of
// [FromContext]; it allocates unless ctx was made with [NewContext]. Panics of the function are recovered. Where the
// function ends its goroutine (runtime.Goexit) Run does not return either; the next run is as usual.
func (r *Runner) Run(ctx context.Context, t *Trigger) *Outcome {
	if ctx != r.given {
		r.given, r.marked = ctx, ctx
		if name, ok := FromContext(ctx); !ok || name != r.name {
			r.marked = NewContext(ctx, r.name)
		}
	}
	r.run.trigger = t
	err := r.call(r.marked, r.update())
	if r.spoken {
		r.out, r.spoken = Outcome{}, false
	}
	if err != nil || r.run.touched {
		r.speak(err)
	}
	r.run.reset()
	return &r.out
}

// update returns the Update of the next run. Each run has its own, so that one kept beyond its run is found out.
func (r *Runner) update() *Update {
	if len(r.updates) == 0 {
		r.updates = make([]Update, 16)
	}
	u := &r.updates[0]
	r.updates = r.updates[1:]
	u.runner, u.number = r, r.number.Load()
	return u
}

func (r *Runner) call(ctx context.Context, u *Update) (err error) {
	returned := false
	defer func() {
		r.number.Add(1) // u is dead
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
			return
		}
		r.run.reset() // the function ended its goroutine, and Run will not return
	}()
	err = r.do(ctx, u)
	returned = true
	return err
}

// speak fills the outcome of a run that failed or did more than look at its trigger.
func (r *Runner) speak(err error) {
	s, out := &r.run, &r.out
	r.spoken = true
	out.Foreign, out.Replaced = s.output.foreign, s.output.replaced
	if m := s.trigger.Newest(); m != nil {
		out.Irt = m.Seq
	}
	switch {
	case err != nil || len(s.failures) > 0:
		out.Err = fmt.Errorf("impulse: run of %q: %w", r.name, joined(err, s.failures))
		return
	case len(s.output.samples) == 0:
		return
	}
	if out.Via = r.via(s.trigger); len(out.Via) > MaxVia {
		out.ViaFull, out.Withheld = true, len(s.output.samples)
		return
	}
	out.Samples = s.output.samples
}

// via returns the origins of what the run emitted: those of its trigger and, last, its own.
func (r *Runner) via(t *Trigger) []metric.Origin {
	via := t.appendVia(nil)
	if len(via) == 0 {
		return r.origin[:]
	}
	for _, o := range via {
		if o == r.origin[0] {
			return via
		}
	}
	return append(via, r.origin[0])
}

func joined(err error, failures []error) error {
	switch {
	case len(failures) == 0:
		return err
	case err == nil && len(failures) == 1:
		return failures[0]
	}
	return errors.Join(append([]error{err}, failures...)...)
}

// reset ends the run: nothing of it stays reachable.
func (s *run) reset() {
	s.trigger = nil
	if !s.touched {
		return
	}
	s.touched, s.time = false, metric.TimeUUID{}
	if s.told {
		clear(s.updated)
		s.told = false
	}
	for _, i := range s.asked {
		s.slots[i] = 0
	}
	clear(s.views)
	s.asked, s.views = s.asked[:0], s.views[:0]
	s.output.reset()
	s.failures = nil
}
