package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestQuotedAsPythonDoes(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `""`,
		"plain ~ !":              `"plain ~ !"`,
		"\"\\/":                  `"\"\\/"`,
		"\b\f\n\r\t":             `"\b\f\n\r\t"`,
		"\x00\x01\x1f\x7f":       `"\u0000\u0001\u001f\u007f"`,
		"ñ€日本":                   `"\u00f1\u20ac\u65e5\u672c"`,
		"😀\U0010ffff":            `"\ud83d\ude00\udbff\udfff"`,
		"<a&b>\u2028":            `"<a&b>\u2028"`,
		"a\xffb\xed\xa0\x80\xc3": `"a\ufffdb\ufffd\ufffd\ufffd\ufffd"`,
	} {
		if got := string(AppendQuoted(nil, text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	if got := string(AppendQuoted([]byte("x"), "y")); got != `x"y"` {
		t.Errorf("appended as %s", got)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("")
	f.Add("a\nñ😀\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		quoted := AppendQuoted(nil, text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil {
			t.Fatal(err)
		}
		own, ok := unquote(quoted)
		if !ok || string(own) != back {
			t.Fatalf("%q is read as %q and %q", quoted, own, back)
		}
		if utf8.ValidString(text) && back != text {
			t.Fatalf("got %q, want %q", back, text)
		}
		if i := strings.IndexFunc(string(quoted), func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Fatalf("%q is not printable ASCII", quoted)
		}
	})
}
