package metric

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestTicksOfTime(t *testing.T) {
	for text, want := range map[string]Ticks{
		"1970-01-01T00:00:00Z":           0,
		"1970-01-01T00:00:00.000000199Z": 1,
		"1969-12-31T23:59:59.999999999Z": -1, // cut towards the past
		"1969-12-31T23:59:59.9999999Z":   -1,
		"1969-12-31T23:59:59Z":           -TicksPerSecond,
		"1582-10-15T00:00:00Z":           MinTicks,
		"1582-10-14T23:59:59.9999999Z":   MinTicks,
		"0001-01-01T00:00:00Z":           MinTicks,
		"9999-12-31T23:59:59Z":           MaxTicks,
		"5236-03-31T21:21:00.6846975Z":   MaxTicks,
		"5236-03-31T21:21:00.6846974Z":   MaxTicks - 1,
		"5236-03-31T21:21:00.7Z":         MaxTicks,
		"5236-03-31T21:21:01Z":           MaxTicks,
	} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := TicksOf(at); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

func TestTicksAndTimeUUIDRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	last := MinTime
	for i := range 20_000 {
		ticks := MinTicks + Ticks(r.Int64N(int64(MaxTicks-MinTicks)+1))
		switch i {
		case 0:
			ticks = MinTicks
		case 1:
			ticks = MaxTicks
		case 2:
			ticks = -1
		}
		if got := TicksOf(ticks.Time()); got != ticks {
			t.Fatalf("seed %d: %d becomes %v, then %d", seed, ticks, ticks.Time(), got)
		}
		low := r.Uint64()
		id := NewTimeUUID(ticks, low)
		if id.Ticks() != ticks || id.Low() != low&^(3<<62)|1<<63 || !id.Time().Equal(ticks.Time()) || id.IsZero() {
			t.Fatalf("seed %d: %d, %x becomes %s", seed, ticks, low, id)
		}
		if again := TimeUUIDFromOrder(id.Ticks(), id.LowOrder()); again != id {
			t.Fatalf("seed %d: %s becomes %s by its order", seed, id, again)
		}
		if parsed, err := ParseTimeUUID(id.String()); err != nil || parsed != id {
			t.Fatalf("seed %d: %s is read as %s, %v", seed, id, parsed, err)
		}
		if r.IntN(2) == 0 { // often the same instant, so that the low bytes decide
			id = NewTimeUUID(last.Ticks(), low)
		}
		if got, want := id.Compare(last), slowCompare(id, last); got != want || last.Compare(id) != -want {
			t.Fatalf("seed %d: %s against %s: got %d, want %d", seed, id, last, got, want)
		}
		last = id
	}
}

