package impulse

import "context"

// mark is the value that a run's context carries.
type mark struct{ name string }

type markKey struct{}

// NewContext returns a context that carries the mark of a run of the named impulse; see [FromContext]. A caller of
// [Runner.Run] who makes it once for each impulse spares each run an allocation.
func NewContext(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, markKey{}, &mark{name})
}

// FromContext returns the name of the impulse inside whose run ctx was made, and whether there is one. The calls
// of a session that would wait for the outbound queue refuse such a context with [ErrInsideRun].
func FromContext(ctx context.Context) (name string, ok bool) {
	m, ok := ctx.Value(markKey{}).(*mark)
	if !ok {
		return "", false
	}
	return m.name, true
}
