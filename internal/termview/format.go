package termview

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
)

// bars are the heights of a spark line.
var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws the newest values, at most width of them, between the least and the greatest of those drawn. What does
// not change is drawn at half height: the view does not know whether it is high or low.
func spark(values []float64, width int) string {
	values = values[max(0, len(values)-max(0, width)):]
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	line := make([]rune, len(values))
	for i, v := range values {
		switch {
		case !finite(v):
			line[i] = ' '
		case high == low:
			line[i] = bars[len(bars)/2-1]
		default:
			// Halves first: the difference of two float64 may overflow.
			part := (v/2 - low/2) / (high/2 - low/2)
			line[i] = bars[int(math.Round(part*float64(len(bars)-1)))]
		}
	}
	return string(line)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// units are the steps of a thousand.
var units = []string{"", "k", "M", "G", "T", "P", "E"}

// number writes a value in at most eight columns, four digits of it and the unit of a thousand: 14.63, 1.234k, 68.72G.
func number(v float64) string {
	if !finite(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	a := math.Abs(v)
	if a != 0 && (a < 0.001 || a >= 1e21) {
		return strconv.FormatFloat(v, 'e', 1, 64)
	}
	unit := 0
	for a >= 9999.5 || unit > 0 && a >= 999.95 {
		a /= 1000
		unit++
	}
	decimals := 3
	for limit := 9.9995; limit <= a && decimals > 0; limit *= 10 {
		decimals--
	}
	text := strconv.FormatFloat(a, 'f', decimals, 64)
	if unit == 0 && strings.ContainsRune(text, '.') {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if v < 0 {
		text = "-" + text
	}
	return text + units[unit]
}

// grouped writes a count with commas between the thousands.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// span writes a duration in at most seven columns, three digits of it: 1.23ms, 45.6s, 12m05s.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Minute:
		return d.Round(magnitude(d) / 100).String()
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}

// magnitude returns the greatest power of ten nanoseconds that is not above d.
func magnitude(d time.Duration) time.Duration {
	m := time.Duration(1)
	for m*10 <= d {
		m *= 10
	}
	return m
}

// clock writes an uptime as hours, minutes and seconds.
func clock(d time.Duration) string {
	s := int64(max(0, d) / time.Second)
	two := func(n int64) string { return strconv.FormatInt(100+n, 10)[1:] }
	return strconv.FormatInt(s/3600, 10) + ":" + two(s/60%60) + ":" + two(s%60)
}

// clean returns the first line of a text of a stranger, without what could move the cursor or garble the view.
func clean(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// fit returns text in exactly width columns: cut with an ellipsis, or filled up on the right.
func fit(text string, width int) string {
	have := lipgloss.Width(text)
	if have <= width {
		return text + strings.Repeat(" ", width-have)
	}
	if width <= 0 {
		return ""
	}
	var b strings.Builder
	used := 0
	for _, r := range text {
		w := lipgloss.Width(string(r))
		if used+w > width-1 {
			break
		}
		b.WriteRune(r)
		used += w
	}
	return b.String() + "…" + strings.Repeat(" ", width-1-used)
}

// right returns text in exactly width columns, filled up on the left.
func right(text string, width int) string {
	if have := lipgloss.Width(text); have < width {
		return strings.Repeat(" ", width-have) + text
	}
	return fit(text, width)
}
