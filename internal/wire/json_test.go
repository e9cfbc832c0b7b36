package wire

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzJSON compares the walk through a frame with encoding/json.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, ` [1, 2.5 ,"a\"]"] `, `{"a":{"b":[{}, [], "}"]},"a": null , "\u0061b" : -1e5}`, `{"a" 1}`, `"\ud800"`,
		`{"\ud83d\ude00":"\ud83d","":[[[]]]}`, `nul`, "\ufeff{}", `{"a":1,}`, `01`, `"` + "\x01" + `"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if !utf8.Valid(frame) || replaceNotFinite(frame) != nil {
			return
		}
		value := parse(frame)
		if (value != nil) != json.Valid(frame) {
			t.Fatalf("parsed %v, encoding/json says %v: %q", value != nil, json.Valid(frame), frame)
		}
		if value != nil {
			compareWalk(t, value)
		}
	})
}

func compareWalk(t *testing.T, value []byte) {
	switch {
	case isObject(value):
		var want map[string]json.RawMessage
		if err := json.Unmarshal(value, &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for name, v := range members(value) {
			got[string(name)] = v
		}
		if len(got) != len(want) {
			t.Fatalf("%d members, want %d: %q", len(got), len(want), value)
		}
		for name, v := range want {
			if !bytes.Equal(got[name], v) {
				t.Fatalf("member %q is %q, want %q", name, got[name], v)
			}
			compareWalk(t, v)
		}
	case isArray(value):
		var want []json.RawMessage
		if err := json.Unmarshal(value, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i, v := range elements(value) {
			if n++; n > len(want) || !bytes.Equal(v, want[i]) {
				t.Fatalf("element %d is %q of %q", i, v, value)
			}
			compareWalk(t, v)
		}
		if n != len(want) {
			t.Fatalf("%d elements, want %d", n, len(want))
		}
	case isString(value):
		var want string
		if err := json.Unmarshal(value, &want); err != nil {
			t.Fatal(err)
		}
		got, ok := unquote(value)
		if string(got) != want || ok == loneSurrogate(string(value)) {
			t.Fatalf("%q is %q, %v, want %q", value, got, ok, want)
		}
	}
}

func TestBareNotFiniteNumbersAreJSON(t *testing.T) {
	for _, c := range []struct {
		frame string
		ok    bool
	}{
		{`NaN`, true}, {`[NaN]`, true}, {`[-Infinity,Infinity , NaN]`, true}, {`{"a":NaN}`, true}, {`{"NaN":"NaN"}`, true},
		{`1NaN`, false}, {`NaN1`, false}, {`-NaN`, false}, {`nan`, false}, {`[NaN NaN]`, false}, {`Infinityy`, false},
		{`{NaN:1}`, false}, {`"\"NaN`, false}, {`--Infinity`, false}, {`+Infinity`, false}, {`NaN.5`, false},
	} {
		if got := parse([]byte(c.frame)) != nil; got != c.ok {
			t.Errorf("%s: JSON %v, want %v", c.frame, got, c.ok)
		}
	}
}

func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit uint64
		n     uint64
		ok    bool
	}{
		{"0", 0, 0, true}, {"-0", 10, 0, true}, {"5", 4, 0, false}, {"10", 10, 10, true}, {"11", 10, 0, false},
		{"18446744073709551615", 1<<64 - 1, 1<<64 - 1, true}, {"18446744073709551616", 1<<64 - 1, 0, false},
		{"-1", 10, 0, false}, {"1.0", 10, 0, false}, {"1e0", 10, 0, false}, {"true", 10, 0, false}, {`"1"`, 10, 0, false},
		{"", 10, 0, false}, {"null", 10, 0, false},
	} {
		if n, ok := integer([]byte(c.text), c.limit); ok != c.ok || ok && n != c.n {
			t.Errorf("%s: got %d, %v", c.text, n, ok)
		}
	}
}
