package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/metric"
)

func encodeBatch(r *Request) []byte {
	p := BeginBatch(nil, r.Seq, r.Irt, r.Via)
	for _, send := range r.Sends {
		var samples []metric.Sample
		for _, item := range send.Items {
			samples = append(samples, metric.Sample{URI: item.URI, Value: item.Value})
		}
		p.Send(send.Time, samples)
	}
	return p.End()
}

func encodeList(m *Message) []byte {
	l := BeginList(nil, m.Action, m.Seq, m.Irt, 1<<30)
	switch m.Action {
	case ActionListURIs:
		for i := range m.Listing.Entries {
			l.Entry(&m.Listing.Entries[i])
		}
		return l.EndMore(m.Listing.More)
	case ActionListShares:
		for _, s := range m.Shares.Shares {
			l.Share(s)
		}
		return l.EndMore(m.Shares.More)
	case ActionSince:
		for i := range m.Log.Messages {
			l.Message(&m.Log.Messages[i], "")
		}
		return l.EndLog(m.Log.Next, m.Log.Complete, m.Log.More)
	}
	for i := range m.Missed {
		l.Missed(&m.Missed[i])
	}
	return l.End()
}

var (
	testTime = metric.NewTimeUUID(17_000_000_000_000_000, metric.PlainLow)
	testSeq  = SeqOf(testTime)
)

func testBatch(via []metric.Origin) []byte {
	samples := []metric.Sample{
		metric.Datapoint("a", "2026-11-24T10:00:00Z", 1.5), metric.Datasource("b.c", "2026-11-24T10:00:00Z", "x \"ñ"),
	}
	p := BeginBatch(nil, testSeq, Seq{}, via)
	p.Send(samples[0].Time, samples)
	p.Send(testTime, samples[:1])
	p.Send(testTime, nil)
	return p.End()
}

// queries are the requests that komstream adds.
func queries() [][]byte {
	return [][]byte{
		AppendList(nil, testSeq, "", "", 0),
		AppendList(nil, testSeq, "bob:a.b", "a.b.c", 10),
		AppendShare(nil, ActionShare, testSeq, "cpu", "bob"),
		AppendShare(nil, ActionUnshare, testSeq, "alice:cpu", "bob.x"),
		AppendListShares(nil, testSeq, Share{}, 0),
		AppendListShares(nil, testSeq, Share{"alice:cpu", "bob"}, 7),
		AppendSince(nil, testSeq, "", 0, 0),
		AppendSince(nil, testSeq, "bob", 1<<63-1, 1),
		testBatch(nil),
		testBatch([]metric.Origin{metric.OriginOf("alice", "x")}),
	}
}

// lists are the messages that komstream adds.
func lists() [][]byte {
	number, _ := metric.NumberOf(14.63)
	text, _ := metric.TextOf("a\nb 😀")
	origin := metric.OriginOf("alice", "x")
	uris := BeginList(nil, ActionListURIs, testSeq, testSeq, 1<<20)
	uris.Entry(&Entry{URI: "a", Kind: metric.KindDatapoint, Last: testTime, Value: number})
	uris.Entry(&Entry{URI: "bob:a", Kind: metric.KindDatasource, Last: testTime, Supplies: []metric.URI{"x", "y.z"}})
	uris.Entry(&Entry{URI: "empty", Kind: metric.KindDatasource, Supplies: []metric.URI{}})
	shares := BeginList(nil, ActionListShares, testSeq, testSeq, 1<<20)
	shares.Share(Share{"alice:cpu", "bob"})
	log := BeginList(nil, ActionSince, testSeq, testSeq, 1<<20)
	log.Message(&Logged{Pos: 1, At: testTime, Seq: testSeq, Via: []metric.Origin{origin}, Time: testTime,
		Items: []RequestItem{{"t", metric.KindDatasource, text}, {"n", metric.KindDatapoint, number}}}, "alice")
	log.Message(&Logged{Pos: 2, At: testTime, Time: testTime}, "")
	missed := BeginList(nil, ActionMissedData, testSeq, Seq{}, 1<<20)
	missed.Missed(&Missed{URI: "bob:a", First: testTime, Last: metric.MaxTime, From: 3, To: 9, Count: 4})
	none := BeginList(nil, ActionMissedData, testSeq, Seq{}, 1<<20)
	return [][]byte{
		uris.EndMore(true), shares.EndMore(false), log.EndLog(2, true, false), missed.End(), none.End(),
	}
}

