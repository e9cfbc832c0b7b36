package metric

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// checkNumber compares ParseNumber with the slow oracle.
func checkNumber(t *testing.T, text string) {
	t.Helper()
	v, err := ParseNumber(text)
	d := slowDecimal(text)
	if want := d != nil && d.bounded(); (err == nil) != want {
		t.Fatalf("%.100q: got %v, want accepted %v", text, err, want)
	}
	if err != nil {
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != "number" || len(err.Error()) > 500 {
			t.Fatalf("%.100q: error %.400v", text, err)
		}
		return
	}
	got := v.String()
	if want := d.canonical(); got != want {
		t.Fatalf("%q: got %q, want %q", text, got, want)
	}
	again, err := ParseNumber(got)
	if err != nil || again.String() != got {
		t.Fatalf("%q is canonical as %q, then %q, %v", text, got, again, err)
	}
	plain := strings.Trim(strings.ReplaceAll(text, "_", ""), blanks)
	if !sameNumber(plain, got) {
		t.Fatalf("%q becomes %q, another number", text, got)
	}
	if want, _ := strconv.ParseFloat(plain, 64); v.Float() != want || v.Kind() != KindDatapoint {
		t.Fatalf("%q is %v, want %v", text, v.Float(), want)
	}
}

// randomNumber returns text that is mostly a number, and now and then nearly one.
func randomNumber(r *rand.Rand) string {
	digits := func(most int) string {
		s := ""
		for range r.IntN(most + 1) {
			s += string("0123456789000"[r.IntN(13)])
			if r.IntN(12) == 0 {
				s += "_"
			}
		}
		return s
	}
	s := []string{"", "", "", "+", "-", "-", " -", "\t"}[r.IntN(8)] + digits(12)
	if r.IntN(2) == 0 {
		s += "." + digits(12)
	}
	if r.IntN(3) == 0 {
		s += string("eE"[r.IntN(2)]) + []string{"", "+", "-"}[r.IntN(3)] + strconv.Itoa(r.IntN(1<<r.IntN(15)))
	}
	if r.IntN(10) == 0 {
		i := r.IntN(len(s) + 1)
		s = s[:i] + string("+-._e x"[r.IntN(7)]) + s[i:]
	}
	return s
}

func TestParseNumberAgainstOracle(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 30_000 {
		if checkNumber(t, randomNumber(r)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, text := range []string{
		"", " ", ".", "5.", ".5", "-.5", "+-1", "1__0", "_1", "1_", "1_000.0_1", "1_.5", "1._5", "1e1_0", "1e", "e5", "1e+", "١", "1\u00a0",
		"-0", "-0.00", "0e5", "0E-7", "0.0000001", "0.000001", "1e6144", "1e6145", "10e6144", "1e-6144", "1e-6145", "0.1e-6144",
		"1e99999999999999999999", "1e-99999999999999999999x", "NaN", "Infinity", "0x1", "1,5", "\x001", "1\x00",
		strings.Repeat("9", 4096), strings.Repeat("9", 4097), strings.Repeat("0", 5000) + "7", "0." + strings.Repeat("0", 6143) + "1",
		"0." + strings.Repeat("0", 6144) + "1", strings.Repeat("1", 33), strings.Repeat("1", 32) + ".", "-" + strings.Repeat("0", 31) + "1",
	} {
		checkNumber(t, text)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.50", " 1_000e-5\n", "5.", ".5", "1e6145", "1__0", "0.0000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 { // the oracle is slow
			return
		}
		checkNumber(t, text)
	})
}

func TestFloatsHaveShortestDigits(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	check := func(v Value, err error, want float64, bits int) {
		t.Helper()
		text := v.String()
		back, parseErr := strconv.ParseFloat(text, bits)
		if err != nil || parseErr != nil || back != want || v.Float() != want {
			t.Fatalf("seed %d: %v is written %q, read %v: %v, %v", seed, want, text, back, err, parseErr)
		}
		parsed, err := ParseNumber(text)
		if err != nil || parsed.String() != text {
			t.Fatalf("seed %d: %q is not canonical: %q, %v", seed, text, parsed, err)
		}
		// The shortest digits that read back as the same float are those of strconv.
		if digits(text) != digits(strconv.FormatFloat(want, 'e', -1, bits)) {
			t.Fatalf("seed %d: %q is not the shortest of %v", seed, text, want)
		}
	}
	for range 20_000 {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			v, err := NumberOf(f)
			check(v, err, f, 64)
		}
		if f := math.Float32frombits(r.Uint32()); f == f && !math.IsInf(float64(f), 0) {
			v, err := NumberOf(f)
			check(v, err, float64(f), 32)
		}
		f := math.Round(r.NormFloat64()*1e6) / 100 // what people measure
		v, err := NumberOf(f)
		check(v, err, f, 64)
	}
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "-0", 1: "1", 0.1: "0.1", 1e15: "1000000000000000", 1e16: "1E+16", 1e-6: "0.000001",
		1e-7: "1E-7", 1.5e-7: "1.5E-7", 1e300: "1E+300", 17198801837112554: "17198801837112554",
		-17198801837112554: "-17198801837112554", -1719880183711255e1: "-1.719880183711255E+16", 123456789012345678e0: "1.2345678901234568E+17", 5e-324: "5E-324", math.MaxFloat64: "1.7976931348623157E+308",
	} {
		if v, err := NumberOf(f); err != nil || v.String() != want {
			t.Errorf("%v: got %q, %v, want %q", f, v, err, want)
		}
	}
}

