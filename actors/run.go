package actors

import (
	"context"
	"runtime"
	"strings"

	"github.com/komstream/komstream/impulse"
)

// runFrame is the function below which an impulse's code runs; see insideRun.
const runFrame = "actors.(*impulseActor).run"

// insideRun reports whether the caller is an impulse's function: by its context, or, where it brought another one,
// by its stack. A call that waited for the outbound queue from there could wait for itself. The stack is looked at
// only while some impulse of the session may run.
func insideRun(ctx context.Context, s *Session) (name string, inside bool) {
	if name, inside = impulse.FromContext(ctx); inside || s.pool.busy.Load() == 0 {
		return name, inside
	}
	pcs := make([]uintptr, 64)
	n := runtime.Callers(3, pcs)
	for n == len(pcs) { // deep below the run
		pcs = make([]uintptr, 2*n)
		n = runtime.Callers(3, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, runFrame) {
			return "an impulse", true
		}
		if !more {
			return "", false
		}
	}
}
