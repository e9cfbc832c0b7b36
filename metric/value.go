package metric

import (
	"math"
	"math/big"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// MaxText is the greatest length of a text sample, in bytes of UTF-8.
const MaxText = 131072

// Kind says what the samples of a metric hold.
type Kind uint8

// The kinds of a metric. The zero Kind is none.
const (
	// KindDatapoint is a numeric metric.
	KindDatapoint Kind = 'p'
	// KindDatasource is a text metric.
	KindDatasource Kind = 'd'
)

// String returns "datapoint", "datasource" or "unknown".
func (k Kind) String() string {
	switch k {
	case KindDatapoint:
		return "datapoint"
	case KindDatasource:
		return "datasource"
	}
	return "unknown"
}

// Metric is a named series of samples of one kind.
type Metric struct {
	URI  URI
	Kind Kind
}

// String returns the URI and the kind.
func (m Metric) String() string { return string(m.URI) + " (" + m.Kind.String() + ")" }

// Value is a number or a text. A number keeps the digits and the scale it was written with, in the canonical form
// of the protocol: 1.50 stays 1.50, 1e5 becomes 1E+5, 007 becomes 7. The zero Value is neither and invalid.
//
// Values are immutable. Two Values that print alike may differ under ==; compare [Value.String] or [Value.Float].
type Value struct {
	text string // the text of a datasource, or a number's canonical text; empty for a number held in bits
	bits uint64 // with form int or float: the number
	kind Kind
	form form
}

// form says where a number's value stands.
type form uint8

const (
	formText  form = iota // in text
	formInt               // in bits, as int64
	formUint              // in bits, as uint64
	formFloat             // in bits, as IEEE 754 binary64
	formFloat32
)

// Number is what can be a datapoint's value: any integer or float type, decimal text, or a [*big.Int].
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr |
		~float32 | ~float64 | ~string | *big.Int
}

// NumberOf returns the Value of a number that is to be sent. A float has the shortest digits that read back as the
// same float of its size. NaN, infinities, text that is no decimal number, and numbers that no float64 can hold are
// an [*InvalidError]. It does not allocate but for text that is not in canonical form and for a [*big.Int].
func NumberOf[N Number](number N) (Value, error) {
	switch v := any(number).(type) {
	case int:
		return intValue(int64(v)), nil
	case int64:
		return intValue(v), nil
	case uint64:
		return uintValue(v), nil
	case float64:
		return floatValue(v, formFloat)
	case float32:
		return floatValue(float64(v), formFloat32)
	case string:
		return sendableNumber(v)
	case *big.Int:
		if v == nil {
			return Value{}, invalid("number", "nil *big.Int", "must not be nil")
		}
		if v.BitLen() > 1024 { // beyond every float64; also spares the conversion of a huge one
			return Value{}, invalid("number", "*big.Int of "+strconv.Itoa(v.BitLen())+" bits", overflowRule)
		}
		return sendableNumber(v.String())
	}
	// The other sizes, and types derived from any of them. reflect does not allocate for these.
	switch v := reflect.ValueOf(number); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intValue(v.Int()), nil
	case reflect.Float64:
		return floatValue(v.Float(), formFloat)
	case reflect.Float32:
		return floatValue(v.Float(), formFloat32)
	case reflect.String:
		return sendableNumber(v.String())
	default:
		return uintValue(v.Uint()), nil
	}
}

const overflowRule = "must lie within the range of a float64"

func intValue(v int64) Value   { return Value{kind: KindDatapoint, form: formInt, bits: uint64(v)} }
func uintValue(v uint64) Value { return Value{kind: KindDatapoint, form: formUint, bits: v} }

func floatValue(v float64, f form) (Value, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Value{}, invalid("number", strconv.FormatFloat(v, 'g', -1, 64), "must be finite")
	}
	return Value{kind: KindDatapoint, form: f, bits: math.Float64bits(v)}, nil
}

// sendableNumber is ParseNumber for the sender, who must not send what receivers cannot compute with.
func sendableNumber(text string) (Value, error) {
	v, err := ParseNumber(text)
	if err == nil && math.IsInf(v.Float(), 0) {
		return Value{}, invalid("number", text, overflowRule)
	}
	return v, err
}

