package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/komstream/komstream/metric"
)

// shape is the punctuation between the values of a frame in its usual order of keys, in one of two spacings.
type shape struct {
	multi, single                    string // up to the seq
	irt, via, pos                    string
	multiPayload, singlePayload      string // up to the time; up to the uri
	uris, item, kind, content, close string
	singleTime, next, end            string
}

// spaced is how Python's json.dumps, and this package, write.
var spaced = shape{
	multi:         `{"v": 1, "action": "send_multi_data", "seq": "`,
	single:        `{"v": 1, "action": "send_dp_data", "seq": "`,
	irt:           `", "irt": `,
	via:           `, "via": [`,
	pos:           `, "pos": `,
	multiPayload:  `, "payload": {"t": "`,
	singlePayload: `, "payload": {"uri": "`,
	uris:          `", "uris": [`,
	item:          `{"uri": "`,
	kind:          `", "type": "`,
	content:       `", "content": "`,
	close:         `"}`,
	singleTime:    `", "t": "`,
	next:          `, `,
	end:           `]}}`,
}

// compact is how most other encoders write.
var compact = func(s shape) shape {
	for _, p := range []*string{&s.multi, &s.single, &s.irt, &s.via, &s.pos, &s.multiPayload, &s.singlePayload,
		&s.uris, &s.kind, &s.content, &s.singleTime, &s.item, &s.next} {
		*p = strings.ReplaceAll(*p, " ", "")
	}
	return s
}(spaced)

// shapeOf returns the spacing that frame begins with.
func shapeOf(frame []byte) *shape {
	if len(frame) > 5 && frame[5] == ' ' {
		return &spaced
	}
	return &compact
}

// scanner reads a frame of known shape from left to right. Its methods return false at the first byte that is not
// as expected; then the frame is decoded in the general way, which finds out whether it is wrong or just unusual.
type scanner struct {
	*shape
	b []byte
	i int
}

// skip goes behind the given punctuation.
func (s *scanner) skip(punctuation string) bool {
	if len(s.b)-s.i < len(punctuation) || string(s.b[s.i:s.i+len(punctuation)]) != punctuation {
		return false
	}
	s.i += len(punctuation)
	return true
}

// time reads 32 hex digits.
func (s *scanner) time(t *metric.TimeUUID) (ok bool) {
	if len(s.b)-s.i < 32 {
		return false
	}
	*t, ok = metric.DecodeTimeUUID(s.b[s.i : s.i+32])
	s.i += 32
	return ok
}

// scanMulti decodes send_multi_data in its usual shape into d. Where it returns false, d must be reset.
func (d *Decoder) scanMulti(frame []byte) bool {
	s := scanner{shape: shapeOf(frame), b: frame}
	if !s.skip(s.multi) || !s.time(&d.seq.id) || !d.scanAdditions(&s) ||
		!s.skip(s.multiPayload) || !s.time(&d.note.Time) || !s.skip(s.uris) {
		return false
	}
	items := d.note.Items
	mixed := false
	for !s.skip(s.end) {
		if len(items) > 0 && !s.skip(s.next) {
			return false
		}
		items = append(items, Item{})
		item := &items[len(items)-1]
		if !s.skip(s.item) || !s.uri(&item.URI) || !s.skip(s.kind) || s.i == len(s.b) {
			return false
		}
		item.Kind = metric.Kind(s.b[s.i])
		s.i++
		if !s.skip(s.content) {
			return false
		}
		switch item.Kind {
		case metric.KindDatapoint:
			if !s.number(&item.Content) {
				return false
			}
		case metric.KindDatasource:
			mixed = true
			if !d.scanText(&s, &item.Content) {
				return false
			}
		default:
			return false
		}
		if !s.skip(s.close) {
			return false
		}
	}
	d.note.Items = items
	if mixed {
		d.textsFirst()
	}
	return s.i == len(frame)
}

