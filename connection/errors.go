package connection

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/komstream/komstream/metric"
)

// What a caller may want to tell apart, with errors.Is.
var (
	// ErrAccessDenied is matched by a refused login, a refused handshake (HTTP 401 or 403) and by the close code
	// 4403: the cookie is worth nothing any more, log in again. After any other loss the cookie is kept.
	ErrAccessDenied = errors.New("connection: access denied")
	// ErrDisconnected is the result of a request whose connection was lost before the hub answered. Whether the hub
	// executed it is not known.
	ErrDisconnected = errors.New("connection: disconnected before the hub answered")
	// ErrClosed is the result of what is asked of an Outbox or Requests after Close.
	ErrClosed = errors.New("connection: closed")
	// ErrUnsupported is matched by the error of a request that needs a feature which the hub does not have. The
	// error's text names it.
	ErrUnsupported = errors.New("not supported by the hub")
	// ErrNotFound is matched by a [*RefusedError] of status 4404: there is no such metric.
	ErrNotFound = errors.New("connection: not found")
	// ErrUnavailable is matched by a [*RefusedError] of status 4503: the hub's storage does not work now; try again.
	ErrUnavailable = errors.New("connection: hub unavailable")
)

// closeAccessDenied is the code with which a hub closes the connection of an agent that it does not let in.
const closeAccessDenied = 4403

// CloseError is the end of a connection that the hub announced with a close frame.
type CloseError struct {
	// Code is the websocket close code; 1005 when the frame had none.
	Code int
	// Text is the hub's reason, at most 123 bytes, possibly empty.
	Text string
}

// Error names code and reason.
func (e *CloseError) Error() string {
	return "connection: hub closed the connection: " + withReason(strconv.Itoa(e.Code), e.Text)
}

// Is reports whether target is [ErrAccessDenied] and the code says so.
func (e *CloseError) Is(target error) bool {
	return target == ErrAccessDenied && e.Code == closeAccessDenied
}

// DialError is why no websocket connection came about.
type DialError struct {
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Reason says what is wrong with the answer, or where it failed.
	Reason string
	// Err is the cause, or nil.
	Err error
}

// Error names the reason and the cause.
func (e *DialError) Error() string { return withCause("connection: hub not reached: "+e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrAccessDenied] and the status says so.
func (e *DialError) Is(target error) bool { return target == ErrAccessDenied && denied(e.Status) }

// LoginError is why a login failed.
type LoginError struct {
	// Step is 1 while asking for the challenge and 2 while proving the key.
	Step int
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Code is the hub's error number, 0 when it gave none.
	Code int
	// Reason says in words what is wrong. It holds neither key nor cookie.
	Reason string
	// Err is the cause, or nil.
	Err error
}

// Error names step, status, code, reason and cause.
func (e *LoginError) Error() string {
	text := "connection: login step " + strconv.Itoa(e.Step)
	if e.Status != 0 {
		text += ", HTTP " + strconv.Itoa(e.Status)
	}
	if e.Code != 0 {
		text += ", error " + strconv.Itoa(e.Code)
	}
	return withCause(text+": "+e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrAccessDenied] and the hub said so, which trying again does not change. That a
// challenge was not known any more (3806 to 3808) does not count: the next login gets a new one.
func (e *LoginError) Is(target error) bool {
	return target == ErrAccessDenied && denied(e.Status) && (e.Code < 3806 || 3808 < e.Code)
}

func denied(status int) bool {
	return status == http.StatusForbidden || status == http.StatusUnauthorized
}

// RefusedError is a request that the hub answered with a refusal.
type RefusedError struct {
	// Action is what was asked, as on the wire: "hook_to_uri".
	Action string
	// URI is the metric that it was asked of, "" for none.
	URI metric.URI
	// Status and Code are the hub's numbers, Reason its words, possibly empty.
	Status, Code int
	Reason       string
}

// Error names action, metric, numbers and reason.
func (e *RefusedError) Error() string {
	what := e.Action
	if e.URI != "" {
		what += " of " + string(e.URI)
	}
	return fmt.Sprintf("connection: hub refused %s: %s", what,
		withReason(fmt.Sprintf("%d/%d", e.Status, e.Code), e.Reason))
}

// Is matches [ErrNotFound] and [ErrUnavailable] by the status.
func (e *RefusedError) Is(target error) bool {
	return target == ErrNotFound && e.Status == 4404 || target == ErrUnavailable && e.Status == 4503
}

// SampleError is the sample for which a whole Send or Emit was refused before anything was queued.
type SampleError struct {
	// Index is the sample's place in the call, from 0.
	Index int
	// URI is its metric, as given.
	URI metric.URI
	// Err says which rule it breaks, usually a [*metric.InvalidError].
	Err error
}

// Error names index, metric and rule.
func (e *SampleError) Error() string {
	return fmt.Sprintf("connection: sample %d (%.80s): %v", e.Index, string(e.URI), e.Err)
}

// Unwrap returns the rule broken.
func (e *SampleError) Unwrap() error { return e.Err }

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + " " + reason
}

func withCause(text string, cause error) string {
	if cause == nil {
		return text
	}
	return text + ": " + cause.Error()
}
