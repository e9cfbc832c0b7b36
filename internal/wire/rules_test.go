package wire

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/komstream/komstream/metric"
)

// rule is a way in which this package differs from the original on purpose. A rule looks at the frame and the
// original's verdict, never at a case's name or place in the file.
type rule[C, V any] struct {
	name string
	// why is the reason for the difference.
	why string
	// excuse changes want where the rule applies and makes a difference, and reports that.
	excuse func(c *C, want *V) bool
}

var requestRules = []rule[toServer, verdict]{{
	name:   "answer instead of crashing",
	why:    "the original cuts the connection on JSON that is no object; it is answered as malformed, like a list",
	excuse: answerCrash,
}, {
	name:   "booleans are no integers",
	why:    "in the original's language true equals 1, which nobody meant",
	excuse: refuseBooleans,
}, {
	name:   "ids",
	why:    "agent 0.8 is served, whose sequences have 20 hex digits; forms that only the original's parser lets through are not",
	excuse: changeIDs,
}, {
	name:   "contents",
	why:    "numbers are bounded ASCII decimals with their digits kept, never booleans or lists; half a surrogate pair is no text",
	excuse: changeContents,
}}

var messageRules = []rule[toClient, bool]{{
	name: "booleans are no integers",
	why:  "in the original's language true equals 1, which nobody meant",
	excuse: func(c *toClient, want *bool) bool {
		f := openTest(c.JSON)
		return refuseIf(want, isBool(f.V) || isBool(f.payload().Status) || isBool(f.payload().Error))
	},
}, {
	name: "times are not null",
	why:  "a sample, or a bound of a page, without a time can be put nowhere; no hub sends it",
	excuse: func(c *toClient, want *bool) bool {
		p := openTest(c.JSON).payload()
		null := func(v json.RawMessage) bool { return string(v) == "null" }
		found := null(p.T) || null(p.Start) || null(p.End)
		for _, row := range p.rows() {
			found = found || len(row) > 0 && null(row[0])
		}
		return refuseIf(want, found)
	},
}, {
	name: "contents",
	why:  "numbers that are not finite, or that no hub of ours stores, are refused at both ends",
	excuse: func(c *toClient, want *bool) bool {
		_, bad := openTest(c.JSON).contents()
		return refuseIf(want, bad)
	},
}}

func refuseIf(accepted *bool, applies bool) bool {
	if !applies || !*accepted {
		return false
	}
	*accepted = false
	return true
}

func answerCrash(c *toServer, want *verdict) bool {
	if want.Status != -1 {
		return false
	}
	*want = verdict{Status: StatusProtocol, Code: CodeMalformed, Reason: "Malformed message", V: "0"}
	return true
}

func refuseBooleans(c *toServer, want *verdict) bool {
	f := openTest(c.frame())
	switch {
	case isBool(f.V):
		*want = verdict{Status: StatusProtocol, Code: CodeMalformed, Reason: "Malformed message", V: "0", Irt: want.Irt}
	case want.Status == 0 && isBool(f.payload().Count):
		*want = verdict{Status: StatusProtocol, Code: CodeCount, Reason: "protocol error", V: "1", Irt: want.Irt}
	default:
		return false
	}
	return true
}

