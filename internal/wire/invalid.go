package wire

import (
	"errors"
	"strconv"
	"strings"

	"github.com/komstream/komstream/metric"
)

// ErrUnknownAction is the cause of an [*InvalidError] for a message whose action an agent does not know. A newer hub
// may send such messages; they can be passed over.
var ErrUnknownAction = errors.New("unknown action")

// InvalidError says which rule of the protocol a frame breaks.
type InvalidError struct {
	// Field names what was checked, as a path in the frame: "seq", "payload.uris[3].content".
	Field string
	// Value is the offending JSON, shortened to about 80 bytes, or "(missing)".
	Value string
	// Rule is what it should have been, as a clause: "must be a string".
	Rule string

	cause error
}

// Error returns "wire: FIELD VALUE RULE".
func (e *InvalidError) Error() string { return "wire: " + e.detail() }

// Unwrap returns [ErrUnknownAction] where that is the cause, otherwise nil.
func (e *InvalidError) Unwrap() error { return e.cause }

func (e *InvalidError) detail() string { return e.Field + " " + e.Value + " " + e.Rule }

// within returns e with its field below the given path.
func (e *InvalidError) within(path string) *InvalidError {
	if e != nil {
		e.Field = path + e.Field
	}
	return e
}

// invalid returns the error for a value as it stands in the frame; nil stands for a missing one.
func invalid(field string, value []byte, rule string) *InvalidError {
	if value == nil {
		return &InvalidError{Field: field, Value: "(missing)", Rule: "must be present"}
	}
	return &InvalidError{Field: field, Value: shorten(value), Rule: rule}
}

// invalidMetric turns the error of a constructor of package metric into one about a field of the frame.
func invalidMetric(field string, value []byte, err error) *InvalidError {
	var e *metric.InvalidError
	if errors.As(err, &e) {
		return invalid(field, value, e.Rule)
	}
	return invalid(field, value, err.Error())
}

// shorten bounds what an error repeats of its input, and keeps it on one line.
func shorten(value []byte) string {
	const most = 64
	text, rest := string(value[:min(len(value), most)]), ""
	if len(value) > most {
		rest = "… (" + strconv.Itoa(len(value)) + " bytes)"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if text == notFinite {
		text = "NaN or Infinity"
	}
	return text + rest
}
