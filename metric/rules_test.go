package metric

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// usualForm is the text forms of a UUID that the protocol lists: dashes anywhere, either case, braces, urn and uuid.
var usualForm = regexp.MustCompile(`^[{}-]*(urn:|uuid:)*[{}-]*([0-9a-fA-F]-*){32}[{}-]*$`)

var hexDigits = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

var formRules = []rule[string, string]{{
	name: "usual forms only",
	why:  "the original's parser of integers also lets 0x, +, underscores and digits of other scripts through",
	excuse: func(c string, want *string) bool {
		bare := strings.Trim(strings.NewReplacer("urn:", "", "uuid:", "").Replace(c), "{}")
		return refuseIf(want, !hexDigits.MatchString(strings.ReplaceAll(bare, "-", "")))
	},
}}

var uriRules = []rule[string, uriVerdict]{{
	name: "owners are users",
	why:  "an owner of more than 256 bytes cannot be a user: the original hub fails on it later, with a code of its own",
	excuse: func(c string, want *uriVerdict) bool {
		owner, _, global := strings.Cut(c, ":")
		if !want.valid || !global || len(owner) <= MaxUsername {
			return false
		}
		*want = uriVerdict{}
		return true
	},
}}

// refuseIf changes a verdict, the text accepted or "", to a refusal.
func refuseIf(want *string, applies bool) bool {
	if !applies || *want == "" {
		return false
	}
	*want = ""
	return true
}

// value returns the text of the case's value, and whether it was a string.
func (c *datapointCase) value() (string, bool) {
	if s, ok := isText(c.V); ok {
		return s, true
	}
	return string(c.V), false
}

var hubRules = []rule[*datapointCase, string]{{
	name: "decimal grammar",
	why:  "single underscores between digits, ASCII digits and blanks: more is an accident of the original's decimal parser",
	excuse: func(c *datapointCase, want *string) bool {
		s, ok := c.value()
		return refuseIf(want, ok && slowDecimal(s) == nil)
	},
}, {
	name: "bounds",
	why:  "expanding 1e999999999, or reading a million digits, blocks a hub; 6144 and 4096 are the bounds",
	excuse: func(c *datapointCase, want *string) bool {
		s, _ := c.value()
		d := slowDecimal(s)
		return refuseIf(want, d != nil && !d.bounded())
	},
}, {
	name: "digits of JSON numbers",
	why:  "the original expands the binary value of a float: 0.1 would be stored with 55 digits",
	excuse: func(c *datapointCase, want *string) bool {
		if _, isString := c.value(); isString || c.ClientWire == nil || *c.ClientWire == *want {
			return false
		}
		*want = *c.ClientWire
		return true
	},
}, {
	name: "booleans are no numbers",
	why:  "in the original's language true equals 1, which nobody meant; lists are read as the parts of a number",
	excuse: func(c *datapointCase, want *string) bool {
		return refuseIf(want, len(c.V) > 0 && strings.IndexByte(`tf[`, c.V[0]) >= 0)
	},
}}

var agentRules = []rule[*datapointCase, string]{
	hubRules[0],
	{
		name: "what a receiver can compute with",
		why:  "the original agent sends what the hub refuses, or what no float64 holds",
		excuse: func(c *datapointCase, want *string) bool {
			s, _ := c.value()
			d := slowDecimal(s)
			f, err := strconv.ParseFloat(strings.Trim(strings.ReplaceAll(s, "_", ""), blanks), 64)
			return refuseIf(want, d == nil || !d.bounded() || err != nil && math.IsInf(f, 0))
		},
	},
}

var isoRules = []rule[*isoCase, bool]{{
	name: "milliseconds, in the range of a TimeUUID",
	why:  "the original keeps microseconds and ends with the nanoseconds of an int64, in 2262",
	excuse: func(c *isoCase, want *bool) bool {
		text, _ := isText(c.V)
		_, fraction, _ := strings.Cut(text, ".")
		fraction = strings.TrimRight(fraction[:max(0, strings.IndexAny(fraction+"Z", "Zz+-"))], "0")
		beyond := isoShape.MatchString(text) && (text[:4] >= "2262" || text[:4] <= "1677") && text[:4] >= "1583" && text[:4] <= "5235"
		switch {
		case *want && len(fraction) > 3:
			*want = false
		case !*want && beyond && len(fraction) <= 3:
			*want = true
		default:
			return false
		}
		return true
	},
}}

// isoShape is a text that looks like a time with a zone; whether the date exists is not looked at.
var isoShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

const blanks = " \t\n\v\f\r"

// decimalGrammar is what section 11 of the protocol recommends, with single underscores in the fraction as well.
var decimalGrammar = regexp.MustCompile(`^([+-]?)(\d(?:_?\d)*)?(?:\.(\d(?:_?\d)*)?)?(?:[eE]([+-]?\d+))?$`)

// slowNumber is a number's text taken apart by a regular expression: the oracle of ParseNumber.
type slowNumber struct {
	negative bool
	digits   string // without leading zeros, "0" for zero
	written  string // the exponent as written
	fraction int    // digits behind the point
}

// slowDecimal returns the parts of a number's text, nil where it is none.
func slowDecimal(text string) *slowNumber {
	m := decimalGrammar.FindStringSubmatch(strings.Trim(text, blanks))
	if m == nil || m[2]+m[3] == "" {
		return nil
	}
	whole, fraction := strings.ReplaceAll(m[2], "_", ""), strings.ReplaceAll(m[3], "_", "")
	d := &slowNumber{negative: m[1] == "-", digits: strings.TrimLeft(whole+fraction, "0"), written: m[4], fraction: len(fraction)}
	if d.digits == "" {
		d.digits = "0"
	}
	return d
}

// exponent returns the exponent of the digits read as a whole number, and of the number as written.
func (d *slowNumber) exponent() (whole, written int, ok bool) {
	if d.written != "" {
		var err error
		if written, err = strconv.Atoi(d.written); err != nil {
			return 0, 0, false
		}
	}
	return written - d.fraction, written, true
}

func (d *slowNumber) bounded() bool {
	whole, written, ok := d.exponent()
	return ok && max(written, -written) <= MaxExponent && len(d.digits) <= MaxDigits &&
		whole >= -MaxExponent && whole+len(d.digits)-1 <= MaxExponent
}

// canonical writes the number by the rule of section 11.
func (d *slowNumber) canonical() string {
	e, _, _ := d.exponent()
	sign := ""
	if d.negative {
		sign = "-"
	}
	a := e + len(d.digits) - 1
	if e <= 0 && a >= -6 {
		padded := strings.Repeat("0", max(0, 1-len(d.digits)-e)) + d.digits
		point := len(padded) + e
		if e == 0 {
			return sign + padded
		}
		return sign + padded[:point] + "." + padded[point:]
	}
	s := sign + d.digits[:1]
	if len(d.digits) > 1 {
		s += "." + d.digits[1:]
	}
	if a >= 0 {
		return s + "E+" + strconv.Itoa(a)
	}
	return s + "E" + strconv.Itoa(a)
}
