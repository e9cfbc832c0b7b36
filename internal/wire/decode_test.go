package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/komstream/komstream/metric"
)

func TestDecodeAdditions(t *testing.T) {
	multi := func(keys string) []byte {
		return []byte(strings.ReplaceAll(`{"v": 1, "action": "send_multi_data", "seq": "$", "irt": null`+keys+
			`, "payload": {"t": "$", "uris": []}}`, "$", testID))
	}
	ids := func(n int) string {
		return `, "via": [` + strings.Repeat(`"00112233445566ff", `, n-1) + `"00112233445566ff"]`
	}
	for _, c := range []struct {
		keys string
		via  int
		pos  uint64
		ok   bool
	}{
		{``, 0, 0, true}, {`, "pos": 5`, 0, 5, true}, {ids(1), 1, 0, true}, {ids(MaxVia) + `, "pos": 5`, MaxVia, 5, true},
		{`, "pos": 5` + ids(2), 2, 5, true}, {`, "via": []`, 0, 0, true}, {`, "via": null, "pos": null`, 0, 0, true},
		{`, "pos": 9223372036854775807`, 0, 1<<63 - 1, true}, {`, "pos": 9223372036854775808`, 0, 0, false},
		{`, "pos": 1234567890123456789`, 0, 1234567890123456789, true},
		{`, "pos": 0`, 0, 0, false}, {`, "pos": -1`, 0, 0, false}, {`, "pos": 1.0`, 0, 0, false}, {`, "pos": "1"`, 0, 0, false},
		{ids(MaxVia + 1), 0, 0, false}, {`, "via": ["00112233445566FF"]`, 0, 0, false}, {`, "via": "00112233445566ff"`, 0, 0, false},
		{`, "via": ["00112233445566f"]`, 0, 0, false}, {`, "via": [5]`, 0, 0, false}, {`, "via": {}`, 0, 0, false},
	} {
		var d Decoder
		m, err := d.Decode(multi(c.keys))
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", c.keys, err)
			continue
		}
		if c.ok && (len(m.Notification.Via) != c.via || m.Notification.Pos != c.pos) {
			t.Errorf("%s: got %d impulses and %d", c.keys, len(m.Notification.Via), m.Notification.Pos)
		}
	}
}

func TestDecodeNamesFieldValueAndRule(t *testing.T) {
	for frame, want := range map[string]string{
		`{`:  "wire: frame { must be JSON",
		`[]`: "wire: frame [] must be an object",
		`{"v":1,"action":"generic_response","seq":null,"irt":null,"payload":{"status":-1,"error":0,"reason":null}}`:                                 "wire: payload.status -1 must be a positive integer",
		`{"v":1,"action":"generic_response","seq":null,"payload":{"status":1,"error":0,"reason":null}}`:                                             "wire: irt (missing) must be present",
		`{"v":1,"action":"send_multi_data","seq":null,"irt":null,"payload":{"t":"$","uris":[{"uri":"a\nb","type":"p"}]}}`:                           `wire: payload.uris[0].uri "a\nb" must be levels of A-Z a-z 0-9 _ - joined by single dots, with at most one owner and colon before them`,
		`{"v":1,"action":"send_data_interval","seq":null,"irt":null,"payload":{"uri":{"uri":"a","type":"p"},"start":"$","end":"$","data":[["$"]]}}`: `wire: payload.data[0] ["$"] must be a list of a time and a content`,
	} {
		var d Decoder
		_, err := d.Decode([]byte(strings.ReplaceAll(frame, "$", testID)))
		var invalid *InvalidError
		if !errors.As(err, &invalid) || err.Error() != strings.ReplaceAll(want, "$", testID) {
			t.Errorf("%s\ngot  %v\nwant %s", frame, err, want)
		}
	}
}

