package actors

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/impulse"
	"go.uber.org/zap"
)

// runsPerTurn is how many runs an impulse has before it lets others onto the worker.
const runsPerTurn = 16

// impulseActor runs one impulse: its function, one run at a time, in order. What waits stands in its inbox, which
// outlives it.
type impulseActor struct {
	box    *inbox
	runner *impulse.Runner
	watch  stopwatch
}

func impulseProps(box *inbox) *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return &impulseActor{box: box} },
		actor.WithMailbox(func() actor.Mailbox {
			m := newMailbox()
			box.mailbox = m.(*mailbox)
			return m
		}),
		actor.WithDispatcher(box.s.pool),
	)
}

// Receive implements actor.Actor.
func (a *impulseActor) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		a.start(c)
	case *runInbox:
		a.run(c)
	}
}

// start makes the runner. After a restart it ends the run that failed with the actor and goes on with the others.
func (a *impulseActor) start(c actor.Context) {
	s := a.box.s
	runner, err := impulse.NewRunner(impulse.RunnerConfig{
		Impulse:  a.box.impulse,
		Username: s.config.Username,
		Windows:  a.box.ids,
		Views:    a.box,
		Now:      s.config.Clock.Now,
	})
	if err != nil {
		panic(err) // Bind has checked all of it
	}
	a.runner = runner
	a.watch = stopwatch{clock: s.config.Clock, always: a.box.impulse.MinExecDelta > 0}
	a.box.abandon(s.config.Clock.Now())
	a.run(c)
}

// run runs what waits, as far as one turn goes.
func (a *impulseActor) run(c actor.Context) {
	trigger := a.box.next(a.watch.begin())
	for left := runsPerTurn; trigger != nil; left-- {
		out := a.execute(trigger)
		if a.worthSettling(trigger, out) {
			a.settle(trigger, out)
		}
		ended, took := a.watch.end(out.Err != nil)
		var change impulse.BreakerChange
		change, trigger = a.box.done(ended, took, out.Err, left > 1)
		if change.Changed() {
			a.reportBreaker(change)
		}
		if left == 1 {
			c.Send(c.Self(), runTriggers)
			return
		}
		a.watch.again()
	}
}

// worthSettling is false for a run that only looked.
func (a *impulseActor) worthSettling(t *impulse.Trigger, out *impulse.Outcome) bool {
	return out.Err != nil || len(out.Samples)+len(out.Foreign)+out.Withheld > 0 || t.Shed() > 0
}

// errGoexit fails a run whose function ended its goroutine.
var errGoexit = errors.New("impulse: function ended its goroutine (runtime.Goexit)")

// execute runs the function. When that ends the goroutine the run counts as failed, and the actor goes on with the
// next on another one.
func (a *impulseActor) execute(t *impulse.Trigger) (out *impulse.Outcome) {
	returned := false
	defer func() {
		if !returned {
			a.settle(t, &impulse.Outcome{Err: errGoexit})
			a.box.abandon(a.box.s.config.Clock.Now())
			a.box.send()
		}
	}()
	out = a.runner.Run(a.box.ctx, t)
	returned = true
	return out
}

// settle sends what a run emitted and reports what it could not.
func (a *impulseActor) settle(t *impulse.Trigger, out *impulse.Outcome) {
	s, name := a.box.s, a.box.impulse.Name
	if shed := t.Shed(); shed > 0 {
		s.notePressure(MemoryPressure{Impulse: name, Messages: shed})
	}
	if out.Err != nil {
		post(s.events, zap.WarnLevel, s.config.Events.Failed, RunFailure{Impulse: name, Number: t.Cut, Err: out.Err})
	}
	if len(out.Foreign) > 0 {
		a.box.noteForeign(len(out.Foreign))
		post(s.events, zap.WarnLevel, s.config.Events.Foreign, ForeignWrite{Impulse: name, Samples: out.Foreign})
	}
	if out.ViaFull {
		a.box.noteLooped(out.Withheld)
		post(s.events, zap.WarnLevel, s.config.Events.Loop, LoopStopped{
			Impulse: name, Via: out.Via, Known: s.knownOrigins(out.Via), Samples: out.Withheld,
		})
	}
	if len(out.Samples) > 0 {
		a.box.noteEmitted(len(out.Samples))
		s.emit(a.box, out)
	}
}

// reportBreaker tells of a breaker that opened or closed. A probe that begins is no event.
func (a *impulseActor) reportBreaker(c impulse.BreakerChange) {
	s := a.box.s
	event := BreakerChange{Impulse: a.box.impulse.Name, Open: c.To == impulse.BreakerOpen, Pause: c.Pause, Failures: c.Failures}
	if event.Open || c.To == impulse.BreakerClosed {
		post(s.events, zap.WarnLevel, s.config.Events.Breaker, event)
	}
}
