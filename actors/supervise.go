package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// supervisor restarts a child that failed. User code is recovered before it gets here, so a failure is a bug of
// ours; stopping the child for good, as protoactor does after ten failures in ten seconds, would turn it into a
// silent loss. Instead restarts slow down: the first is at once, each further one within steady doubles the pause.
type supervisor struct {
	clock  Clock
	report func(Restart)
}

// restartSteady is how long a child must live for its next failure to count as a first one; restartMost is the
// longest pause before a restart.
const (
	restartSteady = time.Minute
	restartFirst  = 10 * time.Millisecond
	restartMost   = 5 * time.Second
)

// HandleFailure implements actor.SupervisorStrategy.
func (s *supervisor) HandleFailure(
	_ *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, stats *actor.RestartStatistics, reason, _ any,
) {
	stats.Fail()
	earlier := stats.NumberOfFailures(restartSteady) - 1
	s.report(Restart{Actor: child.Id, Reason: reason})
	if earlier == 0 {
		parent.RestartChildren(child)
		return
	}
	pause := min(restartFirst<<min(earlier, 16), restartMost)
	s.clock.AfterFunc(pause, func() { parent.RestartChildren(child) })
}
