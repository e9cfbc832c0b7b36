package wire

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/komstream/komstream/metric"
)

// TestGoldenClient decodes what the original agent sends, holds it to the hub's verdict, and writes it anew.
func TestGoldenClient(t *testing.T) {
	var file struct {
		Client []struct {
			Name        string
			JSON        json.RawMessage `json:"json"`
			Normalised  json.RawMessage `json:"server_normalised"`
			ServerOK    bool            `json:"server_ok"`
			ServerError int             `json:"server_error"`
		}
	}
	vectors(t, "messages.json", &file)
	ran := 0
	for _, c := range file.Client {
		if c.JSON == nil {
			continue // the agent's own constructor refuses the value: see the tests of package metric
		}
		t.Run(c.Name, func(t *testing.T) {
			ran++
			var d Decoder
			r, refusal := d.DecodeRequest(c.JSON)
			verdict := verdict{V: "1", Irt: text(openTest(c.JSON).Seq)}
			if !c.ServerOK {
				verdict.Status, verdict.Code = StatusProtocol, c.ServerError
			}
			for _, rule := range requestRules {
				rule.excuse(&toServer{JSON: c.JSON}, &verdict)
			}
			if got := verdictOf(r, refusal); !got.agrees(verdict) {
				t.Fatalf("got %+v, want %+v of %s", got, verdict, c.JSON)
			}
			if refusal != nil {
				return
			}
			want := c.JSON
			if c.Normalised != nil {
				want = c.Normalised
			}
			if got := encodeRequest(r); !sameJSON(t, got, want) || !head.Match(got) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	t.Logf("%d frames of agents", ran)
}

// encodeRequest writes a request as an agent does.
func encodeRequest(r *Request) []byte {
	switch r.Action {
	case ActionSendDsData, ActionSendDpData:
		return AppendSendOne(nil, r.Seq, r.Irt, r.Via, &metric.Sample{URI: r.URI, Time: r.Time, Value: r.Value})
	case ActionSendMultiData:
		var samples []metric.Sample
		for _, item := range r.Items {
			samples = append(samples, metric.Sample{URI: item.URI, Time: r.Time, Value: item.Value})
		}
		return AppendSendMulti(nil, r.Seq, r.Irt, r.Via, r.Time, samples)
	case ActionSendDsInfo:
		return AppendInfo(nil, r.Seq, r.URI, r.Supplies)
	case ActionHookToURI:
		return AppendHook(nil, r.Seq, r.URI)
	case ActionUnhookFromURI:
		return AppendUnhook(nil, r.Seq, r.URI)
	case ActionDeleteURI:
		return AppendDelete(nil, r.Seq, r.URI, r.Kind)
	case ActionListURIs:
		return AppendList(nil, r.Seq, r.URI, r.After, r.Limit)
	case ActionShare, ActionUnshare:
		return AppendShare(nil, r.Action, r.Seq, r.URI, r.User)
	case ActionListShares:
		return AppendListShares(nil, r.Seq, Share{r.After, r.AfterUser}, r.Limit)
	case ActionSince:
		return AppendSince(nil, r.Seq, r.User, r.Position, r.Limit)
	case ActionSendBatch:
		return encodeBatch(r)
	}
	var start, end metric.TimeUUID
	count := -1
	if r.Start != nil {
		start = *r.Start
	}
	if r.End != nil {
		end = *r.End
	}
	if r.Count != nil {
		count = *r.Count
	}
	return AppendRequest(nil, r.Seq, r.URI, start, end, count)
}

// clientView is what the original agent makes of a hub's message.
type clientView struct {
	Seq, Irt      *string
	Status, Error int
	Reason        *string
	T             string
	URIs          []struct{ URI, Type, Content string }
	URI           string
	Type          string `json:"m_type"`
	Start, End    string
	Data          [][2]string
}

// TestGoldenServer decodes what the original hub sends, compares it with what the original agent makes of it, and
// writes it anew.
func TestGoldenServer(t *testing.T) {
	var file struct {
		Server []struct {
			Name string
			JSON json.RawMessage `json:"json"`
			OK   bool            `json:"client_ok"`
			View clientView      `json:"client_view"`
		}
	}
	vectors(t, "messages.json", &file)
	for _, c := range file.Server {
		t.Run(c.Name, func(t *testing.T) {
			accept := c.OK
			for _, rule := range messageRules {
				rule.excuse(&toClient{JSON: c.JSON}, &accept)
			}
			var d Decoder
			m, err := d.Decode(c.JSON)
			if (err == nil) != accept {
				t.Fatalf("got %v, want accepted %v of %s", err, accept, c.JSON)
			}
			if err != nil {
				return
			}
			compareView(t, &m, &c.View)
			if got := encodeMessage(&m, string(openTest(c.JSON).V)); !sameJSON(t, got, c.JSON) || !head.Match(got) {
				t.Errorf("got  %s\nwant %s", got, c.JSON)
			}
		})
	}
	t.Logf("%d messages of hubs", len(file.Server))
}

func compareView(t *testing.T, m *Message, want *clientView) {
	t.Helper()
	got := clientView{Seq: nullable(m.Seq.String()), Irt: nullable(m.Irt.String())}
	switch m.Action {
	case ActionGenericResponse:
		got.Status, got.Error, got.Reason = m.Response.Status, m.Response.Code, nullable(m.Response.Reason)
	case ActionSendMultiData:
		got.T = m.Notification.Time.String()
		got.URIs = make([]struct{ URI, Type, Content string }, 0)
		for _, item := range m.Notification.Items {
			got.URIs = append(got.URIs, struct{ URI, Type, Content string }{
				string(item.URI), string(rune(item.Kind)), string(item.Content)})
		}
	case ActionSendDataInterval:
		got.URI, got.Type = m.Interval.URI, string(rune(m.Interval.Kind))
		got.Start, got.End = m.Interval.Start.String(), m.Interval.End.String()
		got.Data = make([][2]string, 0)
		for _, row := range m.Interval.Rows {
			got.Data = append(got.Data, [2]string{row.Time.String(), string(row.Content)})
		}
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("got view  %s\nwant view %s", a, b)
	}
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// encodeMessage writes a message as a hub does; v is the version that a response bears.
func encodeMessage(m *Message, v string) []byte {
	switch m.Action {
	case ActionGenericResponse:
		return appendResponse(nil, v, m.Seq, m.Irt, m.Response)
	case ActionSendMultiData:
		n := m.Notification
		var items []RequestItem
		for i, v := range n.Values(nil) {
			items = append(items, RequestItem{URI: metric.URI(n.Items[i].URI), Kind: v.Kind(), Value: v})
		}
		return AppendNotification(nil, m.Seq, n.Time, n.Via, n.Pos, "", items)
	case ActionListURIs, ActionListShares, ActionSince, ActionMissedData:
		return encodeList(m)
	}
	page := m.Interval
	var rows []metric.Sample
	for _, row := range page.Rows {
		rows = append(rows, metric.Sample{Time: row.Time, Value: row.Value(page.Kind)})
	}
	return AppendInterval(nil, m.Seq, m.Irt, metric.URI(page.URI), page.Kind, page.Start, page.End, rows)
}

// TestGoldenLegacy sends what agents before 0.9 sent. Agent 0.8 is served. Earlier dialects, known by their missing
// seq, by "ts" or by times in ISO 8601, are refused with a sentence that says which agent is needed; a message that
// is the same in 0.3 to 0.8, such as a hook, cannot be told apart and is served.
func TestGoldenLegacy(t *testing.T) {
	var file struct {
		Legacy []struct {
			JSON    json.RawMessage `json:"json"`
			Version string
		}
	}
	vectors(t, "messages.json", &file)
	served := 0
	for i, c := range file.Legacy {
		t.Run(fmt.Sprintf("agent %s, %d", c.Version, i), func(t *testing.T) {
			if checkLegacy(t, c.JSON) {
				served++
			}
		})
	}
	t.Logf("%d legacy frames, %d of them served", len(file.Legacy), served)
}

// checkLegacy decodes one frame and reports whether it is served.
func checkLegacy(t *testing.T, frame json.RawMessage) (served bool) {
	var d Decoder
	r, refusal := d.DecodeRequest(frame)
	f := openTest(frame)
	iso := func(v json.RawMessage) bool { return strings.Contains(text(v), "T") }
	p := f.payload()
	var stamp struct{ TS json.RawMessage }
	json.Unmarshal(f.Payload, &stamp)
	old := f.Seq == nil || stamp.TS != nil || iso(p.Start) || iso(p.End)
	switch {
	case !old && refusal != nil:
		t.Errorf("refused %+v: %s", refusal, frame)
	case !old && r.Seq.String() != text(f.Seq):
		t.Errorf("seq %s, want it as it came: %s", r.Seq, frame)
	case old && refusal == nil:
		t.Errorf("decoded %s", frame)
	case old:
		golden := verdict{Status: StatusProtocol, Code: CodeMalformed, Reason: "Malformed message", V: "1"}
		if f.Seq != nil {
			golden.Code = parseAction([]byte(text(f.Action))).Code() + faultLoad
			golden.Reason, golden.Irt = "protocol error", text(f.Seq)
		}
		if got := verdictOf(r, refusal); !got.agrees(golden) || !strings.Contains(got.Reason, "agent 0.8 or later is needed") {
			t.Errorf("got %+v, want %+v and which agent is needed: %s", got, golden, frame)
		}
	}
	return !old
}

// TestGoldenSupplies announces what the original's constructor of a datasource takes, and refuses what it refuses.
// The hub takes a list as it comes; the agent sorts it and leaves out what stands twice.
func TestGoldenSupplies(t *testing.T) {
	var file struct {
		Supplies []struct {
			In  json.RawMessage
			OK  bool
			Out []metric.URI
		}
	}
	vectors(t, "validation.json", &file)
	for i, c := range file.Supplies {
		t.Run(fmt.Sprint(i, " ", string(c.In)), func(t *testing.T) {
			var d Decoder
			seq := NewSeqSource(nil).Next()
			r, refusal := d.DecodeRequest(fmt.Appendf(nil,
				`{"v":1,"action":"send_ds_info","seq":"%s","irt":null,"payload":{"uri":"a","supplies":%s}}`, seq, c.In))
			if (refusal == nil) != c.OK {
				t.Fatalf("refusal %+v, want accepted %v", refusal, c.OK)
			}
			if !c.OK {
				return
			}
			var list []metric.URI
			if r.Supplies != nil {
				list = slices.Compact(slices.Sorted(slices.Values(r.Supplies)))
				if list == nil {
					list = []metric.URI{}
				}
			}
			if !slices.Equal(list, c.Out) || (list == nil) != (c.Out == nil) {
				t.Errorf("got %v, want %v", list, c.Out)
			}
			again, refusal := d.DecodeRequest(AppendInfo(nil, seq, "a", list))
			if refusal != nil || !slices.Equal(again.Supplies, list) {
				t.Errorf("written and read: %v, %+v", again, refusal)
			}
		})
	}
	t.Logf("%d lists", len(file.Supplies))
}

// TestGoldenTexts sends the values of datasources, those too that are no text at all and halves of surrogate pairs,
// which no Go string can hold.
func TestGoldenTexts(t *testing.T) {
	var file struct {
		Datasource []struct {
			Name   string
			V      json.RawMessage
			Server bool
		}
	}
	vectors(t, "validation.json", &file)
	for _, c := range file.Datasource {
		t.Run(c.Name, func(t *testing.T) {
			content := c.V
			var long struct{ Repeat []any }
			if json.Unmarshal(c.V, &long) == nil && len(long.Repeat) == 2 {
				content, _ = json.Marshal(strings.Repeat(long.Repeat[0].(string), int(long.Repeat[1].(float64))))
			}
			seq := NewSeqSource(nil).Next()
			frame := fmt.Appendf(nil, `{"v":1,"action":"send_ds_data","seq":"%s","irt":null,"payload":`+
				`{"uri":"a","t":"%s","content":%s}}`, seq, metric.NewTimeUUID(0, metric.PlainLow), content)
			want := verdict{V: "1", Irt: seq.String()}
			if !c.Server {
				want.Status, want.Code, want.Reason = StatusProtocol, ActionSendDsData.Code()+faultContent, "protocol error"
			}
			for _, rule := range requestRules {
				rule.excuse(&toServer{JSON: frame}, &want)
			}
			var d Decoder
			if got := verdictOf(d.DecodeRequest(frame)); !got.agrees(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	t.Logf("%d texts", len(file.Datasource))
}

// TestGoldenForms sends the text forms of a time, and what is no text.
func TestGoldenForms(t *testing.T) {
	var file struct {
		Forms []struct {
			Text   json.RawMessage
			Server bool
		}
	}
	vectors(t, "timeuuid.json", &file)
	for _, c := range file.Forms {
		t.Run(string(c.Text), func(t *testing.T) {
			seq := NewSeqSource(nil).Next()
			frame := fmt.Appendf(nil, `{"v":1,"action":"send_ds_data","seq":"%s","irt":null,"payload":`+
				`{"uri":"a","t":%s,"content":""}}`, seq, c.Text)
			want := verdict{V: "1", Irt: seq.String()}
			if !c.Server {
				want.Status, want.Code, want.Reason = StatusProtocol, ActionSendDsData.Code()+faultLoad, "protocol error"
			}
			for _, rule := range requestRules {
				rule.excuse(&toServer{JSON: frame}, &want)
			}
			var d Decoder
			if got := verdictOf(d.DecodeRequest(frame)); !got.agrees(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	t.Logf("%d forms", len(file.Forms))
}
