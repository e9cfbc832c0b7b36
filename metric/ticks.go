package metric

import (
	"strings"
	"time"
)

// Ticks is an instant in units of 100 ns since the Unix epoch, 1970-01-01T00:00:00Z; exact for every [TimeUUID].
// Differences of Ticks are spans in the same unit.
type Ticks int64

// TicksPerSecond and TicksPerMillisecond convert spans.
const (
	TicksPerSecond      Ticks = 10_000_000
	TicksPerMillisecond Ticks = 10_000
)

// TicksOf returns the instant of t, the part below 100 ns cut off (towards the past). Instants outside [MinTicks]
// to [MaxTicks] are cut to the nearest bound.
func TicksOf(t time.Time) Ticks {
	const lowest, highest = int64(MinTicks / TicksPerSecond), int64(MaxTicks / TicksPerSecond)
	switch s := t.Unix(); {
	case s < lowest:
		return MinTicks
	case s > highest:
		return MaxTicks
	default:
		return min(MaxTicks, Ticks(s)*TicksPerSecond+Ticks(t.Nanosecond()/100))
	}
}

// SpanOf returns d in ticks, the part below 100 ns cut off.
func SpanOf(d time.Duration) Ticks { return Ticks(d / 100) }

// Time returns the instant in UTC.
func (t Ticks) Time() time.Time {
	sec, rest := t/TicksPerSecond, t%TicksPerSecond
	return time.Unix(int64(sec), int64(rest)*100).UTC()
}

// Add returns the instant d later, the part of d below 100 ns cut off. It saturates at the ends of the range.
func (t Ticks) Add(d time.Duration) Ticks {
	span := SpanOf(d)
	switch {
	case span > 0 && t > MaxTicks-span:
		return MaxTicks
	case span < 0 && t < MinTicks-span:
		return MinTicks
	}
	return t + span
}

// Instant is what a sample may be stamped with: a [time.Time], truncated to the millisecond, or ISO 8601 text.
type Instant interface{ time.Time | ~string }

// timeOf turns an Instant into the time of a sample that we send: whole milliseconds, zero clock and node.
func timeOf[T Instant](instant T) (TimeUUID, error) {
	var t time.Time
	switch v := any(instant).(type) {
	case time.Time:
		t = v
	case string:
		var err error
		if t, err = ParseTime(v); err != nil {
			return TimeUUID{}, err
		}
	default: // a named string type
		var err error
		if t, err = ParseTime(stringOf(instant)); err != nil {
			return TimeUUID{}, err
		}
	}
	if s := t.Unix(); s <= int64(MinTicks/TicksPerSecond) || s >= int64(MaxTicks/TicksPerSecond) {
		return TimeUUID{}, invalid("time", t.Format(time.RFC3339), "must lie between 1582-10-15 and 5236-03-31")
	}
	ticks := TicksOf(t)
	milli := ticks % TicksPerMillisecond
	if milli < 0 {
		milli += TicksPerMillisecond
	}
	return NewTimeUUID(ticks-milli, PlainLow), nil
}

// ParseTime reads ISO 8601 text, "2026-11-24T10:00:00.123+01:00": date, 'T', time with seconds, an optional
// fraction no finer than milliseconds, and a zone, 'Z' or ±HH:MM. A text without a zone is an error, since it would
// mean another instant on every machine; so is a finer fraction, since it would be lost without a word.
func ParseTime(text string) (time.Time, error) {
	const shape = "2006-01-02T15:04:05"
	fail := func(rule string) (time.Time, error) { return time.Time{}, invalid("time", text, rule) }
	if len(text) < len(shape) || text[10] != 'T' {
		return fail("must be ISO 8601, YYYY-MM-DDTHH:MM:SS[.fff] and a zone")
	}
	rest := text[len(shape):]
	if strings.HasPrefix(rest, ".") {
		digits := 1
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
			digits++
		}
		if digits == 1 {
			return fail("must have digits after the point")
		}
		// Zeros below the millisecond say nothing, and other people's formatters write them.
		if len(strings.TrimRight(rest[1:digits], "0")) > 3 {
			return fail("must be no finer than a millisecond")
		}
		rest = rest[digits:]
	}
	switch {
	case rest == "":
		return fail("must carry a zone, Z or ±HH:MM")
	case rest == "Z":
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' && rest[1:3] < "24" && rest[4:] < "60":
	default:
		return fail("must end in a zone, Z or ±HH:MM")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fail("must be a date and time that exist, as YYYY-MM-DDTHH:MM:SS[.fff] and a zone")
	}
	return t, nil
}
