package actors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/komstream/komstream/metric"
)

// Errors that a caller may branch on.
var (
	// ErrClosed is returned by every call on a session that has been closed.
	ErrClosed = errors.New("komstream: session is closed")
	// ErrUnsupported is wrapped by the error of a call that needs a feature which the hub does not announce.
	ErrUnsupported = errors.New("komstream: not supported by this hub")
	// ErrInsideRun is wrapped by the error of Send, Flush, Close and the like when an impulse's function calls them.
	// A run answers with Update.Emit: what it emits is sent once it has succeeded.
	ErrInsideRun = errors.New("komstream: called from inside a run; answer with Update.Emit")
)

// ConfigError names a field of Config that cannot be used.
type ConfigError struct {
	// Field is the field's name in Config.
	Field string
	// Value is what it held, as text.
	Value string
	// Rule is what it should have been, as a clause.
	Rule string
}

// Error returns "komstream: config: FIELD VALUE RULE".
func (e *ConfigError) Error() string {
	return fmt.Sprintf("komstream: config: %s %s %s", e.Field, e.Value, e.Rule)
}

// HookError is the hub's refusal of a subscription.
type HookError struct {
	// URI is the metric, as the session's user writes it.
	URI metric.URI
	// Status and Code are the hub's answer (protocol §8.1 and §10), Reason its text.
	Status, Code int
	Reason       string
}

// Error names the metric and the hub's answer.
func (e *HookError) Error() string {
	return fmt.Sprintf("komstream: hub refused to subscribe %q: %d/%d %s", string(e.URI), e.Status, e.Code, e.Reason)
}

// RequestError is the hub's refusal of a request other than a subscription.
type RequestError struct {
	// Action is the request's name on the wire, URI what it was about.
	Action string
	URI    metric.URI
	// Status and Code are the hub's answer (protocol §8.1 and §10), Reason its text.
	Status, Code int
	Reason       string
}

// Error names the request, the metric and the hub's answer.
func (e *RequestError) Error() string {
	return fmt.Sprintf("komstream: hub refused %s of %q: %d/%d %s", e.Action, string(e.URI), e.Status, e.Code, e.Reason)
}

// OpenError is why Open gave up.
type OpenError struct {
	// State is how far the session had come.
	State State
	// Last is what was last seen to go wrong, nil if nothing did.
	Last error
	// Cause is why the wait ended: the context's cause, or the same as Last.
	Cause error
}

// Error says how far the session had come and what it last saw.
func (e *OpenError) Error() string {
	text := fmt.Sprintf("komstream: open: gave up while %s: %v", e.State, e.Cause)
	if e.Last != nil && !errors.Is(e.Cause, e.Last) {
		text += fmt.Sprintf(" (last seen: %v)", e.Last)
	}
	return text
}

// Unwrap returns both causes.
func (e *OpenError) Unwrap() []error {
	if e.Last == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Last}
}

// ShutdownError says what a Close or Shutdown had to leave behind.
type ShutdownError struct {
	// Undelivered holds the samples that the hub has not acknowledged, in the order they were sent. Some may have
	// arrived: only their acknowledgement is missing.
	Undelivered []metric.Sample
	// Running names the impulses whose functions had not returned.
	Running []string
	// Cause is the context's cause, nil if it was not the context that ended the wait.
	Cause error
}

// Error counts what was left behind.
func (e *ShutdownError) Error() string {
	var parts []string
	if n := len(e.Undelivered); n > 0 {
		parts = append(parts, fmt.Sprintf("%d samples not acknowledged", n))
	}
	if len(e.Running) > 0 {
		parts = append(parts, "still running: "+strings.Join(e.Running, ", "))
	}
	if e.Cause != nil {
		parts = append(parts, e.Cause.Error())
	}
	return "komstream: shutdown: " + strings.Join(parts, "; ")
}

// Unwrap returns the cause.
func (e *ShutdownError) Unwrap() error { return e.Cause }
