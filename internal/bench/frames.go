package bench

import (
	"encoding/binary"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

const (
	hour = time.Hour
	// firstMessage is the number of the first message: from here on all have seven digits and one length.
	firstMessage = 1_000_000
	// spacing lies between the samples that windows hold before: all of them stay in the hour while a benchmark runs.
	spacing = 50 * time.Minute / history
)

// encoder makes the frames of a load.
type encoder struct {
	w     *Workload
	uris  []metric.URI
	base  metric.Ticks
	seqs  *wire.SeqSource
	items []wire.RequestItem
	body  []byte
}

func newEncoder(w *Workload, filled time.Time) *encoder {
	return &encoder{
		w: w, uris: w.uris(), base: baseTicks(filled), seqs: wire.NewSeqSource(time.Now),
		items: make([]wire.RequestItem, w.Batch),
	}
}

// baseTicks is what the time of a message lies behind its number: so the time tells the number.
func baseTicks(filled time.Time) metric.Ticks { return metric.TicksOf(filled) }

// append appends message k as a websocket frame.
func (e *encoder) append(b []byte, k int64) []byte {
	at := metric.NewTimeUUID(e.base+metric.Ticks(k), metric.PlainLow)
	group := int(k % int64(e.w.groups()))
	value, _ := metric.NumberOf(k) // whole numbers are always valid
	for i := range e.items {
		e.items[i] = wire.RequestItem{URI: e.uris[group*e.w.Batch+i], Kind: metric.KindDatapoint, Value: value}
	}
	e.body = wire.AppendNotification(e.body[:0], e.seqs.Next(), at, nil, uint64(k), "", e.items)
	return appendFrame(b, e.body)
}

// load returns the messages of a round, one after the other, and the length of one.
func (e *encoder) load(s roundSpec) (frames []byte, length int) {
	for i := range s.Frames {
		frames = e.append(frames, s.First+int64(i))
	}
	return frames, len(frames) / s.Frames
}

// frameLength is the length of one message on the socket.
func frameLength(w *Workload) int {
	return len(newEncoder(w, time.Now()).append(nil, firstMessage))
}

// appendFrame appends a text frame as a server sends it.
func appendFrame(b, body []byte) []byte {
	b = append(b, 0x81)
	switch n := len(body); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, body...)
}

// row returns what a window holds i rows before its end, when the windows were filled at a time. The values are negative,
// which no message's is, and in no order: what is sorted already is described too quickly.
func row(filled time.Time, i int) (metric.Ticks, float64) {
	mixed := uint32(i+1) * 2654435761 >> 12
	return metric.TicksOf(filled.Add(-time.Second - time.Duration(i)*spacing)), -float64(mixed+1) / 4
}
