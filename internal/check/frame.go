package check

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/komstream/komstream/metric"
)

// id is the 128-bit time of a sample.
type id [16]byte

// parseID reads the 32 hex digits that a hub writes.
func parseID(text string) (t id, err error) {
	if len(text) != 2*len(t) {
		return t, fmt.Errorf("time %q is not 32 hex digits", text)
	}
	_, err = hex.Decode(t[:], []byte(text))
	return t, err
}

// ticks returns the instant, in 100 ns since 1582: the sixty bits of a time-based UUID that say it.
func (t id) ticks() int64 {
	var n int64
	for _, b := range [8]byte{t[6] & 0x0f, t[7], t[4], t[5], t[0], t[1], t[2], t[3]} {
		n = n<<8 | int64(b)
	}
	return n
}

// unixTicks is ticks at the Unix epoch.
const unixTicks = 0x01b21dd213814000

// less orders two times of one instant: their last eight bytes one after the other, as signed ones.
func (t id) less(u id) bool {
	for i := 8; i < 16; i++ {
		a, b := t[i], u[i]
		if i == 8 {
			a, b = a&0x3f, b&0x3f
		}
		if a != b {
			return int8(a) < int8(b)
		}
	}
	return false
}

// item is one sample of a frame.
type item struct {
	uri     metric.URI
	kind    metric.Kind
	content string
}

// frame is one notification.
type frame struct {
	conn  int    // which connection of the session
	index uint64 // its place among the connection's frames that have a metric of some impulse, from 0
	time  id
	via   []string
	items []item
	pos   int // among all frames of the session

	number uint64 // what the session calls it, 0 while no run has told
}

// rows is a page of history.
type rows struct {
	uri  metric.URI
	kind metric.Kind
	rows []row
}

type row struct {
	time    id
	content string
}

// message is what of a hub's message concerns the check: at most one of them is set.
type message struct {
	frame *frame
	rows  *rows
	// missed says that the hub had to leave out frames, which the session reads again.
	missed bool
}

type envelope struct {
	Action  string          `json:"action"`
	Via     []string        `json:"via"`
	Payload json.RawMessage `json:"payload"`
}

// decode reads a message of the hub's.
func decode(text []byte) (m message, err error) {
	var e envelope
	if err = json.Unmarshal(text, &e); err != nil {
		return m, err
	}
	switch e.Action {
	case "send_multi_data":
		m.frame, err = decodeFrame(e)
	case "send_data_interval":
		m.rows, err = decodeRows(e)
	case "missed_data":
		m.missed = true
	case "generic_response":
	default:
		err = fmt.Errorf("action %q is unknown", e.Action)
	}
	return m, err
}

func decodeFrame(e envelope) (*frame, error) {
	var p struct {
		T    string `json:"t"`
		URIs []struct {
			URI     string          `json:"uri"`
			Type    string          `json:"type"`
			Content json.RawMessage `json:"content"`
		} `json:"uris"`
	}
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return nil, err
	}
	t, err := parseID(p.T)
	if err != nil {
		return nil, err
	}
	f := &frame{time: t, via: e.Via}
	for _, u := range p.URIs {
		content, err := contentOf(u.Content)
		kind, kindErr := kindOf(u.Type)
		if err = errors.Join(err, kindErr); err != nil {
			return nil, err
		}
		f.items = append(f.items, item{uri: metric.URI(u.URI), kind: kind, content: content})
	}
	return f, nil
}

func decodeRows(e envelope) (*rows, error) {
	var p struct {
		URI struct {
			URI  string `json:"uri"`
			Type string `json:"type"`
		} `json:"uri"`
		Data [][2]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return nil, err
	}
	kind, err := kindOf(p.URI.Type)
	if err != nil {
		return nil, err
	}
	r := &rows{uri: metric.URI(p.URI.URI), kind: kind}
	for _, pair := range p.Data {
		var text string
		if err := json.Unmarshal(pair[0], &text); err != nil {
			return nil, err
		}
		t, err := parseID(text)
		if err != nil {
			return nil, err
		}
		content, err := contentOf(pair[1])
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, row{t, content})
	}
	return r, nil
}

// contentOf returns a string's text, or the digits of a number.
func contentOf(raw json.RawMessage) (string, error) {
	if strings.HasPrefix(string(raw), `"`) {
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err
	}
	var number json.Number
	err := json.Unmarshal(raw, &number)
	return number.String(), err
}

func kindOf(text string) (metric.Kind, error) {
	switch text {
	case "p":
		return metric.KindDatapoint, nil
	case "d":
		return metric.KindDatasource, nil
	}
	return 0, fmt.Errorf("type %q is neither p nor d", text)
}