// scanAdditions reads from behind the seq to before the payload.
func (d *Decoder) scanAdditions(s *scanner) bool {
	if !s.skip(s.irt) {
		return false
	}
	if !s.skip("null") && !(s.skip(`"`) && s.time(&d.irt.id) && s.skip(`"`)) {
		return false
	}
	if s.skip(s.via) {
		for !s.skip("]") {
			if len(d.via) > 0 && !s.skip(s.next) || len(d.via) == MaxVia || !s.skip(`"`) || len(s.b)-s.i < 16 {
				return false
			}
			o, ok := decodeOrigin(s.b[s.i : s.i+16])
			s.i += 16
			if !ok || !s.skip(`"`) {
				return false
			}
			d.via = append(d.via, o)
		}
		d.note.Via = d.via
	}
	if s.skip(s.pos) {
		from := s.i
		for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
			d.note.Pos = d.note.Pos*10 + uint64(s.b[s.i]-'0')
			s.i++
		}
		// Eighteen digits cannot overflow; more, and what is no positive number, is for the general way.
		if s.i == from || s.i-from > 18 || s.b[from] == '0' {
			return false
		}
	}
	return true
}

// The classes of the bytes of a URI.
const (
	classLevel = iota + 1
	classDot
	classColon
)

var uriClass = func() (t [256]uint8) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		t[c] = classLevel
	}
	t['.'], t[':'] = classDot, classColon
	return t
}()

// uri reads a valid URI, up to the quote behind it. It is metric.URI.Check in one pass with the search for the quote.
func (s *scanner) uri(uri *[]byte) bool {
	b, from := s.b, s.i
	colon, boundary := false, true // boundary: a level must start here
	for i := from; i < len(b); i++ {
		switch uriClass[b[i]] {
		case classLevel:
			boundary = false
		case classDot:
			if boundary {
				return false
			}
			boundary = true
		case classColon:
			if boundary || colon || i-from > metric.MaxUsername {
				return false
			}
			colon, boundary = true, true
		default:
			*uri, s.i = b[from:i:i], i
			return b[i] == '"' && !boundary
		}
	}
	return false
}

// number reads a number's text, up to the quote behind it.
func (s *scanner) number(content *[]byte) bool {
	from := s.i
	i := bytes.IndexByte(s.b[from:min(len(s.b), from+64)], '"') // longer ones are for the general way
	if i < 0 {
		return false
	}
	*content = s.b[from : from+i : from+i]
	s.i += i
	if isPlainNumber(*content) {
		return true
	}
	for _, c := range *content {
		if c < ' ' { // a blank of numbers, but no part of a JSON string
			return false
		}
	}
	_, err := metric.ParseNumber(string(*content))
	return err == nil
}

// scanText reads a text, up to the quote behind it.
func (d *Decoder) scanText(s *scanner, content *[]byte) bool {
	from, escaped, ascii := s.i, false, true
	for ; s.i < len(s.b) && s.b[s.i] != '"'; s.i++ {
		switch c := s.b[s.i]; {
		case c == '\\':
			escaped = true
			s.i++
		case c < ' ':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if s.i >= len(s.b) {
		return false
	}
	text := s.b[from:s.i:s.i]
	if escaped {
		var ok bool
		if text, ok = d.unescape(s.b[from-1 : s.i+1]); !ok {
			return false
		}
	}
	*content = text
	return len(text) <= metric.MaxText && (ascii || utf8.Valid(text))
}

// scanNumber decodes send_dp_data in its usual shape into d: as a notification of one item. Where it returns false,
// d must be reset.
func (d *Decoder) scanNumber(frame []byte) bool {
	s := scanner{shape: shapeOf(frame), b: frame}
	d.note.Items = append(d.note.Items, Item{Kind: metric.KindDatapoint})
	item := &d.note.Items[0]
	return s.skip(s.single) && s.time(&d.seq.id) && d.scanAdditions(&s) &&
		s.skip(s.singlePayload) && s.uri(&item.URI) && s.skip(s.singleTime) && s.time(&d.note.Time) &&
		s.skip(s.content) && s.number(&item.Content) && s.skip(`"}}`) && s.i == len(frame)
}
