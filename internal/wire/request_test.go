package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/komstream/komstream/metric"
)

const (
	testID    = "6f2b4c00d05a11e7a1b2030405060708"
	testShort = "6f2b4c00d05a11e7a1b2"
)

// request returns a frame with the given payload; $ stands for an id.
func request(action, payload string) []byte {
	return []byte(strings.ReplaceAll(`{"v":1,"action":"`+action+`","seq":"$","irt":null,"payload":`+payload+`}`, "$", testID))
}

// TestChecksComeInOrder gives each frame several faults; the first in the protocol's order must decide.
func TestChecksComeInOrder(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		code        int
		v, irt      string
		detail      string // what the reason must hold
	}{
		{"version before action", `{"v":-1,"action":5,"seq":"x"}`, CodeMalformed, "0", "", "v -1"},
		{"action before seq", `{"v":7,"action":5,"seq":"x"}`, CodeMalformed, "7", "", "action 5"},
		{"seq before the version's value", `{"v":7,"action":"x","seq":"x"}`, CodeMalformed, "7", "", `seq "x"`},
		{"the version's value before the action's", `{"v":7,"action":"x","seq":"$"}`, CodeVersion, "7", testID, "v 7 must be 1"},
		{"the action's value before the rest", `{"v":1,"action":"x","seq":"$"}`, CodeUnsupportedAction, "1", testID, `action "x"`},
		{"irt before payload", `{"v":1,"action":"hook_to_uri","seq":"$","payload":5}`, 202303, "1", testID, "irt (missing)"},
		{"payload before uri", `{"v":1,"action":"hook_to_uri","seq":"$","irt":null,"payload":5}`, 202303, "1", testID, "payload 5"},
		{"a missing key before a wrong uri", `{"v":1,"action":"send_dp_data","seq":"$","irt":null,"payload":{"uri":".","t":"$"}}`, 202103, "1", testID, "payload.content (missing)"},
		{"a wrong time before a wrong uri", `{"v":1,"action":"send_dp_data","seq":"$","irt":null,"payload":{"uri":".","t":"x","content":"x"}}`, 202103, "1", testID, "payload.t"},
		{"a wrong uri before a wrong content", `{"v":1,"action":"send_dp_data","seq":"$","irt":null,"payload":{"uri":".","t":"$","content":"x"}}`, 202100, "1", testID, "payload.uri"},
		{"a wrong start before a wrong uri", `{"v":1,"action":"request_data","seq":"$","irt":null,"payload":{"uri":".","start":"","end":null,"count":-1}}`, 202503, "1", testID, "payload.start"},
		{"a wrong uri before a wrong count", `{"v":1,"action":"request_data","seq":"$","irt":null,"payload":{"uri":".","start":null,"end":null,"count":-1}}`, 202500, "1", testID, "payload.uri"},
		{"the version in plain form", `{"v":-0,"action":"x","seq":"{6F2B4C00-D05A-11E7-A1B2-030405060708}"}`, CodeVersion, "0", testID, "v -0"},
		{"via", `{"v":1,"action":"hook_to_uri","seq":"$","irt":null,"via":["0"],"payload":{"uri":"a"}}`, 202303, "1", testID, "via[0]"},
		{"lone surrogate", `{"v":1,"action":"send_ds_data","seq":"$","irt":null,"payload":{"uri":"a","t":"$","content":"\ud800"}}`, 202052, "1", testID, "surrogate"},
		{"bare infinity", `{"v":1,"action":"send_dp_data","seq":"$","irt":null,"payload":{"uri":"a","t":"$","content":-Infinity}}`, 202102, "1", testID, "NaN or Infinity must be finite"},
		{"a bare literal as a list", `{"v":1,"action":"send_ds_info","seq":"$","irt":null,"payload":{"uri":"a","supplies":NaN}}`, 202152, "1", testID, "payload.supplies"},
		{"the number of an item", `{"v":1,"action":"send_multi_data","seq":"$","irt":null,"payload":{"t":"$","uris":[{"uri":"a","type":"p","content":"1"},{"uri":"a","type":"p","content":"x"}]}}`, 202200, "1", testID, "payload.uris[1].content"},
		{"bool as a string", `"has v and seq"`, CodeMalformed, "0", "", "must be an object"},
		{"list with v", `["v","seq"]`, CodeMalformed, "0", "", "must be an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			_, refusal := d.DecodeRequest([]byte(strings.ReplaceAll(c.frame, "$", testID)))
			if refusal == nil {
				t.Fatal("decoded")
			}
			checkRefusal(t, refusal)
			if refusal.Code != c.code || refusal.Status != StatusProtocol || refusal.V != c.v || refusal.Irt.String() != c.irt ||
				!strings.Contains(refusal.Reason, c.detail) {
				t.Errorf("got  %+v\nwant %d, v %s, irt %s, a reason with %q", *refusal, c.code, c.v, c.irt, c.detail)
			}
		})
	}
}

func TestFramesThatCloseTheConnection(t *testing.T) {
	for frame, code := range map[string]int{
		"": 0, "{": 0, "{} x": 0, "{'v':1}": 0, "nul": 0, "\xef\xbb\xbf{}": 0, "\"\x01\"": 0,
		"{\"a\":\"\xff\"}": closeInvalidText, "\xff": closeInvalidText,
	} {
		var d Decoder
		_, refusal := d.DecodeRequest([]byte(frame))
		if refusal == nil || !refusal.Close || refusal.CloseCode != code {
			t.Errorf("%q: got %+v, want a close with %d", frame, refusal, code)
		}
	}
}

