package actors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
)

// ErrClosed is returned by every call on a session that has been closed.
var ErrClosed = connection.ErrClosed

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