// slowCompare is the order as section 6 of the protocol words it.
func slowCompare(a, b TimeUUID) int {
	if d := a.Ticks() - b.Ticks(); d != 0 {
		return int(d>>63)*2 + 1
	}
	for i := 8; i < 16; i++ {
		x, y := int8(a[i]), int8(b[i])
		if i == 8 {
			x, y = x&0x3f, y&0x3f
		}
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

func TestTicksAdd(t *testing.T) {
	for _, c := range []struct {
		from Ticks
		d    time.Duration
		want Ticks
	}{
		{0, time.Second, TicksPerSecond}, {0, 199, 1}, {0, -199, -1}, {5, 99, 5}, {MaxTicks, 100, MaxTicks}, {MinTicks, -100, MinTicks},
		{MaxTicks - 1, 1<<63 - 1, MaxTicks}, {MinTicks + 1, -1 << 63, MinTicks}, {MaxTicks, -100, MaxTicks - 1},
	} {
		if got := c.from.Add(c.d); got != c.want {
			t.Errorf("%d and %v: got %d, want %d", c.from, c.d, got, c.want)
		}
	}
	if low := NewTimeUUID(MinTicks-5, 0); low.Ticks() != MinTicks {
		t.Errorf("below the range: %s", low)
	}
	if high := NewTimeUUID(MaxTicks+5, 0); high.Ticks() != MaxTicks {
		t.Errorf("above the range: %s", high)
	}
}

func TestParseTime(t *testing.T) {
	const zone, fine, exist = "zone", "no finer than a millisecond", "exist"
	for text, want := range map[string]string{ // the instant, or a word of the rule
		"2026-11-24T10:00:00Z":              "2026-11-24T10:00:00Z",
		"2026-11-24T10:00:00.1Z":            "2026-11-24T10:00:00.1Z",
		"2026-11-24T10:00:00.123+01:00":     "2026-11-24T09:00:00.123Z",
		"2026-11-24T10:00:00.123000-05:30":  "2026-11-24T15:30:00.123Z",
		"2026-11-24T10:00:00-23:59":         "2026-11-25T09:59:00Z",
		"1969-12-31T23:59:59.999Z":          "1969-12-31T23:59:59.999Z",
		"2024-02-29T00:00:00Z":              "2024-02-29T00:00:00Z",
		"2026-11-24T10:00:00":               zone,
		"2026-11-24T10:00:00.123":           zone,
		"2026-11-24T10:00:00z":              zone,
		"2026-11-24T10:00:00+0100":          zone,
		"2026-11-24T10:00:00+24:00":         zone,
		"2026-11-24T10:00:00+01:60":         zone,
		"2026-11-24T10:00:00 Z":             zone,
		"2026-11-24T10:00:00ZZ":             zone,
		"2026-11-24T10:00:00.1234Z":         fine,
		"2026-11-24T10:00:00.0000001+01:00": fine,
		"2026-11-24T10:00:00.Z":             "digits",
		"2026-02-29T10:00:00Z":              exist,
		"2026-13-01T10:00:00Z":              exist,
		"2026-11-24T24:00:00Z":              exist,
		"2026-11-24T10:00:60Z":              exist,
		"2026-1a-24T10:00:00Z":              exist,
		"2026-11-24 10:00:00Z":              "ISO 8601",
		"2026-11-24T10:00Z":                 "ISO 8601",
		"20261124T100000Z":                  "ISO 8601",
		"":                                  "ISO 8601",
		"now":                               "ISO 8601",
		"12026-11-24T10:00:00Z":             "ISO 8601",
	} {
		got, err := ParseTime(text)
		if err == nil {
			if got.UTC().Format(time.RFC3339Nano) != want {
				t.Errorf("%q: got %v, want %s", text, got, want)
			}
			continue
		}
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "time" || !strings.Contains(invalid.Rule, want) {
			t.Errorf("%q: got %v, want a rule with %q", text, err, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-24T10:00:00Z", "1969-12-31T23:59:59.999000-05:30", "2026-11-24T10:00:00.1234Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTime(text)
		if err != nil {
			return
		}
		want, parseErr := time.Parse(time.RFC3339Nano, text)
		if parseErr != nil || !got.Equal(want) || !isoShape.MatchString(text) {
			t.Fatalf("%q: got %v, want %v, %v", text, got, want, parseErr)
		}
		if got.Nanosecond()%1e6 != 0 {
			t.Fatalf("%q has %d ns", text, got.Nanosecond())
		}
	})
}

func FuzzParseTimeUUID(f *testing.F) {
	for _, s := range []string{
		"6f2b4c00d05a11e7a1b2030405060708", "{6F2B4C00-d05a-11e7-a1b2-030405060708}", "urn:uuid:6f2b4c00d05a11e7a1b2030405060708",
		"0x2b4c00d05a11e7a1b2030405060708", "", "6f2b4c00d05a41e7a1b2030405060708",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseTimeUUID(text)
		plain, ok := DecodeTimeUUID([]byte(text))
		if ok != (err == nil && len(text) == 32) || ok && plain != id {
			t.Fatalf("%q is decoded as %s, %v, and parsed as %s, %v", text, plain, ok, id, err)
		}
		bare := strings.NewReplacer("urn:", "", "uuid:", "", "-", "", "{", "", "}", "").Replace(text)
		raw, hexErr := hex.DecodeString(bare)
		if err == nil {
			if hexErr != nil || string(raw) != string(id[:]) || id[6]>>4 != 1 || id[8]>>6 != 2 {
				t.Fatalf("%q is parsed as %s", text, id)
			}
			return
		}
		if len(text) <= 128 && usualForm.MatchString(text) && len(raw) == 16 && raw[6]>>4 == 1 && raw[8]>>6 == 2 {
			t.Fatalf("%q is refused: %v", text, err)
		}
		if id != (TimeUUID{}) {
			t.Fatalf("%q is refused, and is %s", text, id)
		}
	})
}

func TestTimeUUIDText(t *testing.T) {
	const text = "6f2b4c00d05a11e7a1b2030405060708"
	var id TimeUUID
	if err := id.UnmarshalText([]byte("{" + text + "}")); err != nil || id.String() != text {
		t.Errorf("got %s, %v", id, err)
	}
	b, err := id.MarshalText()
	if err != nil || string(b) != text {
		t.Errorf("got %s, %v", b, err)
	}
	if err = id.UnmarshalText([]byte("x")); err == nil || !(TimeUUID{}).IsZero() {
		t.Error("x is taken")
	}
	if _, err = ParseTimeUUID(strings.Repeat("-", 1<<20)); err == nil || len(err.Error()) > 500 {
		t.Errorf("got %.400v", err)
	}
}
