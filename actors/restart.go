package actors

import "fmt"

// Restart is an actor that failed and was restarted.
type Restart struct {
	// Actor is the actor's id, Reason what it panicked with.
	Actor  string
	Reason any
}

// String returns the event as one line.
func (e Restart) String() string { return fmt.Sprintf("actor %s restarted: %v", e.Actor, e.Reason) }
