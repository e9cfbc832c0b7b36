package impulse

import (
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// MaxVia is the greatest number of origins that a message names. What would need more is not sent.
const MaxVia = 16

// Message is one notification from the hub: samples of one time. It is immutable once it is routed, since the
// triggers of every impulse concerned share it.
type Message struct {
	// Number is the message's place in the order of arrival in this session, from 1 on without gaps. The router
	// gives it. It names the cut: the state of all windows after this message.
	Number uint64
	// Time is the time of its samples.
	Time metric.TimeUUID
	// Seq identifies the message; what an impulse sends in answer quotes it as "irt". Zero: none.
	Seq metric.TimeUUID
	// Via names the impulses from which its samples descend, oldest first.
	Via []metric.Origin
	// Pos is the message's position in its owner's order of arrival; 0: the hub gave none.
	Pos uint64
	// Rows are the samples, at least one.
	Rows []Row
}

// Row is one sample of a [Message], whose time it has.
type Row struct {
	// ID is the window of the sample's metric.
	ID window.ID
	// Value is the number or text.
	Value metric.Value
}
