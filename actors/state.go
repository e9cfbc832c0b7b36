package actors

import (
	"fmt"
	"time"
)

// State is where a session stands on its way to the hub.
//
//	Connecting ─▶ Authenticating ─▶ Syncing ─▶ Live
//	    ▲                │              │        │
//	    └──── Waiting ◀──┴──────────────┴────────┘      Closed, from anywhere, for good
type State int32

// The states of a session.
const (
	// StateConnecting: the websocket is being opened with the cookie of an earlier login.
	StateConnecting State = iota
	// StateAuthenticating: the two steps of the login are under way.
	StateAuthenticating
	// StateSyncing: connected; metrics are being subscribed and windows filled. Samples are sent.
	StateSyncing
	// StateLive: every subscription has been answered and every window is loaded.
	StateLive
	// StateWaiting: the connection was lost or refused and the next try is due after a pause.
	StateWaiting
	// StateClosed: closed for good.
	StateClosed
)

var stateNames = [...]string{"connecting", "authenticating", "syncing", "live", "waiting", "closed"}

// String returns the state's name in lower case.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("state(%d)", int32(s))
	}
	return stateNames[s]
}

// StateChange is the event of a session that went from one state to another.
type StateChange struct {
	From, To State
	// Err is why, when the change is a loss or a refusal.
	Err error
	// RetryIn is the pause before the next try, when To is StateWaiting.
	RetryIn time.Duration
}

// String returns the change as one line.
func (c StateChange) String() string {
	text := fmt.Sprintf("session %s, was %s", c.To, c.From)
	if c.To == StateWaiting {
		text += fmt.Sprintf(", next try in %s", c.RetryIn.Round(time.Millisecond))
	}
	if c.Err != nil {
		text += ": " + c.Err.Error()
	}
	return text
}