// ParseNumber returns the Value of a number's decimal text: optional blanks around, a sign, digits with an optional
// point and single underscores between them, an optional exponent. At most [MaxDigits] digits and an exponent of
// [MaxExponent]; a float64 need not hold it. The sign of zero is kept. Otherwise it returns an [*InvalidError].
// The Value keeps text where it is in canonical form already.
func ParseNumber(text string) (Value, error) {
	if isPlainCanonical(text) {
		return Value{kind: KindDatapoint, text: text}, nil
	}
	var buf [64]byte
	d, rule := parseDecimal(text, buf[:0])
	if rule != "" {
		return Value{}, invalid("number", text, rule)
	}
	canonical := appendCanonical(make([]byte, 0, len(d.digits)+8), d.negative, d.digits, d.exponent)
	return Value{kind: KindDatapoint, text: string(canonical)}, nil
}

// TextOf returns the Value of a text: valid UTF-8 of at most [MaxText] bytes, possibly empty. Otherwise it returns
// an [*InvalidError].
func TextOf(text string) (Value, error) {
	if len(text) > MaxText {
		return Value{}, invalid("text", text, "must be at most 131072 bytes of UTF-8")
	}
	if !utf8.ValidString(text) {
		return Value{}, invalid("text", text, "must be valid UTF-8")
	}
	return Value{kind: KindDatasource, text: text}, nil
}

// Kind returns what v is: a datapoint's number, a datasource's text, or 0 for the zero Value.
func (v Value) Kind() Kind { return v.kind }

// Float returns the number as the nearest float64, ±Inf where it lies outside its range, and NaN for a text.
func (v Value) Float() float64 {
	if v.kind != KindDatapoint {
		return math.NaN()
	}
	switch v.form {
	case formInt:
		return float64(int64(v.bits))
	case formUint:
		return float64(v.bits)
	case formFloat, formFloat32:
		return math.Float64frombits(v.bits)
	}
	f, _ := strconv.ParseFloat(v.text, 64) // the text is valid; out of range gives ±Inf, as wanted
	return f
}

// String returns the number's canonical text, or the text itself. For a number in canonical text, and for a text,
// it does not allocate.
func (v Value) String() string {
	if v.form == formText {
		return v.text
	}
	return string(v.Append(nil))
}

// Append appends what [Value.String] returns to b.
func (v Value) Append(b []byte) []byte {
	switch v.form {
	case formInt:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case formUint:
		return strconv.AppendUint(b, v.bits, 10)
	case formFloat:
		return appendFloat(b, math.Float64frombits(v.bits), 64)
	case formFloat32:
		return appendFloat(b, math.Float64frombits(v.bits), 32)
	}
	return append(b, v.text...)
}

// Len returns the bytes of memory that v holds beyond its own size.
func (v Value) Len() int { return len(v.text) }

// appendFloat appends the shortest digits of f: plain where its magnitude lies in [1e-6, 1e16) or its digits reach to
// the unit, otherwise in scientific notation. Whole numbers have no point.
func appendFloat(b []byte, f float64, bits int) []byte {
	a := math.Abs(f)
	if a == 0 || 1e-6 <= a && a < 1e16 {
		return strconv.AppendFloat(b, f, 'f', -1, bits)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'E', -1, bits)
	if b[start] == '-' {
		start++
	}
	if 1e16 <= a && a < 1e17 && len(b)-start == len("1.2345678901234567E+16") {
		// Seventeen digits and an exponent of 0: the canonical form of those is plain.
		return strconv.AppendFloat(b[:start], a, 'f', -1, bits)
	}
	// strconv writes at least two exponent digits, 1E-07; the canonical form has no leading zero.
	for i := len(b) - 1; i > start; i-- {
		if (b[i-1] == '+' || b[i-1] == '-') && b[i] == '0' && i > start+1 {
			return append(b[:i], b[i+1:]...)
		}
		if b[i] == 'E' {
			break
		}
	}
	return b
}

// stringOf reads a value whose underlying type is string, which the type system cannot say in a type switch.
func stringOf[T any](v T) string {
	return reflect.ValueOf(v).String()
}
