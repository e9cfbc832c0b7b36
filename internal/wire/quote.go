package wire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// AppendQuoted appends text as a JSON string in ASCII, escaped as Python's json.dumps does it. What is not valid
// UTF-8 becomes U+FFFD. It does not allocate beyond b.
func AppendQuoted(b []byte, text string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(text); {
		c := text[i]
		if plainByte[c] {
			i++
			continue
		}
		b = append(b, text[done:i]...)
		if c < utf8.RuneSelf {
			b = appendEscape(b, rune(c))
			i++
		} else {
			r, size := utf8.DecodeRuneInString(text[i:])
			b = appendEscape(b, r)
			i += size
		}
		done = i
	}
	return append(append(b, text[done:]...), '"')
}

// plainByte marks the bytes that stand for themselves in a JSON string of this package.
var plainByte = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendHex4(appendHex4(b, high), low)
	}
	return appendHex4(b, r)
}

func appendHex4(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
