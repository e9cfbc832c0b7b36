package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/metric"
)

// invalidCase is one frame and what the original hub made of it.
type invalidCase struct {
	Name   string          `json:"name"`
	JSON   json.RawMessage `json:"json"`
	Text   *string         `json:"text"`
	Result json.RawMessage `json:"result"`
}

// verdict is an answer, or the end of the socket.
type verdict struct {
	Status, Error int
	Reason        string
	V             string
	Irt           string
	End           bool
}

func (c invalidCase) want(t *testing.T) (v verdict) {
	t.Helper()
	if c.Result[0] == '"' {
		v.End = !strings.HasPrefix(string(c.Result), `"abort`)
		if !v.End {
			// The original crashed; §4: answer as malformed.
			return verdict{Status: 4400, Error: 350000, Reason: "Malformed message", V: "0"}
		}
		return v
	}
	var r struct {
		Status, Error int
		Reason, Irt   *string
		V             json.RawMessage
	}
	must(t, json.Unmarshal(c.Result, &r))
	v = verdict{Status: r.Status, Error: r.Error, V: string(r.V)}
	if r.Reason != nil {
		v.Reason = *r.Reason
	}
	if r.Irt != nil {
		v.Irt = *r.Irt
	}
	return v
}

func (c invalidCase) frame() string {
	if c.Text != nil {
		return *c.Text
	}
	return string(c.JSON)
}

// fields is the payload of a frame.
type fields map[string]any

// invalidRule is where this hub deliberately judges a frame differently, and what the protocol says of it.
type invalidRule struct {
	reason  string
	applies func(c invalidCase, sent fields, want, got verdict) bool
}

var invalidRules = []invalidRule{
	{"§5: a version that is no integer is answered with 0",
		func(_ invalidCase, _ fields, want, got verdict) bool {
			boolean := want.V == "false" || want.V == "true"
			return boolean && got.V == "0" && want.Error == 350001 && got.Error == 350000
		}},
	{"§5, §7.3: booleans are neither integers nor numbers: reject them",
		func(c invalidCase, sent fields, want, got verdict) bool {
			_, boolean := sent["content"].(bool)
			return want.Status < 4300 && got.Status == 4400 && (boolean || strings.Contains(c.frame(), "true"))
		}},
	{"§8.3: a new uri twice is 4501/6003 for all variants, with a reason",
		func(_ invalidCase, _ fields, want, got verdict) bool {
			return want.Status == 4501 && want.Error == 1 && got.Status == 4501 && got.Error == 6003 && got.Reason != ""
		}},
	{"§11: numbers are bounded ASCII decimals; half a surrogate pair is no text",
		func(_ invalidCase, sent fields, want, got verdict) bool {
			refused := got.Error == 202102 || got.Error == 202052 || got.Error == 202200
			return refused && (want.Status == 4200 || want.Status == 4501) && sent.oddContent()
		}},
	{"§14: agent 0.8 is served: an id may have 20 hex digits",
		func(c invalidCase, _ fields, want, got verdict) bool {
			var ids struct{ Seq, Irt string }
			_ = json.Unmarshal([]byte(c.frame()), &ids)
			return want.Status == 4400 && want.Error != 200000 && got.Status == 4200 &&
				(shortID.MatchString(ids.Seq) || shortID.MatchString(ids.Irt))
		}},
}

var (
	shortID = regexp.MustCompile(`^[0-9a-f]{20}$`)
	decimal = regexp.MustCompile(`^\s*[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE][+-]?0*(\d{1,4}))?\s*$`)
)

