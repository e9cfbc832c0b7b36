package metric

import (
	"strconv"
	"strings"
)

// Bounds of a number's text. They keep hostile input cheap: a decimal library asked to expand 1e999999999 takes
// all memory, and a million digits take half a minute.
const (
	// MaxDigits is the greatest number of digits in a number's text, leading zeros not counted.
	MaxDigits = 4096
	// MaxExponent is the greatest absolute value of a number's exponent: as written, and as it results when the
	// digits are read as a whole number.
	MaxExponent = 6144
)

// decimal is a number as its text spells it: the sign, the significant digits without leading zeros ("0" for zero),
// and the power of ten they are multiplied with. Trailing zeros are significant.
type decimal struct {
	negative bool
	digits   []byte
	exponent int
}

// parseDecimal reads blanks, a sign, digits with an optional point, an optional exponent, blanks. Single
// underscores may stand between digits. The digits are appended to buf. ok is false when text is no number.
func parseDecimal(text string, buf []byte) (d decimal, rule string) {
	const notNumber = "must be a decimal number"
	s := strings.Trim(text, " \t\n\v\f\r")
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		d.negative = s[i] == '-'
		i++
	}
	d.digits = buf
	seen, point := 0, false // digits seen, whether the point was
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			seen++
			if point {
				d.exponent--
			}
			if c != '0' || len(d.digits) > len(buf) {
				if len(d.digits)-len(buf) == MaxDigits {
					return d, "must have at most 4096 digits"
				}
				d.digits = append(d.digits, c)
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		case c == '_' && betweenDigits(s, i):
			continue
		}
		break
	}
	if seen == 0 {
		return d, notNumber
	}
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' {
			return d, notNumber
		}
		exponent, rule := parseExponent(s[i+1:])
		if rule != "" {
			return d, rule
		}
		d.exponent += exponent
	}
	if len(d.digits) == len(buf) {
		d.digits = append(d.digits, '0')
	}
	if d.exponent < -MaxExponent || d.exponent+len(d.digits)-len(buf)-1 > MaxExponent {
		return d, "must have an exponent between -6144 and 6144"
	}
	return d, ""
}

func parseExponent(s string) (exponent int, rule string) {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if i == len(s) {
		return 0, "must be a decimal number"
	}
	for ; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, "must be a decimal number"
		}
		if exponent = exponent*10 + int(s[i]-'0'); exponent > MaxExponent {
			// Read on: what follows may not be a digit, and then the sentence would be the wrong one.
			exponent = MaxExponent + 1
		}
	}
	if exponent > MaxExponent {
		return 0, "must have an exponent between -6144 and 6144"
	}
	if s[0] == '-' {
		exponent = -exponent
	}
	return exponent, ""
}

func betweenDigits(s string, i int) bool {
	isDigit := func(i int) bool { return i >= 0 && i < len(s) && '0' <= s[i] && s[i] <= '9' }
	return isDigit(i-1) && isDigit(i+1)
}

// appendCanonical appends the canonical text of the number, digits given without leading zeros, times ten to the
// exponent: plain notation where the exponent is at most 0 and the first digit stands no further right than the
// millionths, otherwise scientific, "1.5E+3". (The rule is that of the decimal arithmetic specification's
// to-scientific-string, which the protocol's first implementation used.)
func appendCanonical(b []byte, negative bool, digits []byte, exponent int) []byte {
	if negative {
		b = append(b, '-')
	}
	adjusted := exponent + len(digits) - 1
	switch {
	case exponent > 0 || adjusted < -6:
		b = append(b, digits[0])
		if len(digits) > 1 {
			b = append(append(b, '.'), digits[1:]...)
		}
		b = append(b, 'E')
		if adjusted >= 0 {
			b = append(b, '+')
		}
		return strconv.AppendInt(b, int64(adjusted), 10)
	case exponent == 0:
		return append(b, digits...)
	case adjusted >= 0:
		b = append(b, digits[:adjusted+1]...)
		return append(append(b, '.'), digits[adjusted+1:]...)
	default:
		b = append(b, "0."...)
		for range -adjusted - 1 {
			b = append(b, '0')
		}
		return append(b, digits...)
	}
}

// isPlainCanonical reports whether text is in canonical form already and so short that no bound can be passed: the
// way of nearly every number on the wire, which then costs no second pass and no copy.
func isPlainCanonical[T ~string | ~[]byte](text T) bool {
	i := 0
	if i < len(text) && text[i] == '-' {
		i++
	}
	if len(text) > 32 || i == len(text) || text[i] < '0' || text[i] > '9' {
		return false
	}
	if text[i] == '0' && i+1 < len(text) && text[i+1] != '.' {
		return false // a leading zero
	}
	point := -1
	for j := i + 1; j < len(text); j++ {
		switch c := text[j]; {
		case '0' <= c && c <= '9':
		case c == '.' && point < 0:
			point = j
		default:
			return false
		}
	}
	if point < 0 {
		return true
	}
	// "5." is not canonical; 0.0000001 is written in scientific notation.
	return point != len(text)-1 && (text[i] != '0' || len(text)-point <= 7)
}