// digits returns the significant digits of a number's text, without zeros at either end.
func digits(text string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	return strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(mantissa), "0")
}

type (
	myInt    int16
	myUint   uint8
	myFloat  float32
	myNumber string
)

func TestNumberOfEveryType(t *testing.T) {
	check := func(want string) func(Value, error) {
		return func(v Value, err error) {
			t.Helper()
			if err != nil || v.String() != want || v.Kind() != KindDatapoint {
				t.Errorf("got %q, %v, want %q", v, err, want)
			}
		}
	}
	check("-5")(NumberOf(-5))
	check("-128")(NumberOf(int8(-128)))
	check("-9223372036854775808")(NumberOf(int64(math.MinInt64)))
	check("18446744073709551615")(NumberOf(uint64(math.MaxUint64)))
	check("7")(NumberOf(uintptr(7)))
	check("0.1")(NumberOf(float32(0.1)))
	check("-3")(NumberOf(myInt(-3)))
	check("200")(NumberOf(myUint(200)))
	check("2.5")(NumberOf(myFloat(2.5)))
	check("1.50")(NumberOf("1.50"))
	check("7")(NumberOf(myNumber("007")))
	check("123456789012345678901234567890")(NumberOf(bigInt("123456789012345678901234567890")))
}

func bigInt(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic(text)
	}
	return n
}

func TestNumbersMustBeFinite(t *testing.T) {
	check := func(what string) func(Value, error) {
		return func(_ Value, err error) {
			t.Helper()
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Errorf("%s: got %v", what, err)
			}
		}
	}
	check("NaN")(NumberOf(math.NaN()))
	check("+Inf")(NumberOf(math.Inf(1)))
	check("-Inf")(NumberOf(float32(math.Inf(-1))))
	check("1e400")(NumberOf("1e400"))
	check("-1e309")(NumberOf("-1e309"))
	check("Infinity")(NumberOf("Infinity"))
	check("nil")(NumberOf((*big.Int)(nil)))
	check("2^1024")(NumberOf(new(big.Int).Lsh(big.NewInt(1), 1024)))
	check("2^100000000")(NumberOf(new(big.Int).Lsh(big.NewInt(1), 100_000_000)))
	if v, err := ParseNumber("1e400"); err != nil || !math.IsInf(v.Float(), 1) || v.String() != "1E+400" {
		t.Errorf("what others send: %v, %v, %v", v, v.Float(), err)
	}
}

func TestNumbersDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 64)
	var sink Value
	for name, f := range map[string]func(){
		"int":     func() { sink, _ = NumberOf(14) },
		"uint8":   func() { sink, _ = NumberOf(uint8(14)) },
		"float64": func() { sink, _ = NumberOf(14.63) },
		"float32": func() { sink, _ = NumberOf(float32(14.63)) },
		"text":    func() { sink, _ = ParseNumber("14.63") },
		"append":  func() { buf = sink.Append(buf[:0]) },
		"uri":     func() { _ = URI("friend:host1.cpu.system").Check() },
		"time": func() {
			if _, ok := DecodeTimeUUID([]byte("6f2b4c00d05a11e7a1b2030405060708")); !ok {
				t.Error("refused")
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestTexts(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "a\x00b": true, "ñ": true, "a\xff": false, "\xed\xa0\x80": false,
		strings.Repeat("x", MaxText): true, strings.Repeat("x", MaxText+1): false, strings.Repeat("ñ", MaxText/2): true,
	} {
		v, err := TextOf(text)
		if (err == nil) != ok {
			t.Errorf("%.20q of %d bytes: got %v", text, len(text), err)
		}
		if ok && (v.String() != text || v.Kind() != KindDatasource || !math.IsNaN(v.Float()) || v.Len() != len(text)) {
			t.Errorf("%.20q: got %+.20v", text, v)
		}
	}
	if (Value{}).Kind() != 0 || (Value{}).Kind().String() != "unknown" || KindDatapoint.String() != "datapoint" || KindDatasource.String() != "datasource" {
		t.Error("kinds are named wrongly")
	}
}
