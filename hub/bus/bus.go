package bus

import (
	"errors"

	"github.com/komstream/komstream/hub/store"
)

// Bus is one hub's end of the line between the hubs. Its methods are safe for concurrent use.
type Bus interface {
	// Publish tells the other hubs of a message that has been stored. It does not wait for them, and returns an error
	// only where the message cannot be on its way. The message belongs to the caller again on return.
	Publish(m *store.Arrival) error

	// Subscribe calls deliver for each message of an owner that another hub publishes from now on: one call at a time,
	// those of one hub in the order in which it published them, at most once each. A message is valid during its
	// call only, and deliver must not wait for anything. After cancel has returned, deliver is called no more; it must
	// not be called by deliver.
	Subscribe(owner uint64, deliver func(m *store.Arrival)) (cancel func(), err error)

	// Close cancels every subscription of this end. Calls afterwards return [ErrClosed].
	Close() error
}

// ErrClosed is returned by calls on an end that was closed.
var ErrClosed = errors.New("bus: closed")
