package komstream_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/metric"
)

// provoked is a request that is refused with a number that docs/protocol.md explains.
type provoked struct {
	action  string
	payload map[string]any
	answer  string // status/error
}

// object is a payload, short to write.
type object = map[string]any

func provocations() []provoked {
	at := second(1).String()
	dp := func(uri string, content any) object { return object{"uri": uri, "t": at, "content": content} }
	multi := func(items ...object) object { return object{"t": at, "uris": items} }
	item := func(uri, kind, content string) object { return object{"uri": uri, "type": kind, "content": content} }
	data := func(uri string, start, end, count any) object {
		return object{"uri": uri, "start": start, "end": end, "count": count}
	}
	long := strings.Repeat("x", 257) + ":a"
	return []provoked{
		{"send_ds_data", dp("a..b", "x"), "4400/202050"}, {"send_ds_data", dp("ds", 1), "4400/202052"},
		{"send_ds_data", object{"uri": "ds"}, "4400/202053"}, {"send_dp_data", dp("", "1"), "4400/202100"},
		{"send_dp_data", dp("dp", "1,5"), "4400/202102"}, {"send_dp_data", object{"t": at}, "4400/202103"},
		{"send_ds_info", object{"uri": ":", "supplies": nil}, "4400/202150"},
		{"send_ds_info", object{"uri": "ds", "supplies": []any{"a:b"}}, "4400/202151"},
		{"send_ds_info", object{"uri": "ds", "supplies": "a"}, "4400/202152"},
		{"send_ds_info", object{"uri": "ds"}, "4400/202153"},
		{"send_multi_data", multi(object{"uri": "dp"}), "4400/202200"}, {"send_multi_data", object{"t": at}, "4400/202203"},
		{"hook_to_uri", object{"uri": 1}, "4400/202300"}, {"hook_to_uri", object{}, "4400/202303"},
		{"unhook_from_uri", object{"uri": "a."}, "4400/202400"}, {"unhook_from_uri", object{}, "4400/202403"},
		{"request_data", data("-:-:-", at, at, 1), "4400/202500"}, {"request_data", data("dp", "x", at, 1), "4400/202503"},
		{"request_data", data("dp", at, nil, nil), "4400/202504"}, {"request_data", data("dp", at, at, -1), "4400/202505"},
		{"sing", object{}, "4400/200000"},

		{"send_ds_data", dp("dp", "x"), "4430/201100"}, {"send_ds_data", dp("bob:bds", "x"), "4430/201102"},
		{"send_ds_info", object{"uri": "dp", "supplies": nil}, "4430/201150"},
		{"send_ds_info", object{"uri": "nothing", "supplies": nil}, "4404/201151"},
		{"send_ds_info", object{"uri": "bob:bds", "supplies": nil}, "4430/201152"},
		{"send_dp_data", dp("ds", "1"), "4430/201200"}, {"send_dp_data", dp("bob:bdp", "1"), "4430/201202"},
		{"send_multi_data", multi(item("dp", "d", "x")), "4400/201308"},
		{"send_multi_data", multi(item("bob:new", "d", "x")), "4430/201309"},
		{"hook_to_uri", object{"uri": "nothing"}, "4404/201400"}, {"hook_to_uri", object{"uri": "nobody:a"}, "4430/201402"},
		{"unhook_from_uri", object{"uri": "nobody:a"}, "4430/201502"},
		{"request_data", data("nothing", at, at, nil), "4404/201600"},
		{"request_data", data("nobody:a", at, at, nil), "4430/201604"},
		{"hook_to_uri", object{"uri": "bob:bdp"}, "4430/52360"}, {"hook_to_uri", object{"uri": "bob:bds"}, "4430/52370"},
		{"hook_to_uri", object{"uri": "bob:new"}, "4430/52411"},
		{"unhook_from_uri", object{"uri": "bob:bdp"}, "4430/52380"},
		{"unhook_from_uri", object{"uri": "bob:bds"}, "4430/52390"},
		{"unhook_from_uri", object{"uri": "bob:new"}, "4430/52421"},
		{"request_data", data("bob:bdp", at, at, nil), "4430/52060"},
		{"request_data", data("bob:bds", at, at, nil), "4430/52030"},
		{"request_data", data("bob:new", at, at, nil), "4430/52401"},
		{"send_multi_data", multi(item("new", "p", "1"), item("alice:new", "p", "1")), "4501/6003"},
		{"hook_to_uri", object{"uri": long}, "4501/800"},
		{"send_ds_data", dp("ds2", "x"), "4430/51010"}, {"send_dp_data", dp("dp2", "1"), "4430/51036"},
		{"send_ds_data", dp("ds", "x"), "4430/51090"}, {"send_dp_data", dp("dp", "1"), "4430/51095"},
	}
}

