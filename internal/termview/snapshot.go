package termview

import "time"

// Snapshot is everything that a view shows, as plain values. Zero fields are left out of the view where that makes
// sense.
type Snapshot struct {
	// Title is the name of the program.
	Title string
	// Peer says whom the session belongs to and where it is connected: "alice@hub.example.org".
	Peer string
	// State is the state of the connection in a word: "Live", "Waiting".
	State string
	// Health says how to show State.
	Health Health
	// Uptime is the time since the start.
	Uptime time.Duration
	// Metrics are shown in this order, as many as fit.
	Metrics []Metric
	// Impulses are shown in this order, as many as fit.
	Impulses []Impulse
	// Totals are shown in this order, in the last lines.
	Totals []Total
}

// Health says how well the connection is, which decides the colour and the mark of its state.
type Health uint8

// The states of health. A view without colours tells them apart by their marks.
const (
	// Unwell is a connection that is down. It is the zero value: what nobody vouches for is not well.
	Unwell Health = iota
	// Busy is a connection that is being made.
	Busy
	// Well is a connection that works.
	Well
)

// Metric is a line in the table of metrics.
type Metric struct {
	// URI names it.
	URI string
	// Past holds the recent numbers, oldest first; as many of the newest are drawn as fit. NaN and infinities leave
	// a gap. The last one is shown as the value.
	Past []float64
	// Text, of a text metric, is its newest sample; the first line of it is shown. It is used when Past is empty.
	Text string
	// Rate is how many samples arrive in a second.
	Rate float64
}

// Impulse is a line in the table of impulses.
type Impulse struct {
	// Name is the impulse's name.
	Name string
	// Runs counts the runs, Failed those among them that failed.
	Runs, Failed uint64
	// Pending counts the triggers that wait.
	Pending uint64
	// Took is how long the last run took, Worst how long the slowest did.
	Took, Worst time.Duration
}

// Total is a counter of the whole session.
type Total struct {
	// Name says what is counted: "samples sent".
	Name string
	// Count is how many there were.
	Count uint64
}
