package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/komstream/komstream/metric"
)

// printJSON writes one value in one line.
func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// jsonList is a list for JSON: an empty one is [], not null.
func jsonList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// terminal returns the file behind a stream that is a terminal.
func terminal(stream any) (*os.File, bool) {
	file, ok := stream.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// timeText writes the time of a sample in UTC, to the millisecond, or finer where it is finer.
func timeText(t time.Time) string {
	if t.Nanosecond()%int(time.Millisecond) == 0 {
		return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// jsonSample is a sample as JSON: what `komstream send --ndjson` reads.
type jsonSample struct {
	URI   metric.URI `json:"uri"`
	Time  string     `json:"time"`
	Value any        `json:"value"`
}

func toJSON(s metric.Sample) jsonSample {
	return jsonSample{s.URI, timeText(s.When()), jsonValue(s.Value)}
}

// jsonValue is a number with all its digits, a string, or null for the zero value.
func jsonValue(v metric.Value) any {
	switch v.Kind() {
	case metric.KindDatapoint:
		return json.Number(v.String())
	case metric.KindDatasource:
		return v.String()
	}
	return nil
}

// valueText writes a value in one line of at most width characters, 0 for any: what would move the cursor is quoted.
func valueText(v metric.Value, width int) string {
	text := v.String()
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	if width > 0 {
		if r := []rune(text); len(r) > width {
			text = string(r[:width-1]) + "…"
		}
	}
	return text
}

// ageText writes how long something is ago in its two greatest units.
func ageText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return sign + d.Truncate(100*time.Millisecond).String()
	case d < time.Hour:
		return sign + fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return sign + fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return sign + fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}