func TestUnknownActionIsASentinel(t *testing.T) {
	var d Decoder
	_, err := d.Decode(request("future_data", `{}`))
	if !errors.Is(err, ErrUnknownAction) {
		t.Errorf("got %v", err)
	}
	if _, err = d.Decode(request("generic_response", `{}`)); err == nil || errors.Is(err, ErrUnknownAction) {
		t.Errorf("got %v", err)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	var d Decoder
	for _, frame := range append(frames(), benchFrame(10)) {
		if !strings.Contains(string(frame), "send_multi_data") || strings.Contains(string(frame), "E-8") {
			continue // scientific notation costs an allocation
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(frame); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations: %s", n, frame)
		}
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	samples := benchSamples(10)
	samples = append(samples, metric.Datasource("df", "2026-11-24T10:00:00Z", "a\nñ😀"))
	via := []metric.Origin{metric.OriginOf("a", "b")}
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendSendMulti(buf[:0], benchSeq, benchSeq, via, samples[0].Time, samples)
		buf = AppendResponse(buf, benchSeq, benchSeq, Response{Status: StatusExecuted})
		buf = AppendSendOne(buf, benchSeq, Seq{}, via, &samples[0])
		buf = AppendRequest(buf, benchSeq, "a", metric.MinTime, metric.TimeUUID{}, 5)
		p := BeginPage(buf, benchSeq, benchSeq, "a", metric.KindDatapoint, metric.MaxTime)
		p.Row(samples[0].Time, samples[0].Value, 0)
		buf = p.End(metric.MinTime)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecoderKeepsLittleMemory(t *testing.T) {
	var d Decoder
	if _, err := d.Decode(benchFrame(10 * keepItems)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(benchFrame(1)); err != nil {
		t.Fatal(err)
	}
	if got := cap(d.note.Items); got > keepItems {
		t.Errorf("%d items are kept", got)
	}
}

func TestReleaseForgetsTheFrame(t *testing.T) {
	var d Decoder
	for _, frame := range frames() {
		if _, refusal := d.DecodeRequest(frame); refusal != nil {
			t.Fatal(refusal)
		}
	}
	d.Release()
	for _, item := range d.note.Items[:cap(d.note.Items)] {
		if item.URI != nil || item.Content != nil {
			t.Fatalf("%+v is kept", item)
		}
	}
	for _, item := range d.request.Items[:cap(d.request.Items)] {
		if item != (RequestItem{}) {
			t.Fatalf("%+v is kept", item)
		}
	}
	if d.request.URI != "" || d.request.Value.Kind() != 0 {
		t.Errorf("%+v is kept", d.request)
	}
}

func TestNotificationOfAnotherOwner(t *testing.T) {
	var items []RequestItem
	for _, s := range benchSamples(3) {
		items = append(items, RequestItem{URI: s.URI, Kind: s.Kind(), Value: s.Value})
	}
	var d Decoder
	m, err := d.Decode(AppendNotification(nil, benchSeq, metric.MinTime, nil, 9, "bob", items))
	if err != nil || string(m.Notification.Items[2].URI) != "bob:host002.cpu.user" || m.Notification.Pos != 9 {
		t.Errorf("got %+v, %v", m.Notification, err)
	}
}

func TestPageIsCutByBytes(t *testing.T) {
	const limit = 1000
	text, err := metric.TextOf(strings.Repeat("x", 300))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ before, rows, limit int }{{0, 2, limit}, {5000, 2, limit}, {0, 2, 1}, {0, 9, 0}} {
		p := BeginPage(make([]byte, c.before), benchSeq, benchSeq, "a.b", metric.KindDatasource, metric.MaxTime)
		n := 0
		for n < 9 && p.Row(metric.NewTimeUUID(metric.Ticks(1000-n), metric.PlainLow), text, c.limit) {
			n++
		}
		frame := p.End(metric.MinTime)[c.before:]
		var d Decoder
		m, err := d.Decode(frame)
		if err != nil {
			t.Fatalf("%v: %s", err, frame)
		}
		if n != c.rows || p.Rows() != n || len(m.Interval.Rows) != n || c.limit == limit && len(frame) > limit {
			t.Errorf("limit %d: %d rows in %d bytes, want %d", c.limit, n, len(frame), c.rows)
		}
		if m.Interval.Start != metric.MinTime || m.Interval.End != metric.MaxTime || m.Interval.URI != "a.b" {
			t.Errorf("got %+v", m.Interval)
		}
	}
}
