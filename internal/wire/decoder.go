package wire

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/komstream/komstream/metric"
)

// Decoder decodes frames into buffers that it uses again. The zero Decoder is ready. It serves one goroutine at a
// time; what it returns is valid until the next call.
type Decoder struct {
	seq, irt Seq
	note     Notification
	response Response
	interval Interval
	request  Request

	spare []Item          // for putting texts before numbers
	via   []metric.Origin // memory of note.Via
	text  []byte          // unescaped contents
	start metric.TimeUUID // memory of request.Start
	end   metric.TimeUUID // memory of request.End
	count int             // memory of request.Count

	freezing  bool // decoding a request: the frame is a copy that its strings share, and that is never written to
	longOwner bool // a request's URI names an owner too long for any user
}

// keep bounds the memory that a decoder keeps from one frame to the next, in items or bytes, so that one large frame
// does not cost its size for the life of a connection.
const (
	keepItems = 4096
	keepBytes = 256 << 10
)

// reset makes d ready for the next frame.
func (d *Decoder) reset() {
	d.seq, d.irt, d.freezing, d.longOwner = Seq{}, Seq{}, false, false
	if cap(d.note.Items) > keepItems {
		d.note.Items, d.spare = nil, nil
	}
	if cap(d.interval.Rows) > keepItems {
		d.interval.Rows = nil
	}
	if cap(d.request.Items) > keepItems {
		d.request.Items = nil
	}
	if cap(d.request.Sends) > keepItems {
		d.request.Sends = nil
	}
	if cap(d.text) > keepBytes {
		d.text = nil
	}
	d.note.Via, d.note.Pos, d.note.Items = nil, 0, d.note.Items[:0]
	d.via, d.text = d.via[:0], d.text[:0]
}

// Decode decodes a frame that a hub sent. The error is an [*InvalidError].
func (d *Decoder) Decode(frame []byte) (Message, error) {
	d.reset()
	if d.scanMulti(frame) {
		return Message{Action: ActionSendMultiData, Seq: d.seq, Irt: d.irt, Notification: &d.note}, nil
	}
	d.reset()
	return d.decodeAny(frame)
}