// TestQueriesAreReadAsWritten decodes what agents ask and writes it anew.
func TestQueriesAreReadAsWritten(t *testing.T) {
	for _, frame := range queries() {
		var d Decoder
		r, refusal := d.DecodeRequest(frame)
		if refusal != nil {
			t.Errorf("%s: %+v", frame, refusal)
			continue
		}
		if got := encodeRequest(r); !bytes.Equal(got, frame) {
			t.Errorf("got  %s\nwant %s", got, frame)
		}
	}
}

// TestListsAreReadAsWritten decodes what hubs answer and compares it, by way of encoding/json, with what was written.
func TestListsAreReadAsWritten(t *testing.T) {
	for _, frame := range lists() {
		var d Decoder
		m, err := d.Decode(frame)
		if err != nil {
			t.Errorf("%s: %v", frame, err)
			continue
		}
		if got := encodeList(&m); !bytes.Equal(got, frame) {
			t.Errorf("got  %s\nwant %s", got, frame)
		}
		before := fmt.Sprintf("%+v", m)
		for i := range frame {
			frame[i] = '#'
		}
		if _, err := d.Decode(lists()[0]); err != nil || fmt.Sprintf("%+v", m) != before {
			t.Error("a list changes with the frame")
		}
	}
}

// TestListIsCut fills lists beyond their limit: the frame must stay within it, and hold at least one item.
func TestListIsCut(t *testing.T) {
	for _, limit := range []int{0, 400, 1000, 5000} {
		l := BeginList([]byte("before"), ActionListURIs, testSeq, testSeq, limit)
		n := 0
		for l.Entry(&Entry{URI: metric.URI(fmt.Sprint("metric", n)), Kind: metric.KindDatapoint}) {
			n++
		}
		frame := l.EndMore(true)[len("before"):]
		var d Decoder
		m, err := d.Decode(frame)
		if err != nil || len(m.Listing.Entries) != n || l.Len() != n || !m.Listing.More {
			t.Fatalf("limit %d: %v, %d entries of %d: %s", limit, err, len(m.Listing.Entries), n, frame)
		}
		if n == 0 || n > 1 && len(frame) > limit {
			t.Errorf("limit %d: %d entries in %d bytes", limit, n, len(frame))
		}
	}
}

