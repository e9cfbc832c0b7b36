package metric

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// TimeUUID is a version-1 UUID: an instant of 100 ns precision and 64 more bits (clock sequence and node) that tell
// apart samples of one instant. The full 128 bits are the identity of a sample within its metric; they are kept
// from sender to receiver and never made anew.
//
// The zero value is not a valid time; [TimeUUID.IsZero] tells. Comparable with ==; ordered by [TimeUUID.Compare].
type TimeUUID [16]byte

// unixEpoch is 1970-01-01 in 100 ns ticks since 1582-10-15, the epoch of version-1 UUIDs (RFC 9562, 5.1).
const unixEpoch = 0x01b21dd213814000

// PlainLow is the clock sequence and node that komstream gives to its own times: both zero (only the variant bit set).
const PlainLow uint64 = 0x8000000000000000

// MinTime and MaxTime are the least and greatest TimeUUID in the order of [TimeUUID.Compare].
var (
	MinTime = mustTimeUUID("00000000000010008080808080808080")
	MaxTime = mustTimeUUID("ffffffffffff1fffbf7f7f7f7f7f7f7f")
)

// MinTicks and MaxTicks bound the instants that a TimeUUID can hold: 1582-10-15 to 5236-03-31.
const (
	MinTicks Ticks = -unixEpoch
	MaxTicks Ticks = 1<<60 - 1 - unixEpoch
)

// NewTimeUUID returns the TimeUUID of an instant with the given clock sequence and node, the last eight bytes as a
// big-endian number; [PlainLow] is komstream's own. The variant bits are set whatever low holds. Ticks outside
// [MinTicks] to [MaxTicks] are cut to the nearest bound.
func NewTimeUUID(ticks Ticks, low uint64) (t TimeUUID) {
	ts := uint64(min(max(ticks, MinTicks), MaxTicks) + unixEpoch)
	binary.BigEndian.PutUint32(t[0:], uint32(ts))
	binary.BigEndian.PutUint16(t[4:], uint16(ts>>32))
	binary.BigEndian.PutUint16(t[6:], 0x1000|uint16(ts>>48)&0x0fff)
	binary.BigEndian.PutUint64(t[8:], low)
	t[8] = t[8]&0x3f | 0x80
	return t
}

// ParseTimeUUID reads a version-1 UUID of RFC variant in any usual text form: 32 hex digits of either case, dashes
// anywhere, braces around, "urn:" and "uuid:" before. Anything else is an [*InvalidError].
func ParseTimeUUID(text string) (TimeUUID, error) {
	var t TimeUUID
	if len(text) != 32 || !decodePlainHex(&t, text) {
		if len(text) > 128 {
			return t, invalid("time", text, "must be a version-1 UUID")
		}
		plain := strings.NewReplacer("urn:", "", "uuid:", "").Replace(text)
		plain = strings.ReplaceAll(strings.Trim(plain, "{}"), "-", "")
		if len(plain) != 32 || !decodePlainHex(&t, plain) {
			return TimeUUID{}, invalid("time", text, "must be the 32 hex digits of a version-1 UUID")
		}
	}
	if t[6]>>4 != 1 || t[8]>>6 != 2 {
		return TimeUUID{}, invalid("time", text, "must be a UUID of version 1 and RFC variant")
	}
	return t, nil
}

// decodePlainHex fills t from 32 hex digits of either case.
func decodePlainHex[T ~string | ~[]byte](t *TimeUUID, s T) bool {
	for i := range t {
		hi, lo := hexDigit[s[2*i]], hexDigit[s[2*i+1]]
		if hi|lo > 15 {
			return false
		}
		t[i] = hi<<4 | lo
	}
	return true
}

// DecodeTimeUUID is [ParseTimeUUID] for the plain form only, exactly 32 hex digits, without allocation. It reports
// whether b is such a form of a valid TimeUUID.
func DecodeTimeUUID(b []byte) (t TimeUUID, ok bool) {
	if len(b) != 32 || !decodePlainHex(&t, b) || t[6]>>4 != 1 || t[8]>>6 != 2 {
		return TimeUUID{}, false
	}
	return t, true
}

// hexDigit is the value of a hex digit, 255 for any other byte.
var hexDigit = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		t[c] = byte(i)
	}
	for i, c := range "ABCDEF" {
		t[c] = byte(10 + i)
	}
	return t
}()

// Ticks returns the instant of t.
func (t TimeUUID) Ticks() Ticks {
	ts := uint64(binary.BigEndian.Uint16(t[6:])&0x0fff)<<48 |
		uint64(binary.BigEndian.Uint16(t[4:]))<<32 | uint64(binary.BigEndian.Uint32(t[0:]))
	return Ticks(ts) - unixEpoch
}

// Low returns the last eight bytes of t, clock sequence and node, as a big-endian number.
func (t TimeUUID) Low() uint64 { return binary.BigEndian.Uint64(t[8:]) }

// LowOrder returns a number that orders times of one instant: as unsigned numbers, LowOrder compares like
// [TimeUUID.Compare]. [TimeUUIDFromOrder] is its inverse.
//
// The order is that of the protocol's store: the last eight bytes one after the other as signed bytes, the first of
// them masked by 0x3f. Flipping each sign bit makes that an unsigned comparison.
func (t TimeUUID) LowOrder() uint64 {
	return (t.Low() &^ (0xc0 << 56)) ^ 0x8080808080808080
}

// PlainLowOrder is the LowOrder of [PlainLow].
const PlainLowOrder uint64 = 0x8080808080808080

// TimeUUIDFromOrder returns the time with the given ticks and [TimeUUID.LowOrder].
func TimeUUIDFromOrder(ticks Ticks, lowOrder uint64) TimeUUID {
	return NewTimeUUID(ticks, lowOrder^0x8080808080808080)
}

// Compare returns -1, 0 or 1 as t is before, equal to or after other: by instant first, then by [TimeUUID.LowOrder].
func (t TimeUUID) Compare(other TimeUUID) int {
	if c := cmp.Compare(t.Ticks(), other.Ticks()); c != 0 {
		return c
	}
	return cmp.Compare(t.LowOrder(), other.LowOrder())
}

// IsZero reports whether t is the zero value, which is no time.
func (t TimeUUID) IsZero() bool { return t == TimeUUID{} }

// Time returns the instant of t in UTC.
func (t TimeUUID) Time() time.Time { return t.Ticks().Time() }

// String returns the wire form of t: 32 lower-case hex digits without dashes.
func (t TimeUUID) String() string { return hex.EncodeToString(t[:]) }

// AppendText appends the wire form of t to b. The error is always nil.
func (t TimeUUID) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, t[:]), nil }

// MarshalText returns the wire form of t.
func (t TimeUUID) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText is [ParseTimeUUID].
func (t *TimeUUID) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTimeUUID(string(b))
	return err
}

func mustTimeUUID(text string) TimeUUID {
	t, err := ParseTimeUUID(text)
	if err != nil {
		panic(err)
	}
	return t
}
