package metric

import (
	"strconv"
	"strings"
)

// InvalidError says which rule an input breaks. It is the error of every constructor and check of this package.
type InvalidError struct {
	// Field names what was checked: "uri", "username", "time", "number", "text", "kind",
	// "supplies", "supplies[2]".
	Field string
	// Value is the offending input, quoted, shortened to about 80 bytes.
	Value string
	// Rule is what it should have been, as a clause: "must be finite".
	Rule string
}

// Error returns "metric: FIELD VALUE RULE".
func (e *InvalidError) Error() string {
	return "metric: " + e.Field + " " + e.Value + " " + e.Rule
}

func invalid(field, value, rule string) error {
	return &InvalidError{Field: field, Value: quote(value), Rule: rule}
}

// quote bounds what an error repeats of its input, so that a hostile megabyte does not end up in a log line.
func quote(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "… (" + strconv.Itoa(len(s)) + " bytes)"
}
