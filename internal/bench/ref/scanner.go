package ref

import (
	"errors"
	"strconv"
)

// Update is one sample of a notification.
type Update struct {
	// URI is valid until the next Scan.
	URI []byte
	// Value is the sample's number.
	Value float64
}

// Scanner decodes notifications of numbers. Its zero value is ready; it is used by one goroutine.
type Scanner struct {
	// Ticks is the time of the last frame in units of 100 ns since 1582, Low the other half of its identity.
	Ticks int64
	Low   uint64
	// Updates are those of the last frame, valid until the next Scan.
	Updates []Update

	b   []byte
	i   int
	bad bool
}

var errFrame = errors.New("ref: no notification of numbers that this scanner can read")

// Scan decodes a frame: send_multi_data with version 1, its keys in any order, with any blanks between them. Keys that
// are not known are skipped.
func (s *Scanner) Scan(frame []byte) error {
	s.Updates, s.b, s.i = s.Updates[:0], frame, 0
	seen := 0
	for more := s.open('{', '}'); more; more = s.more('}') {
		key := s.key()
		switch string(key) {
		case "v":
			seen |= flag(string(s.scalar()) == "1", 1)
		case "action":
			seen |= flag(string(s.text()) == "send_multi_data", 2)
		case "seq":
			_, _, ok := uuid(s.text())
			seen |= flag(ok, 4)
		case "irt":
			s.reply()
			seen |= 8
		case "payload":
			s.payload()
			seen |= 16
		default:
			s.skip()
		}
	}
	if s.blanks(); s.bad || seen != 31 || s.i != len(s.b) {
		s.bad = false
		return errFrame
	}
	return nil
}

func flag(set bool, bit int) int {
	if set {
		return bit
	}
	return 0
}

func (s *Scanner) payload() {
	seen := 0
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.key()) {
		case "t":
			hi, lo, ok := uuid(s.text())
			s.Ticks, s.Low = int64(hi&0xfff<<48|hi>>16&0xffff<<32|hi>>32), lo
			seen |= flag(ok, 1)
		case "uris":
			for more := s.open('[', ']'); more; more = s.more(']') {
				s.item()
			}
			seen |= 2
		default:
			s.skip()
		}
	}
	s.bad = s.bad || seen != 3
}

// item reads one element of the list.
func (s *Scanner) item() {
	var u Update
	seen := 0
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.key()) {
		case "uri":
			u.URI = s.text()
			seen |= flag(isURI(u.URI), 1)
		case "type":
			seen |= flag(string(s.text()) == "p", 2)
		case "content":
			v, ok := number(s.text())
			u.Value = v
			seen |= flag(ok, 4)
		default:
			s.skip()
		}
	}
	s.Updates = append(s.Updates, u)
	s.bad = s.bad || seen != 7
}

func (s *Scanner) blanks() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// at goes behind the byte c, if it comes next after blanks.
func (s *Scanner) at(c byte) bool {
	s.blanks()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// open goes into an object or a list and reports whether there is anything in it.
func (s *Scanner) open(first, last byte) bool {
	if !s.at(first) {
		s.bad = true
		return false
	}
	return !s.at(last)
}

// more goes behind an element and reports whether another one comes.
func (s *Scanner) more(last byte) bool {
	if s.bad {
		return false
	}
	if s.at(',') {
		return true
	}
	s.bad = !s.at(last)
	return false
}

func (s *Scanner) key() []byte {
	k := s.text()
	if !s.at(':') {
		s.bad = true
	}
	return k
}

// text reads a string without escapes: none that the benchmarks send has any.
func (s *Scanner) text() []byte {
	if !s.at('"') {
		s.bad = true
		return nil
	}
	from := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[from : s.i-1 : s.i-1]
		case c == '\\' || c < ' ' || c >= 0x80:
			s.bad = true
			return nil
		}
		s.i++
	}
	s.bad = true
	return nil
}

// scalar reads a number, true, false or null.
func (s *Scanner) scalar() []byte {
	s.blanks()
	from := s.i
	for s.i < len(s.b) && s.b[s.i] != ',' && s.b[s.i] != '}' && s.b[s.i] != ']' && s.b[s.i] > ' ' {
		s.i++
	}
	word := s.b[from:s.i]
	switch string(word) {
	case "null", "true", "false":
	default:
		_, ok := number(word)
		s.bad = s.bad || !ok
	}
	return word
}

// reply reads what the notification answers: null or a TimeUUID.
func (s *Scanner) reply() {
	if s.blanks(); s.i < len(s.b) && s.b[s.i] != '"' {
		s.bad = s.bad || string(s.scalar()) != "null"
		return
	}
	_, _, ok := uuid(s.text())
	s.bad = s.bad || !ok
}

// skip reads a value that nobody wants.
func (s *Scanner) skip() {
	s.blanks()
	if s.i == len(s.b) || s.bad {
		s.bad = true
		return
	}
	switch s.b[s.i] {
	case '"':
		s.text()
	case '[':
		for more := s.open('[', ']'); more; more = s.more(']') {
			s.skip()
		}
	case '{':
		for more := s.open('{', '}'); more; more = s.more('}') {
			s.key()
			s.skip()
		}
	default:
		s.scalar()
	}
}

// isURI reports whether b is levels joined by single dots, perhaps with a user before a colon.
func isURI(b []byte) bool {
	boundary, colon := true, false
	for _, c := range b {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c-'0' < 10, c == '_', c == '-':
			boundary = false
		case c == '.' && !boundary:
			boundary = true
		case c == ':' && !boundary && !colon:
			boundary, colon = true, true
		default:
			return false
		}
	}
	return !boundary
}

// number parses a decimal. Short ones without an exponent, which most are, are put together digit by digit.
func number(b []byte) (float64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	digits, scale, i := uint64(0), 0, 0
	if b[0] == '-' {
		i = 1
	}
	from, point := i, -1
	for ; i < len(b) && len(b) <= 17; i++ {
		switch c := b[i]; {
		case c-'0' < 10:
			digits = digits*10 + uint64(c-'0')
		case c == '.' && point < 0 && i > from:
			point = i
		default:
			return parse(b)
		}
	}
	if i < len(b) || i == from || point == len(b)-1 {
		return parse(b)
	}
	if point >= 0 {
		scale = len(b) - point - 1
	}
	v := float64(digits)
	if digits >= 1<<53 {
		return parse(b)
	}
	if scale > 0 {
		v /= powers[scale]
	}
	if from == 1 {
		v = -v
	}
	return v, true
}

func parse(b []byte) (float64, bool) {
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

// powers are exact, so that a quotient of two exact numbers is rounded once.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// uuid reads a TimeUUID of 32 digits, as two words.
func uuid(b []byte) (hi, lo uint64, ok bool) {
	if len(b) != 32 {
		return 0, 0, false
	}
	hi, okHi := word(b[:16])
	lo, okLo := word(b[16:])
	return hi, lo, okHi && okLo && hi>>12&0xf == 1 && lo>>62 == 2
}

func word(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		d := digit[c]
		if d == bad {
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	return v, true
}

const bad = 0xff

// digit is the value of each hex digit.
var digit = func() (t [256]byte) {
	for i := range t {
		t[i] = bad
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()