var (
	shortID   = regexp.MustCompile(`^[0-9a-f]{12}1[0-9a-f]{3}[89ab][0-9a-f]{3}$`)
	hexDigits = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

func changeIDs(c *toServer, want *verdict) bool {
	f := openTest(c.frame())
	seq, irt, p := text(f.Seq), text(f.Irt), f.payload()
	load := parseAction([]byte(text(f.Action))).Code() + faultLoad
	switch {
	case want.Code == CodeMalformed && shortID.MatchString(seq):
		*want = verdict{V: "1", Irt: seq}
	case want.Code == load && shortID.MatchString(irt):
		*want = verdict{V: "1", Irt: want.Irt}
	case want.Status == 0 && !want.Close && odd(seq):
		*want = verdict{Status: StatusProtocol, Code: CodeMalformed, Reason: "Malformed message", V: "1"}
	case want.Status == 0 && !want.Close && (odd(irt) || odd(text(p.T)) || odd(text(p.Start)) || odd(text(p.End))):
		*want = verdict{Status: StatusProtocol, Code: load, Reason: "protocol error", V: "1", Irt: want.Irt}
	default:
		return false
	}
	return true
}

// odd reports whether an id has a form that section 6 of the protocol does not list: digits that only the original's
// parser of integers takes for some.
func odd(id string) bool {
	bare := strings.Trim(strings.NewReplacer("urn:", "", "uuid:", "").Replace(id), "{}")
	return id != "" && !hexDigits.MatchString(strings.ReplaceAll(bare, "-", "")) && !shortID.MatchString(id)
}

func changeContents(c *toServer, want *verdict) bool {
	f := openTest(c.frame())
	action := parseAction([]byte(text(f.Action)))
	code := action.Code() + faultContent
	if action == ActionSendMultiData {
		code = action.Code() + faultURI
	}
	beyondFloat, bad := f.contents()
	switch {
	case bad && (want.Status == 0 && !want.Close || want.Status == StatusExecution):
		*want = verdict{Status: StatusProtocol, Code: code, Reason: "protocol error", V: "1", Irt: want.Irt}
	case !bad && beyondFloat && want.Code == code:
		*want = verdict{V: "1", Irt: want.Irt}
	default:
		return false
	}
	return true
}

// testFrame is a frame as encoding/json reads it, independent of what is tested.
type testFrame struct{ V, Action, Seq, Irt, Payload json.RawMessage }

type testPayload struct {
	Status, Error, Count, T, Start, End, Content, URI, URIs, Data json.RawMessage
}

func openTest(frame []byte) (f testFrame) {
	json.Unmarshal(frame, &f)
	return f
}

func (f testFrame) payload() (p testPayload) {
	json.Unmarshal(f.Payload, &p)
	return p
}

func (p testPayload) rows() (rows [][]json.RawMessage) {
	json.Unmarshal(p.Data, &rows)
	return rows
}

func isBool(v json.RawMessage) bool { return string(v) == "true" || string(v) == "false" }

func text(v json.RawMessage) (s string) {
	json.Unmarshal(v, &s)
	return s
}

// contents looks at every content of a frame: whether one is a JSON number that no float64 holds, and whether one
// breaks the rules of section 11 of the protocol.
func (f testFrame) contents() (beyondFloat, bad bool) {
	p := f.payload()
	check := func(kind string, content json.RawMessage) {
		n, err := strconv.ParseFloat(string(content), 64)
		beyondFloat = beyondFloat || err != nil && math.IsInf(n, 0)
		bad = bad || content != nil && !validContent(kind, content)
	}
	switch text(f.Action) {
	case "send_ds_data":
		check("d", p.Content)
	case "send_dp_data":
		check("p", p.Content)
	case "send_multi_data":
		var items []struct {
			Type    string
			Content json.RawMessage
		}
		json.Unmarshal(p.URIs, &items)
		for _, item := range items {
			check(item.Type, item.Content)
		}
	case "send_data_interval":
		var m struct{ Type string }
		json.Unmarshal(p.URI, &m)
		for _, row := range p.rows() {
			if len(row) == 2 {
				check(m.Type, row[1])
			}
		}
	}
	return beyondFloat, bad
}

// decimalText is the grammar that section 11 recommends, underscores in the fraction let in.
var decimalText = regexp.MustCompile(`^[ \t\n\v\f\r]*[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE]([+-]?\d+))?[ \t\n\v\f\r]*$`)

// validContent is section 11, slow and plain.
func validContent(kind string, content json.RawMessage) bool {
	s, isText := text(content), len(content) > 0 && content[0] == '"'
	if kind != "p" {
		return isText && !loneSurrogate(string(content)) && len(s) <= metric.MaxText && utf8.ValidString(s)
	}
	if !isText {
		s = string(content)
	}
	m := decimalText.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	written := 0
	if exponent := m[len(m)-1]; exponent != "" {
		n, err := strconv.Atoi(exponent)
		if err != nil {
			return false
		}
		written = n
	}
	mantissa := strings.Trim(strings.ReplaceAll(strings.ToLower(s), "_", ""), " \t\n\v\f\r+-")
	mantissa, _, _ = strings.Cut(mantissa, "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := max(1, len(strings.TrimLeft(whole+fraction, "0")))
	exponent := written - len(fraction)
	return max(written, -written) <= metric.MaxExponent && digits <= metric.MaxDigits &&
		exponent >= -metric.MaxExponent && exponent+digits-1 <= metric.MaxExponent
}

var surrogatePair = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
var surrogate = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)

func loneSurrogate(quoted string) bool {
	plain := strings.ReplaceAll(quoted, `\\`, "")
	return surrogate.MatchString(surrogatePair.ReplaceAllString(plain, ""))
}