// decodeAny is Decode without the scanner.
func (d *Decoder) decodeAny(frame []byte) (Message, error) {
	if !utf8.Valid(frame) {
		return Message{}, invalid("frame", frame, "must be UTF-8")
	}
	object := parse(frame)
	if object == nil {
		return Message{}, invalid("frame", frame, "must be JSON")
	}
	if !isObject(object) {
		return Message{}, invalid("frame", object, "must be an object")
	}
	e := openEnvelope(object)
	m, err := d.decodeEnvelope(&e)
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// decodeEnvelope checks what all messages of a hub have in common, and decodes the payload by the action.
func (d *Decoder) decodeEnvelope(e *envelope) (m Message, fault *InvalidError) {
	name, _ := unquote(e.action)
	if name == nil {
		return m, invalid("action", e.action, "must be a string")
	}
	m.Action = parseAction(name)
	if fault = e.checkVersion(m.Action); fault != nil {
		return m, fault
	}
	if m.Seq, fault = nullableSeq("seq", e.seq); fault != nil {
		return m, fault
	}
	if m.Irt, fault = nullableSeq("irt", e.irt); fault != nil {
		return m, fault
	}
	switch m.Action {
	case ActionGenericResponse, ActionSendMultiData, ActionSendDataInterval,
		ActionListURIs, ActionListShares, ActionSince, ActionMissedData:
	default:
		fault = invalid("action", e.action, "must be one that an agent knows")
		fault.cause = ErrUnknownAction
		return m, fault
	}
	if !isObject(e.payload) {
		return m, invalid("payload", e.payload, "must be an object")
	}
	switch m.Action {
	case ActionGenericResponse:
		m.Response = &d.response
		return m, d.decodeResponse(e.payload).within("payload.")
	case ActionSendDataInterval:
		m.Interval = &d.interval
		return m, d.decodeInterval(e.payload).within("payload.")
	case ActionListURIs, ActionListShares, ActionSince, ActionMissedData:
		return m, d.decodeList(&m, e.payload).within("payload.")
	}
	m.Notification = &d.note
	if fault = d.decodeAdditions(e); fault != nil {
		return m, fault
	}
	return m, d.decodeMulti(e.payload).within("payload.")
}

// envelope is the members of a frame, as they stand in it; nil where they are missing.
type envelope struct{ v, action, seq, irt, payload, via, pos []byte }

func openEnvelope(object []byte) (e envelope) {
	for name, value := range members(object) {
		switch string(name) {
		case "v":
			e.v = value
		case "action":
			e.action = value
		case "seq":
			e.seq = value
		case "irt":
			e.irt = value
		case "payload":
			e.payload = value
		case "via":
			e.via = value
		case "pos":
			e.pos = value
		}
	}
	return e
}

// checkVersion holds a hub's message to version 1, but for its answers: a hub echoes the version that it refuses.
func (e *envelope) checkVersion(action Action) *InvalidError {
	if action == ActionGenericResponse {
		if _, ok := digits(bytes.TrimPrefix(e.v, []byte("-"))); !ok {
			return invalid("v", e.v, "must be an integer")
		}
		return nil
	}
	if string(e.v) != "1" {
		return invalid("v", e.v, "must be 1")
	}
	return nil
}

// unquote returns the text of a JSON string, nil for any other value. ok is false also where a surrogate stands
// alone. The result may be a part of value.
func unquote(value []byte) (text []byte, ok bool) {
	if !isString(value) {
		return nil, false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return appendUnquoted([]byte{}, value)
}

const ruleUUID = "must be a string that spells a UUID of version 1"

func timeUUID(field string, value []byte) (metric.TimeUUID, *InvalidError) {
	if text, ok := unquote(value); ok {
		if t, ok := metric.DecodeTimeUUID(text); ok {
			return t, nil
		}
		if t, err := metric.ParseTimeUUID(string(text)); err == nil {
			return t, nil
		}
	}
	return metric.TimeUUID{}, invalid(field, value, ruleUUID)
}

// nullableSeq reads a TimeUUID or null; the key must be there.
func nullableSeq(field string, value []byte) (Seq, *InvalidError) {
	if isNull(value) {
		return Seq{}, nil
	}
	t, fault := timeUUID(field, value)
	return Seq{id: t}, fault
}

// decodeAdditions reads "via" and "pos" into d.note.
func (d *Decoder) decodeAdditions(e *envelope) *InvalidError {
	if e.pos != nil && !isNull(e.pos) {
		n, ok := integer(e.pos, 1<<63-1)
		if !ok || n == 0 {
			return invalid("pos", e.pos, "must be a positive integer")
		}
		d.note.Pos = n
	}
	return d.decodeVia(e.via)
}

func (d *Decoder) decodeVia(value []byte) *InvalidError {
	if value == nil || isNull(value) {
		return nil
	}
	if !isArray(value) {
		return invalid("via", value, "must be a list")
	}
	for i, element := range elements(value) {
		if i == MaxVia {
			return invalid("via", value, "must name at most 16 impulses")
		}
		text, _ := unquote(element)
		o, ok := decodeOrigin(text)
		if !ok {
			return invalid("via["+strconv.Itoa(i)+"]", element, "must be a string of 16 lower-case hex digits")
		}
		d.via = append(d.via, o)
	}
	d.note.Via = d.via
	return nil
}

// decodeOrigin reads the wire form of an Origin.
func decodeOrigin(text []byte) (o metric.Origin, ok bool) {
	if len(text) != 2*len(o) {
		return o, false
	}
	for i, c := range text {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return o, false
		}
		o[i/2] = o[i/2]<<4 | c
	}
	return o, true
}