func TestRequestOfAgent08(t *testing.T) {
	frame := bytes.ReplaceAll(request("hook_to_uri", `{"uri":"a"}`), []byte(testID), []byte(testShort))
	var d Decoder
	r, refusal := d.DecodeRequest(frame)
	if refusal != nil || r.Seq.String() != testShort {
		t.Fatalf("got %+v, %+v", r, refusal)
	}
	got := string(AppendResponse(nil, SeqOf(metric.MinTime), r.Seq, Response{Status: StatusExecuted, Reason: "Hooked successfully"}))
	want := `{"v": 1, "action": "generic_response", "seq": "00000000000010008080808080808080", "irt": "` + testShort +
		`", "payload": {"status": 4200, "error": 0, "reason": "Hooked successfully"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequestFields(t *testing.T) {
	var d Decoder
	decode := func(action, payload string) Request {
		t.Helper()
		r, refusal := d.DecodeRequest(request(action, payload))
		if refusal != nil {
			t.Fatalf("%+v", refusal)
		}
		return *r
	}
	r := decode("request_data", `{"uri":"bob:a","start":null,"end":"$","count":null,"count":100000000000000000000}`)
	if r.Start != nil || r.End == nil || r.End.String() != testID || r.Count == nil || *r.Count != math.MaxInt || r.URI != "bob:a" {
		t.Errorf("request_data: %+v", r)
	}
	if r = decode("delete_uri", `{"uri":"a","type":"d"}`); r.Kind != metric.KindDatasource || r.Action != ActionDeleteURI {
		t.Errorf("delete_uri: %+v", r)
	}
	if r = decode("delete_uri", `{"uri":"a","type":null}`); r.Kind != 0 {
		t.Errorf("delete_uri: %+v", r)
	}
	if r = decode("send_ds_info", `{"uri":"a","supplies":[]}`); r.Supplies == nil || len(r.Supplies) != 0 {
		t.Errorf("an empty list of supplies is %v", r.Supplies)
	}
	if r = decode("send_ds_info", `{"uri":"a","supplies":null}`); r.Supplies != nil {
		t.Errorf("no supplies are %v", r.Supplies)
	}
	if r = decode("send_dp_data", `{"uri":"a","t":"$","content":1.50}`); r.Value.String() != "1.50" || r.Kind != metric.KindDatapoint {
		t.Errorf("a JSON number: %+v", r)
	}
	r = decode("send_multi_data", `{"t":"$","uris":[{"uri":"n","type":"p","content":7},{"uri":"s","type":"d","content":"7"},{"uri":"m","type":"p","content":"1e5"}]}`)
	var order []string
	for _, item := range r.Items {
		order = append(order, string(item.URI)+" "+item.Kind.String()+" "+item.Value.String())
	}
	if got := strings.Join(order, ", "); got != "s datasource 7, n datapoint 7, m datapoint 1E+5" {
		t.Errorf("items %s", got)
	}
}

func TestDeleteIsRefusedByField(t *testing.T) {
	for payload, code := range map[string]int{
		`{"type":null}`: 202603, `{"uri":"a"}`: 202603, `{"uri":"a b","type":null}`: 202600, `{"uri":"a","type":"x"}`: 202601, `[]`: 202603,
	} {
		var d Decoder
		if _, refusal := d.DecodeRequest(request("delete_uri", payload)); refusal == nil || refusal.Code != code {
			t.Errorf("%s: got %+v, want %d", payload, refusal, code)
		}
	}
}

// TestRequestOutlivesItsFrame checks that what a request holds does not change with the buffer that the frame stood
// in, nor with the next request.
func TestRequestOutlivesItsFrame(t *testing.T) {
	for _, frame := range frames() {
		var d Decoder
		buffer := bytes.Clone(frame)
		r, refusal := d.DecodeRequest(buffer)
		if refusal != nil {
			t.Fatalf("%+v: %s", refusal, frame)
		}
		kept := *r
		kept.Items = append([]RequestItem(nil), r.Items...)
		kept.Via = append([]metric.Origin(nil), r.Via...)
		before := string(encodeRequest(&kept))
		for i := range buffer {
			buffer[i] = '#'
		}
		for _, other := range frames() {
			d.DecodeRequest(other)
		}
		if after := string(encodeRequest(&kept)); after != before {
			t.Errorf("got  %s\nwant %s", after, before)
		}
	}
}

func TestTextLimitIsInBytes(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		ok   bool
	}{
		{"x", metric.MaxText, true}, {"x", metric.MaxText + 1, false}, {`\u00f1`, metric.MaxText / 2, true},
		{`\u00f1`, metric.MaxText/2 + 1, false}, {"ñ", metric.MaxText/2 + 1, false}, {`\ud83d\ude00`, metric.MaxText / 4, true},
	} {
		for _, action := range []string{"send_ds_data", "send_multi_data"} {
			payload := `{"uri":"a","t":"$","content":"` + strings.Repeat(c.text, c.n) + `"}`
			if action == "send_multi_data" {
				payload = `{"t":"$","uris":[{"uri":"a","type":"d","content":"` + strings.Repeat(c.text, c.n) + `"}]}`
			}
			var d Decoder
			if _, refusal := d.DecodeRequest(request(action, payload)); (refusal == nil) != c.ok {
				t.Errorf("%s, %d times %s: refused %v", action, c.n, c.text, refusal != nil)
			}
		}
	}
}
