package wire

import (
	"bytes"
	"iter"
	"math"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// notFinite takes the place of the bare literals NaN, Infinity and -Infinity, which Python writes and reads and JSON
// does not know. It is a number that no rule of the protocol accepts: no integer, and beyond metric.MaxExponent.
const notFinite = "1e99999999"

// parse returns frame, without the blanks around, when it is JSON, and nil otherwise. Bare NaN and Infinity are
// replaced in a copy, so that they fail where they stand and not as JSON. Frame must be valid UTF-8; surrogates
// that stand alone in escapes pass, and are found by unquote.
func parse(frame []byte) []byte {
	if !isJSON(frame) {
		if frame = replaceNotFinite(frame); frame == nil || !isJSON(frame) {
			return nil
		}
	}
	return bytes.Trim(frame, " \t\r\n")
}

func isJSON(frame []byte) bool {
	return jsontext.Value(frame).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// replaceNotFinite returns a copy of frame with the bare literals replaced, or nil if it holds none.
func replaceNotFinite(frame []byte) []byte {
	most := bytes.Count(frame, []byte("NaN")) + bytes.Count(frame, []byte("Infinity"))
	if most == 0 {
		return nil
	}
	out := make([]byte, 0, len(frame)+most*len(notFinite))
	done, inString := 0, false
	for i := 0; i < len(frame); i++ {
		switch c := frame[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString || c != 'N' && c != 'I' && c != '-':
		default:
			if n := lenNotFinite(frame, i); n > 0 {
				out = append(append(out, frame[done:i]...), notFinite...)
				i += n - 1
				done = i + 1
			}
		}
	}
	if done == 0 {
		return nil
	}
	return append(out, frame[done:]...)
}

// lenNotFinite returns the length of the bare literal that stands at i, 0 if there is none. A literal stands alone:
// "1NaN" must not become a number.
func lenNotFinite(frame []byte, i int) int {
	if i > 0 && bytes.IndexByte([]byte(" \t\r\n,:["), frame[i-1]) < 0 {
		return 0
	}
	for _, literal := range []string{"NaN", "Infinity", "-Infinity"} {
		if rest, found := bytes.CutPrefix(frame[i:], []byte(literal)); found {
			if len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n,]}"), rest[0]) >= 0 {
				return len(literal)
			}
		}
	}
	return 0
}

// The rest of this file walks what parse has accepted: it relies on valid JSON and checks nothing again. A value is
// the slice of the frame that spells it, without blanks around; nil stands for a member that is not there.

func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// endOfString returns the index behind the string that begins at i.
func endOfString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// endOfValue returns the index behind the value that begins at i.
func endOfValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return endOfString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = endOfString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != ']' && b[i] != '}' && b[i] > ' ' {
		i++
	}
	return i
}

// members yields the names, unquoted, and values of an object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := skipBlanks(object, 1); object[i] != '}'; {
			end := endOfString(object, i)
			name := object[i+1 : end-1]
			if bytes.IndexByte(name, '\\') >= 0 {
				name, _ = appendUnquoted(nil, object[i:end])
			}
			i = skipBlanks(object, skipBlanks(object, end)+1) // behind the colon
			end = endOfValue(object, i)
			if !yield(name, object[i:end]) {
				return
			}
			if i = skipBlanks(object, end); object[i] == ',' {
				i = skipBlanks(object, i+1)
			}
		}
	}
}

// elements yields the index and value of each element of an array.
func elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(index int, value []byte) bool) {
		n := 0
		for i := skipBlanks(array, 1); array[i] != ']'; n++ {
			end := endOfValue(array, i)
			if !yield(n, array[i:end]) {
				return
			}
			if i = skipBlanks(array, end); array[i] == ',' {
				i = skipBlanks(array, i+1)
			}
		}
	}
}

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }
func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }
func isArray(value []byte) bool  { return len(value) > 0 && value[0] == '[' }
func isNull(value []byte) bool   { return len(value) > 0 && value[0] == 'n' }
func isNumber(value []byte) bool {
	return len(value) > 0 && (value[0] == '-' || '0' <= value[0] && value[0] <= '9')
}

// digits returns the digits of an integer that is not negative; "-0" is 0. ok is false for anything else: 1.0 and
// 1e0 are no integers on this wire.
func digits(value []byte) (text []byte, ok bool) {
	if string(value) == "-0" {
		return value[1:], true
	}
	for _, c := range value {
		if c < '0' || '9' < c {
			return nil, false
		}
	}
	return value, len(value) > 0
}

// integer returns an integer that is not negative and at most limit.
func integer(value []byte, limit uint64) (n uint64, ok bool) {
	text, ok := digits(value)
	for _, c := range text {
		d := uint64(c - '0')
		if d > limit || n > (limit-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, ok
}

// clampedInt returns an integer that is not negative; what no int holds is the greatest one.
func clampedInt(value []byte) (n int, ok bool) {
	if m, ok := integer(value, math.MaxInt); ok {
		return int(m), true
	}
	_, ok = digits(value)
	return math.MaxInt, ok
}

// appendUnquoted appends what a JSON string, quotes included, spells to dst. ok is false where an escape is none,
// or a surrogate stands alone, which becomes U+FFFD.
func appendUnquoted(dst, quoted []byte) (out []byte, ok bool) {
	s := quoted[1 : len(quoted)-1]
	ok = true
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...), ok
		}
		dst = append(dst, s[:i]...)
		s = s[i+1:]
		if len(s) == 0 {
			return dst, false
		}
		c := s[0]
		s = s[1:]
		if c != 'u' {
			plain := unescape[c]
			if plain == 0 {
				return dst, false
			}
			dst = append(dst, plain)
			continue
		}
		r, size := unescapeRune(s)
		if size == 0 {
			return dst, false
		}
		ok = ok && r >= 0
		if r < 0 {
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
		s = s[size:]
	}
}

var unescape = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescapeRune reads the digits of a \u escape, and the whole second escape where the first is half of a pair. The
// rune is -1 for a surrogate that stands alone, the size 0 where there are no four digits.
func unescapeRune(s []byte) (r rune, size int) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if len(s) >= 10 && s[4] == '\\' && s[5] == 'u' {
		if second, ok := hex4(s[6:]); ok {
			if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
				return pair, 10
			}
		}
	}
	return -1, 4
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
