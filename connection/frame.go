package connection

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// frame is what goes to the hub in one message: some samples of one call and one time, several such frames (a batch),
// or what a datasource supplies.
type frame struct {
	next    *frame // in its list
	samples []metric.Sample
	one     [1]metric.Sample // memory of samples where it is one
	bytes   int64            // encoded, at most
	number  uint64           // of its call
	irt     Seq
	via     []metric.Origin
	whole   bool // a run's: what is refused is refused as a whole
	alone   bool // part of a batch that was refused: it is not put into another

	parts      frameList    // of a batch, which has no samples of its own
	datasource metric.URI   // of what supplies is told
	supplies   []metric.URI // not nil where that is what the frame says; it has no samples

	seq      Seq         // zero until it is sent
	sent     uint64      // place of seq in the order of sequences given
	late     bool        // it was sent in vain and waits to be sent again, while later ones may have been executed
	encoding atomic.Bool // being written for the first time on this connection
}

var framePool = sync.Pool{New: func() any { return new(frame) }}

// newFrame returns a frame without samples.
func newFrame() *frame { return framePool.Get().(*frame) }

// free gives f back. Nothing must refer to it or to the memory of its one sample.
func (f *frame) free() {
	f.next, f.samples, f.one[0] = nil, nil, metric.Sample{}
	f.bytes, f.number, f.irt, f.via, f.whole, f.alone = 0, 0, Seq{}, nil, false, false
	f.parts, f.datasource, f.supplies = frameList{}, "", nil
	f.seq, f.sent, f.late = Seq{}, 0, false
	framePool.Put(f)
}

// append encodes f.
func (f *frame) append(b []byte) []byte {
	switch {
	case f.supplies != nil:
		return wire.AppendInfo(b, f.seq, f.datasource, f.supplies)
	case f.parts.n > 0:
		return f.appendBatch(b)
	case len(f.samples) == 1:
		return wire.AppendSendOne(b, f.seq, f.irt, f.via, &f.samples[0])
	}
	return wire.AppendSendMulti(b, f.seq, f.irt, f.via, f.samples[0].Time, f.samples)
}

// replaces reports whether f has a value for the metric and the time of s.
func (f *frame) replaces(s metric.Sample) bool {
	return slices.ContainsFunc(f.samples, func(own metric.Sample) bool { return own.URI == s.URI && own.Time == s.Time })
}

// Upper bounds of the parts of an encoded frame.
const (
	headBytes   = 192 // envelope, and the payload but for its items
	partBytes   = 64  // a part of a batch but for its items
	originBytes = 20  // an origin in "via"
	itemBytes   = 48  // an item but for its URI and content
	numberBytes = 26  // a number that has no text: the longest is -1.7976931348623157E+308
)

// sampleBytes returns an upper bound of the encoded size of a sample.
func sampleBytes(s *metric.Sample) int64 {
	n := itemBytes + len(s.URI)
	switch {
	case s.Kind() == metric.KindDatasource:
		return int64(n + quotedBytes(s.Value.String()))
	case s.Value.Len() > 0:
		return int64(n + s.Value.Len())
	}
	return int64(n + numberBytes)
}

// quotedBytes returns the size of a text as escaped JSON in ASCII.
func quotedBytes(text string) (n int) {
	for i := range len(text) {
		n += int(escapedBytes[text[i]])
	}
	return n
}

// escapedBytes is what a byte of valid UTF-8 adds to the escaped text. The bytes that continue a rune add nothing;
// the first one stands for all of it, twice \uXXXX where it has four bytes.
var escapedBytes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t':
			t[c] = 2
		case c < ' ' || c == 0x7f:
			t[c] = 6
		case c < 0x80:
			t[c] = 1
		case c < 0xc0:
			t[c] = 0
		case c < 0xf0:
			t[c] = 6
		default:
			t[c] = 12
		}
	}
	return t
}()

// frameList is a queue of frames, with their number, samples and bytes counted.
type frameList struct {
	head, tail *frame
	n, samples int
	messages   int // frames, the parts of a batch each for itself
	late       int // frames with that mark
	bytes      int64
}

func (l *frameList) push(f *frame) {
	f.next = nil
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
	l.count(f, 1)
}

// pop removes and returns the first frame, or nil.
func (l *frameList) pop() *frame {
	f := l.head
	if f != nil {
		l.cut(nil, f)
	}
	return f
}

// cut removes f, whose predecessor is before, nil for none.
func (l *frameList) cut(before, f *frame) {
	if before == nil {
		l.head = f.next
	} else {
		before.next = f.next
	}
	if l.tail == f {
		l.tail = before
	}
	f.next = nil
	l.count(f, -1)
}

// take removes and returns the frame with the given sequence, or nil. Answers come in order: it is the first one, or
// nearly.
func (l *frameList) take(seq Seq) *frame {
	var before *frame
	for f := l.head; f != nil; before, f = f, f.next {
		if f.seq == seq && !f.encoding.Load() {
			l.cut(before, f)
			return f
		}
	}
	return nil
}

// insert puts f before the first frame that must be sent after it.
func (l *frameList) insert(f *frame) {
	var before *frame
	for g := l.head; g != nil && !f.precedes(g); g = g.next {
		before = g
	}
	if before == nil {
		f.next, l.head = l.head, f
	} else {
		f.next, before.next = before.next, f
	}
	if f.next == nil {
		l.tail = f
	}
	l.count(f, 1)
}

// precedes says which frame must be sent first: those that have a sequence, in its order, since a hub takes a
// sequence below the last one for a repetition; then the others in the order of their calls.
func (f *frame) precedes(g *frame) bool {
	switch {
	case f.sent > 0 && g.sent > 0:
		return f.sent < g.sent
	case f.sent > 0 || g.sent > 0:
		return f.sent > 0
	}
	return f.number < g.number
}

// laterThan reports whether l holds a frame of a later call than f.
func (l *frameList) laterThan(f *frame) bool {
	for g := l.head; g != nil; g = g.next {
		if g.number > f.number { // the parts of a batch have one number
			return true
		}
	}
	return false
}

// append moves all of other to the end of l.
func (l *frameList) append(other frameList) {
	if other.head == nil {
		return
	}
	if l.tail == nil {
		l.head = other.head
	} else {
		l.tail.next = other.head
	}
	l.tail = other.tail
	l.n, l.samples, l.messages = l.n+other.n, l.samples+other.samples, l.messages+other.messages
	l.late, l.bytes = l.late+other.late, l.bytes+other.bytes
}

func (l *frameList) count(f *frame, sign int) {
	l.n += sign
	l.samples += sign * (len(f.samples) + f.parts.samples)
	l.messages += sign * max(1, f.parts.n)
	l.bytes += int64(sign) * f.bytes
	if f.late {
		l.late += sign
	}
}

// free gives all frames back.
func (l *frameList) free() {
	for f := l.pop(); f != nil; f = l.pop() {
		f.free()
	}
}