// TestQueriesAreRefusedByField names the field and the code of every fault.
func TestQueriesAreRefusedByField(t *testing.T) {
	for _, c := range []struct {
		action, payload string
		code            int
		detail          string
	}{
		{"list_uris", `{"uri":null,"after":null}`, 202703, "payload.limit (missing)"},
		{"list_uris", `[]`, 202703, "payload [] must be an object"},
		{"list_uris", `{"uri":"a b","after":null,"limit":null}`, 202700, "payload.uri"},
		{"list_uris", `{"uri":null,"after":"a b","limit":null}`, 202701, "payload.after"},
		{"list_uris", `{"uri":null,"after":null,"limit":0}`, 202702, "payload.limit 0"},
		{"list_uris", `{"uri":null,"after":null,"limit":true}`, 202702, "payload.limit true"},
		{"share", `{"uri":"a"}`, 202803, "payload.user (missing)"},
		{"share", `{"uri":"..","user":"bob"}`, 202800, "payload.uri"},
		{"share", `{"uri":"a","user":"b:b"}`, 202801, "payload.user"},
		{"unshare", `{"user":"bob"}`, 202903, "payload.uri (missing)"},
		{"unshare", `{"uri":7,"user":"bob"}`, 202900, "payload.uri 7"},
		{"unshare", `{"uri":"a","user":null}`, 202901, "payload.user null"},
		{"list_shares", `{"after":null}`, 203003, "payload.limit (missing)"},
		{"list_shares", `{"after":"x","limit":null}`, 203001, "payload.after"},
		{"list_shares", `{"after":{"uri":"cpu","user":"bob"},"limit":null}`, 203001, `payload.after.uri "cpu" must name its owner`},
		{"list_shares", `{"after":null,"limit":"5"}`, 203002, "payload.limit"},
		{"since", `{"owner":null,"position":0}`, 203203, "payload.limit (missing)"},
		{"since", `{"owner":"a b","position":0,"limit":null}`, 203200, "payload.owner"},
		{"since", `{"owner":null,"position":-1,"limit":null}`, 203201, "payload.position -1"},
		{"since", `{"owner":null,"position":9223372036854775808,"limit":null}`, 203201, "payload.position"},
		{"since", `{"owner":null,"position":1,"limit":1.0}`, 203202, "payload.limit 1.0"},
		{"send_batch", `{}`, 203103, "payload.sends (missing)"},
		{"send_batch", `{"sends":{}}`, 203100, "payload.sends {}"},
		{"send_batch", `{"sends":[[]]}`, 203100, "payload.sends[0] [] must be an object"},
		{"send_batch", `{"sends":[{"uris":[]}]}`, 203103, "payload.sends[0].t (missing)"},
		{"send_batch", `{"sends":[{"t":"$","uris":[]},{"t":"$"}]}`, 203103, "payload.sends[1].uris (missing)"},
		{"send_batch", `{"sends":[{"t":"$","uris":[{"uri":"a","type":"p","content":"x"}]}]}`, 203100, "payload.sends[0].uris[0].content"},
		{"send_batch", `{"sends":[` + strings.Repeat(`{"t":"$","uris":[]},`, MaxSends) + `{"t":"$","uris":[]}]}`, 203100, "at most 10000 elements"},
		{"missed_data", `{"uris":[]}`, CodeUnsupportedAction, "missed_data"},
	} {
		var d Decoder
		_, refusal := d.DecodeRequest(request(c.action, c.payload))
		if refusal == nil {
			t.Errorf("%s %.80s: decoded", c.action, c.payload)
			continue
		}
		checkRefusal(t, refusal)
		if refusal.Code != c.code || !strings.Contains(refusal.Reason, c.detail) {
			t.Errorf("%s %.80s: got %d %s, want %d and %q", c.action, c.payload, refusal.Code, refusal.Reason, c.code, c.detail)
		}
	}
}

// TestListsAreCheckedByField damages each list in every member.
func TestListsAreCheckedByField(t *testing.T) {
	for _, frame := range lists() {
		var m struct {
			Action  string
			Payload map[string]json.RawMessage
		}
		if err := json.Unmarshal(frame, &m); err != nil {
			t.Fatal(err)
		}
		for name, value := range m.Payload {
			for _, wrong := range []string{"7.5", `"x"`, "null", "[7]", "[{}]"} {
				damaged := bytes.Replace(frame, append([]byte(`"`+name+`": `), value...), []byte(`"`+name+`": `+wrong), 1)
				var d Decoder
				if _, err := d.Decode(damaged); err == nil || !strings.Contains(err.Error(), "payload."+name) {
					t.Errorf("%s with %s %s: got %v", m.Action, name, wrong, err)
				}
			}
		}
	}
}

func TestRequestReadsQueries(t *testing.T) {
	var d Decoder
	r, refusal := d.DecodeRequest(request("list_uris", `{"uri":"BOB:a","after":"bob:a.b","limit":5000}`))
	if refusal != nil || r.URI != "BOB:a" || r.After != "bob:a.b" || r.Limit != MaxPage {
		t.Errorf("%+v %+v", r, refusal)
	}
	r, refusal = d.DecodeRequest(testBatch(nil))
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	var got []string
	for _, send := range r.Sends {
		for _, item := range send.Items {
			got = append(got, fmt.Sprint(send.Time.Ticks(), " ", item.URI, "=", item.Value))
		}
	}
	want := []string{"17955144000000000 b.c=x \"ñ", "17955144000000000 a=1.5", "17000000000000000 a=1.5"}
	if diff := cmp.Diff(want, got); diff != "" || len(r.Sends) != 3 || len(r.Items) != 3 {
		t.Errorf("%d parts: %s", len(r.Sends), diff)
	}
}
