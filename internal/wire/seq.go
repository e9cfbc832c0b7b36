package wire

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/komstream/komstream/metric"
)

// Seq identifies a message: a TimeUUID chosen by its sender, or the 20 hex digits that agent 0.8 writes instead, the
// first ten bytes of one. The zero Seq stands for JSON null. Comparable with ==, usable as a key of a map.
type Seq struct {
	id    metric.TimeUUID
	short bool // only the first ten bytes are set
}

// SeqOf returns the Seq with the given TimeUUID.
func SeqOf(t metric.TimeUUID) Seq { return Seq{id: t} }

// shortSeq is the number of hex digits in the sequences of agent 0.8.
const shortSeq = 20

// ParseSeq reads a TimeUUID in any usual text form, or exactly 20 lower-case hex digits that begin one.
func ParseSeq(text string) (Seq, error) {
	if s, ok := parseShortSeq(text); ok {
		return s, nil
	}
	t, err := metric.ParseTimeUUID(text)
	return Seq{id: t}, err
}

// parseShortSeq takes lower case only, so that what is echoed is what came.
func parseShortSeq(text string) (s Seq, ok bool) {
	if len(text) != shortSeq {
		return Seq{}, false
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || '9' < c) && (c < 'a' || 'f' < c) {
			return Seq{}, false
		}
	}
	if _, err := hex.Decode(s.id[:], []byte(text)); err != nil {
		return Seq{}, false
	}
	s.short = true
	return s, s.id[6]>>4 == 1 && s.id[8]>>6 == 2
}

// IsZero reports whether s is JSON null.
func (s Seq) IsZero() bool { return s == Seq{} }

// TimeUUID returns the whole TimeUUID of s, and false where s is null or the short form of agent 0.8.
func (s Seq) TimeUUID() (metric.TimeUUID, bool) {
	return s.id, !s.short && !s.id.IsZero()
}

// Append appends the hex digits of s, or nothing for null, to b.
func (s Seq) Append(b []byte) []byte {
	switch {
	case s.short:
		return hex.AppendEncode(b, s.id[:shortSeq/2])
	case s.id.IsZero():
		return b
	}
	return hex.AppendEncode(b, s.id[:])
}

// String returns the hex digits of s, or "" for null.
func (s Seq) String() string { return string(s.Append(nil)) }

// appendJSON appends s as a JSON string or null.
func (s Seq) appendJSON(b []byte) []byte {
	if s.IsZero() {
		return append(b, "null"...)
	}
	return append(s.Append(append(b, '"')), '"')
}

// SeqSource makes the sequences of one session. They strictly increase and share one random clock sequence and node,
// by which a hub tells the sources of one agent apart. Safe for concurrent use.
type SeqSource struct {
	now  func() time.Time
	low  uint64
	last atomic.Int64 // the ticks given out last
}

// NewSeqSource returns a source that stamps its sequences by the given clock; nil is [time.Now]. Where the clock
// stands still or steps back, the sequences go on by 100 ns each.
func NewSeqSource(now func() time.Time) *SeqSource {
	if now == nil {
		now = time.Now
	}
	var random [8]byte
	rand.Read(random[:]) // never fails: the runtime ends the program where there is no randomness
	random[2] |= 1       // the multicast bit marks a node that is no hardware address (RFC 9562, 6.10)
	s := &SeqSource{now: now, low: binary.BigEndian.Uint64(random[:])}
	s.last.Store(int64(metric.MinTicks))
	return s
}

// Next returns the next sequence.
func (s *SeqSource) Next() Seq {
	for {
		last := s.last.Load()
		ticks := max(int64(metric.TicksOf(s.now())), last+1)
		if s.last.CompareAndSwap(last, ticks) {
			return Seq{id: metric.NewTimeUUID(metric.Ticks(ticks), s.low)}
		}
	}
}
