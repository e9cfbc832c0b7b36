package impulse

import (
	"errors"
	"fmt"
)

// Sentinels of this package, for errors.Is.
var (
	// ErrNotSubscribed fails a run that asked for the view of a metric its impulse does not subscribe.
	ErrNotSubscribed = errors.New("impulse: metric is not subscribed")
	// ErrBadEmit fails a run that emitted a sample which breaks a rule; the rule is in the error's chain.
	ErrBadEmit = errors.New("impulse: emitted sample is invalid")
	// ErrInsideRun is the error of the session's Send, Flush and Close when they are called from inside a run: a
	// run that waited for the outbound queue could wait for itself.
	ErrInsideRun = errors.New("impulse: called from inside a run: use Update.Emit, whose samples go out when it succeeds")
)

// InvalidError says which rule an [Impulse] breaks. [Impulse.Check] joins one for each fault.
type InvalidError struct {
	// Impulse is the impulse's name as declared, possibly "".
	Impulse string
	// Field is the path of the faulty field: "Name", "On[3].URI", "MinExecDelta".
	Field string
	// Value is the offending value as text.
	Value string
	// Rule is what it should have been, as a clause: "must not be negative".
	Rule string
	// Err is the cause, if another package found the fault; it is in the error's chain.
	Err error
}

// Error returns one sentence with the impulse, the field, the value and the rule.
func (e *InvalidError) Error() string {
	s := fmt.Sprintf("impulse: impulse %q: %s %s %s", e.Impulse, e.Field, e.Value, e.Rule)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause or nil.
func (e *InvalidError) Unwrap() error { return e.Err }

// PanicError is the failure of a run whose function panicked. The panic is recovered: it ends the run and nothing
// else.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the text of the goroutine's stack where it panicked.
	Stack []byte
}

// Error returns the panic's value; the stack is left out.
func (e *PanicError) Error() string { return fmt.Sprintf("impulse: function panicked: %v", e.Value) }

// Unwrap returns the panic's value where it is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
