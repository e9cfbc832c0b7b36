package wire

import "github.com/komstream/komstream/metric"

// Message is what a hub sent to an agent. One of the pointers is set, by the Action. Notification, Response and
// Interval belong to the [Decoder] and are valid until it decodes the next frame, and only while the frame itself is
// left unchanged; the others belong to the receiver.
type Message struct {
	// Action says which of the pointers is set.
	Action Action
	// Seq is the message's own sequence, zero where the hub wrote null.
	Seq Seq
	// Irt is the sequence of the request that this answers, zero for none.
	Irt Seq
	// Notification is set with [ActionSendMultiData].
	Notification *Notification
	// Response is set with [ActionGenericResponse].
	Response *Response
	// Interval is set with [ActionSendDataInterval].
	Interval *Interval
	// Listing is set with [ActionListURIs].
	Listing *Listing
	// Shares is set with [ActionListShares].
	Shares *Shares
	// Log is set with [ActionSince].
	Log *Log
	// Missed is set with [ActionMissedData].
	Missed []Missed
}

// Notification is an update of one or more metrics of one owner.
type Notification struct {
	// Time is the time of all samples in the message.
	Time metric.TimeUUID
	// Via names the impulses that the samples were derived by, the oldest first; at most [MaxVia].
	Via []metric.Origin
	// Pos is the message's place in the owner's order of arrival, 0 where the hub has no such order.
	Pos uint64
	// Items are the samples: all texts, then all numbers, each group in the order of the message.
	Items []Item
}

// MaxVia is the greatest number of impulses that a message may name in "via".
const MaxVia = 16

// Item is one sample of a notification. URI and Content are bytes of the frame or of the decoder.
type Item struct {
	// URI is a valid URI, local for the session's own metrics.
	URI []byte
	// Kind is what the metric holds.
	Kind metric.Kind
	// Content is the text, unescaped and valid UTF-8, or a number's text as it was sent, which metric.ParseNumber
	// accepts.
	Content []byte
}

// Values appends the value of each item of n to dst. All texts of the values share one allocation, which lives as
// long as any of them.
func (n *Notification) Values(dst []metric.Value) []metric.Value {
	size := 0
	for i := range n.Items {
		size += len(n.Items[i].Content)
	}
	joined := make([]byte, 0, size)
	for i := range n.Items {
		joined = append(joined, n.Items[i].Content...)
	}
	all := freeze(joined)
	for i := range n.Items {
		item := &n.Items[i]
		text := all[:len(item.Content)]
		all = all[len(item.Content):]
		v, _ := parseValue(item.Kind, text) // the decoder has checked it
		dst = append(dst, v)
	}
	return dst
}

// parseValue returns the value that content spells for a metric of the given kind.
func parseValue(kind metric.Kind, content string) (metric.Value, error) {
	if kind == metric.KindDatapoint {
		return metric.ParseNumber(content)
	}
	return metric.TextOf(content)
}

// Response is the answer to a request.
type Response struct {
	// Status is one of the Status constants, or another positive number.
	Status int
	// Code is the error number, 0 for none.
	Code int
	// Reason explains the status; "" stands for JSON null.
	Reason string
}

// Interval is a page of history.
type Interval struct {
	// URI names the metric: local for the session's own, otherwise with its owner.
	URI string
	// Kind is what the metric holds.
	Kind metric.Kind
	// Start and End bound the time that the page covers, both inclusive.
	Start, End metric.TimeUUID
	// Rows are the samples, newest first.
	Rows []Row
}

// Row is one sample of an [Interval].
type Row struct {
	// Time is the full time of the sample.
	Time metric.TimeUUID
	// Content is as in [Item].
	Content []byte
}

// Value returns the value of a row of a page of the given kind. It copies the content.
func (r Row) Value(kind metric.Kind) metric.Value {
	v, _ := parseValue(kind, string(r.Content)) // the decoder has checked it
	return v
}
