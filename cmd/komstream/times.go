package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/komstream/komstream/metric"
)

// parseMoment reads a time of a flag: "now", a distance from now such as -1h, -90s, -7d or +5m, a day 2026-11-24 in
// UTC, or ISO 8601 with a zone. The empty text is the zero time.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	switch {
	case text == "":
		return time.Time{}, nil
	case text == "now":
		return now, nil
	case text[0] == '-' || text[0] == '+':
		if d, err := parseSpan(text); err == nil {
			return now.Add(d), nil
		}
	default:
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t, nil
		}
		if t, err := metric.ParseTime(text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage(fmt.Errorf("%s %q must be now, a distance like -1h or -7d, a day like 2026-11-24, or a time with a "+
		"zone like 2026-11-24T10:00:00Z", flag, text))
}

// parseSpan reads a duration that may have days (d) and weeks (w) in front.
func parseSpan(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	rest = strings.TrimPrefix(rest, "+")
	var total time.Duration
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		before, after, found := strings.Cut(rest, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("duration %q: %q must be a whole number", text, before)
		}
		total += time.Duration(n) * unit.size
		rest = after
	}
	if rest != "" || total == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("duration %q must be like 90s, 1h30m or 7d", text)
		}
		total += d
	}
	if negative {
		total = -total
	}
	return total, nil
}