// TestProtocolRefusals provokes the refusals that docs/protocol.md lists and compares number and reason with its rows.
func TestProtocolRefusals(t *testing.T) {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	bob, err := komstream.Open(t.Context(), komstream.Config{Hub: h.URL(), Username: "bob", Key: h.User("bob")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bob.Close() })
	at := second(0).Time()
	if err := bob.Send(t.Context(), metric.Datapoint("bdp", at, 1), metric.Datasource("bds", at, "x")); err != nil {
		t.Fatal(err)
	}
	if err := bob.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := newOriginalAgent(t, dialects[len(dialects)-1], h.URL(), "alice", h.User("alice"))
	a.login()
	a.connect()
	a.ask("send_multi_data", object{"t": second(0).String(), "uris": []object{
		{"uri": "dp", "type": "p", "content": "1"}, {"uri": "ds", "type": "d", "content": "x"},
	}}, 4200, 0)
	if err := h.SetQuota(t.Context(), "alice", hub.Quota{Datasources: 1, Datapoints: 1, TextsPerDay: 1, NumbersPerDay: 1}); err != nil {
		t.Fatal(err)
	}
	a.ask("send_ds_data", object{"uri": "ds", "t": second(0).String(), "content": "x"}, 4200, 0)
	a.ask("send_dp_data", object{"uri": "dp", "t": second(0).String(), "content": "1"}, 4200, 0)

	reasons := explained(t)
	for _, p := range provocations() {
		seq := a.send(p.action, p.payload)
		f := a.next()
		got := fmt.Sprintf("%d/%d", f.Payload.Status, f.Payload.Error)
		if f.Irt == nil || *f.Irt != seq || got != p.answer || f.Payload.Reason == nil {
			t.Errorf("%s %v: answered %+v, want %s with a reason", p.action, p.payload, f.Payload, p.answer)
			continue
		}
		want, ok := reasons[p.answer]
		if !ok {
			t.Errorf("docs/protocol.md does not explain %s", p.answer)
		} else if !want.MatchString(*f.Payload.Reason) {
			t.Errorf("%s: reason %q is not what docs/protocol.md says: %v", p.answer, *f.Payload.Reason, want)
		}
		delete(reasons, p.answer)
	}
	for answer := range reasons {
		if !slices.Contains([]string{"4500/1", "4503/0"}, answer) { // faults of the hub: its own tests make them
			t.Errorf("docs/protocol.md explains %s, which nothing here provokes", answer)
		}
	}
}

var (
	formNumber = regexp.MustCompile(`\b20[0-9]{4}\b`)
	wholeRow   = regexp.MustCompile(`^(\d{4})/(\d+)((?:, \d+)*)$`)
)

// explained returns a pattern of the reason for each answer, "status/error", of the section on error numbers.
func explained(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	text := protocol(t)
	begin := strings.Index(text, "\n## 11. ")
	end := begin + 1 + strings.Index(text[begin+1:], "\n## ")
	all := map[string]*regexp.Regexp{}
	for _, row := range tableRow.FindAllStringSubmatch(text[begin:end], -1) {
		cells := strings.Split(row[1], "|")
		first := strings.TrimSpace(cells[0])
		if m := wholeRow.FindStringSubmatch(first); m != nil {
			pattern := regexp.QuoteMeta(strings.TrimSpace(cells[1]))
			pattern = strings.NewReplacer(`\*uri\*`, ".+", "…", ".+").Replace(pattern)
			for _, code := range append([]string{m[2]}, strings.Split(m[3], ", ")[1:]...) {
				all[m[1]+"/"+code] = regexp.MustCompile("^" + pattern)
			}
			continue
		}
		for _, code := range formNumber.FindAllString(row[1], -1) {
			if code != "201308" { // has a row of its own
				all["4400/"+code] = regexp.MustCompile("^(protocol error|unsupported action): ")
			}
		}
	}
	return all
}