// oddContent reports whether a content is of those that the original takes by accident: no decimal in ASCII, one with
// a boundless exponent, a list, or half a surrogate pair.
func (f fields) oddContent() bool {
	contents := []any{f["content"]}
	items, _ := f["uris"].([]any)
	for _, item := range items {
		item, _ := item.(map[string]any)
		contents = append(contents, item["content"])
	}
	for _, content := range contents {
		switch v := content.(type) {
		case []any, bool:
			return true
		case string:
			if strings.ContainsRune(v, '\ufffd') || !decimal.MatchString(v) {
				return true
			}
			if exponent := decimal.FindStringSubmatch(v)[7]; len(exponent) == 4 && exponent > "6144" {
				return true
			}
		}
	}
	return false
}
func TestGoldenFrames(t *testing.T) {
	var file struct {
		ToServer []invalidCase `json:"to_server"`
	}
	vectors(t, "invalid.json", &file)
	used := make([]int, len(invalidRules))
	w := newWorld(t)
	passed := 0
	for i, c := range file.ToServer {
		name := c.Name
		if len(name) > 60 {
			name = name[:60]
		}
		if t.Run(fmt.Sprint(i, " ", name), func(t *testing.T) { w.judge(t, c, used) }) {
			passed++
		}
	}
	for i, n := range used {
		if n == 0 && vectortest.Own() {
			t.Errorf("the rule excuses nothing: %s", invalidRules[i].reason)
		}
		t.Logf("rule %q: %d", invalidRules[i].reason, n)
	}
	t.Logf("%d of %d frames", passed, len(file.ToServer))
}

// world is the state that the frames are judged in: alice, who sends them, and bob, who shares sh with her.
type world struct {
	h          *hubtest.Hub
	alice, bob *client
	cookie     string
}

var worldMetrics = map[string]map[metric.URI]metric.Sample{
	"alice": {"dp": dp("dp", 1, 1), "ds": ds("ds", 1, "x"), "tree.void.leaf": dp("tree.void.leaf", 1, 1)},
	"bob":   {"bdp": dp("bdp", 1, 1), "bds": ds("bds", 1, "x"), "sh.dp": dp("sh.dp", 1, 1)},
}

func newWorld(t *testing.T) *world {
	w := &world{h: hubtest.New(t)}
	w.bob = dial(t, w.h, "bob", "")
	w.h.User("alice")
	w.cookie = enter(t, w.h, "alice")
	must(t, w.h.Share(context.Background(), "bob", "sh", "alice"))
	return w
}

// reset brings the metrics back to what the vectors assume.
func (w *world) reset(t *testing.T) {
	t.Helper()
	w.alice = connect(t, w.h, w.cookie, "")
	for user, want := range worldMetrics {
		c := w.alice
		if user == "bob" {
			c = w.bob
		}
		have, err := w.h.List(user, "")
		must(t, err)
		missing := map[metric.URI]metric.Sample{}
		for uri, s := range want {
			missing[uri] = s
		}
		for _, m := range have {
			if s, ok := want[m.URI]; ok && s.Kind() == m.Kind {
				delete(missing, m.URI)
			} else {
				must(t, w.h.Delete(context.Background(), user, m.URI))
			}
		}
		for _, s := range missing {
			c.send(4200, s)
		}
	}
}

func (w *world) judge(t *testing.T, c invalidCase, used []int) {
	w.reset(t)
	want, got := c.want(t), verdict{}
	w.alice.write([]byte(c.frame()))
	for {
		f, open := <-w.alice.frames
		if !open {
			got.End = true
			if closeCode(w.alice.err) != websocket.CloseNoStatusReceived {
				t.Errorf("the socket ended with %v, want a close frame without a status", w.alice.err)
			}
			break
		}
		if f.Action == "generic_response" {
			got = verdict{Status: f.status(), Error: f.code(), V: f.V.String()}
			got.Reason, _ = f.Payload["reason"].(string)
			if f.Irt != nil {
				got.Irt = *f.Irt
			}
			break
		}
	}
	compared := got
	if strings.HasPrefix(got.Reason, want.Reason+": ") {
		compared.Reason = want.Reason // ours says what is wrong behind it
	}
	diff := cmp.Diff(want, compared)
	if diff == "" {
		return
	}
	var parsed struct{ Payload map[string]any }
	_ = json.Unmarshal([]byte(c.frame()), &parsed)
	for i, rule := range invalidRules {
		if rule.applies(c, parsed.Payload, want, got) {
			used[i]++
			return
		}
	}
	t.Errorf("%.300s (-want +got):\n%s", c.frame(), diff)
}
