package komstream

import "github.com/komstream/komstream/actors"

// What the callbacks of [Events] are given. Each prints as one line.
type (
	// StateChange is a session's step from one state to another: see [actors.StateChange].
	StateChange = actors.StateChange
	// Rejection is the hub's refusal of samples: see [actors.Rejection].
	Rejection = actors.Rejection
	// ForeignWrite is what an impulse emitted for other users' metrics: see [actors.ForeignWrite].
	ForeignWrite = actors.ForeignWrite
	// RunFailure is a failed run of an impulse: see [actors.RunFailure].
	RunFailure = actors.RunFailure
	// BreakerChange is a breaker that opened or closed: see [actors.BreakerChange].
	BreakerChange = actors.BreakerChange
	// LoopStopped is output that had passed through too many impulses: see [actors.LoopStopped].
	LoopStopped = actors.LoopStopped
	// HookDenied is a subscription that the hub refuses: see [actors.HookDenied].
	HookDenied = actors.HookDenied
	// Overwrite is a sample that replaced another: see [actors.Overwrite].
	Overwrite = actors.Overwrite
	// MemoryPressure is a limit of memory that was reached: see [actors.MemoryPressure].
	MemoryPressure = actors.MemoryPressure
	// KindChange is a metric that came back as the other kind: see [actors.KindChange].
	KindChange = actors.KindChange
	// Discarded counts triggers that will never run: see [actors.Discarded].
	Discarded = actors.Discarded
	// Missed is what the hub left out of its updates: see [actors.Missed].
	Missed = actors.Missed
	// Malformed is a frame that could not be read: see [actors.Malformed].
	Malformed = actors.Malformed
	// Restart is an actor that failed and was restarted: see [actors.Restart].
	Restart = actors.Restart
)
