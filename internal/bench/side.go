package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
)

// A side is one of the programs that are compared: each does the same work, in a process of its own.
type side interface {
	// open connects to the stub and fills the windows.
	open(ctx context.Context, o opening) error
	// begin is called before the messages of a round are sent; what they cause counts for it.
	begin(r *round)
	// stats adds what the side can tell about itself.
	stats(f *figures)
	close() error
}

// The names of the sides.
const (
	sideRaw      = "raw"
	sideFull     = "full"
	sideChannels = "channels"
	sideNaive    = "naive"
)

// sides is the order within a round.
var sides = []string{sideRaw, sideFull, sideChannels, sideNaive}

// opening is what a side is told.
type opening struct {
	Workload Workload
	Side     string
	Address  string // of the stub
	Filled   time.Time
	Key      string // in PEM
}

// url is where the websocket is.
func (o opening) url() string { return "ws://" + o.Address + "/" }

// common is what all sides have.
type common struct {
	w     *Workload
	uris  []metric.URI
	line  lineMeter
	round atomic.Pointer[round]
	tally []tally
}

func newCommon(w *Workload) *common {
	c := &common{w: w, uris: w.uris(), tally: make([]tally, w.Impulses)}
	for i := range c.tally {
		next := int64(firstMessage)
		if step := w.step(); step > 1 { // up to the first message of the impulse's group
			next += (int64(w.first(i)/w.Batch) - next%step + step) % step
		}
		c.tally[i].watch = watch{next: next, step: w.step()}
	}
	return c
}

func (c *common) begin(r *round) { c.round.Store(r) }

// newSide makes the side with a name.
func newSide(name string, w *Workload) (side, *common, error) {
	c := newCommon(w)
	switch name {
	case sideRaw:
		return &raw{common: c}, c, nil
	case sideFull:
		return &full{common: c}, c, nil
	case sideChannels:
		return &channels{common: c}, c, nil
	case sideNaive:
		return &naive{common: c}, c, nil
	}
	return nil, nil, fmt.Errorf("bench: there is no side %q", name)
}

func parseKey(text string) (*connection.Key, error) { return connection.ParseKey([]byte(text)) }
