package metric

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestSampleFaultsNameFieldValueAndRule(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		sample             Sample
		field, value, rule string
	}{
		{Datapoint("a b", at, 1), "uri", `"a b"`, "levels"},
		{Datapoint("a", at, math.NaN()), "number", `"NaN"`, "finite"},
		{Datapoint("a", at, "1,5"), "number", `"1,5"`, "decimal number"},
		{Datapoint("a", at, "1e999999999"), "number", `"1e999999999"`, "exponent"},
		{Datapoint("a", "yesterday", 1), "time", `"yesterday"`, "ISO 8601"},
		{Datapoint("a", time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), 1), "time", `"1500-01-01T00:00:00Z"`, "between"},
		{Datapoint("a", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 1), "time", `"9999-01-01T00:00:00Z"`, "between"},
		{Datasource("a", at, "\xff"), "text", `"\xff"`, "UTF-8"},
		{Datasource("a", at, strings.Repeat("x", MaxText+1)), "text", "131073 bytes", "131072"},
		{Sample{}, "value", "", "Datapoint or Datasource"},
		{Sample{URI: "a", Value: Datapoint("a", at, 1).Value}, "time", "", "set"},
	} {
		err := c.sample.Check()
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != c.field || !strings.Contains(invalid.Value, c.value) ||
			!strings.Contains(invalid.Rule, c.rule) || len(err.Error()) > 400 {
			t.Errorf("got %v, want field %s, value %s, rule %s", err, c.field, c.value, c.rule)
		}
	}
	changed := Datapoint("a", at, 1)
	if changed.URI = "b c"; changed.Check() == nil {
		t.Error("a sample whose URI was changed passes")
	}
}

func TestSamplesHaveWholeMilliseconds(t *testing.T) {
	for from, want := range map[string]string{
		"2026-11-24T10:00:00.123999999Z": "2026-11-24T10:00:00.123Z",
		"1969-12-31T23:59:59.999999999Z": "1969-12-31T23:59:59.999Z",
		"1600-01-01T00:00:00.0005Z":      "1600-01-01T00:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339Nano, from)
		if err != nil {
			t.Fatal(err)
		}
		s := Datapoint("a", at, 1)
		if got := s.When().Format(time.RFC3339Nano); s.Check() != nil || got != want || s.Time.Low() != PlainLow {
			t.Errorf("%s: got %s, %v", from, got, s.Check())
		}
	}
	type stamp string
	if s := Datasource("a", stamp("2026-11-24T10:00:00+01:00"), "x"); s.Check() != nil || s.When().Hour() != 9 || s.Kind() != KindDatasource {
		t.Errorf("got %v, %v", s, s.Check())
	}
	if s := Datapoint("a", stamp("x"), 1); s.Check() == nil {
		t.Error("a named type of text passes unchecked")
	}
}

func TestOrigins(t *testing.T) {
	o := OriginOf("Alice", "summary")
	if o != OriginOf("alice", "summary") || o == OriginOf("alice", "Summary") || o == OriginOf("bob", "summary") {
		t.Error("an origin is a user, in any case, and a name")
	}
	if got := o.String(); len(got) != 16 || strings.ToLower(got) != got {
		t.Errorf("written as %q", got)
	}
}
