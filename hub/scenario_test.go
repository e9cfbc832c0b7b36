package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// scenario is a conversation with the original hub.
type scenario struct {
	Name     string            `json:"name"`
	Users    []string          `json:"users"`
	Sessions map[string]string `json:"sessions"`
	Shares   [][3]string       `json:"shares"`
	Steps    []step            `json:"steps"`
}

type step struct {
	Control string             `json:"control"`
	Args    []string           `json:"args"`
	From    string             `json:"from"`
	Send    json.RawMessage    `json:"send"`
	Reply   []frame            `json:"reply"`
	Push    map[string][]frame `json:"push"`
}

// request is what of a sent frame the rules look at.
type sent struct {
	Action  string
	Seq     string
	Payload struct {
		URI     string
		T       string
		Content any
		Uris    []struct{ URI, Type, Content string }
	}
}

func TestGoldenScenarios(t *testing.T) {
	var file struct{ Scenarios []scenario }
	vectors(t, "scenarios.json", &file)
	rules := newScenarioRules()
	passed := 0
	for _, s := range file.Scenarios {
		if t.Run(s.Name, func(t *testing.T) { runScenario(t, s, rules) }) {
			passed++
		}
	}
	rules.checkUsed(t)
	t.Logf("%d of %d scenarios", passed, len(file.Scenarios))
}

func runScenario(t *testing.T, s scenario, rules *scenarioRules) {
	h := hubtest.New(t)
	for _, u := range s.Users {
		h.User(u)
	}
	for _, share := range s.Shares {
		must(t, h.Share(context.Background(), share[0], metric.URI(share[2]), share[1]))
	}
	clients := map[string]*client{}
	for name, user := range s.Sessions {
		clients[name] = dial(t, h, user, "")
	}
	rules.begin()
	for i, step := range s.Steps {
		if step.Control != "" {
			control(t, h, clients, step)
			continue
		}
		runStep(t, i, step, clients, rules)
	}
}

func control(t *testing.T, h *hubtest.Hub, clients map[string]*client, s step) {
	t.Helper()
	ctx := context.Background()
	switch s.Control {
	case "share":
		must(t, h.Share(ctx, s.Args[0], metric.URI(s.Args[2]), s.Args[1]))
	case "unshare":
		must(t, h.Unshare(ctx, s.Args[0], metric.URI(s.Args[2]), s.Args[1]))
	case "disconnect":
		c := clients[s.Args[0]]
		c.gone = true
		_ = c.ws.Close()
		c.closed()
	case "reconnect":
		clients[s.Args[0]] = connect(t, h, clients[s.Args[0]].cookie, "")
	default:
		t.Fatalf("unknown control %q", s.Control)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func runStep(t *testing.T, number int, s step, clients map[string]*client, rules *scenarioRules) {
	t.Helper()
	var r sent
	must(t, json.Unmarshal(s.Send, &r))
	rules.apply(&r, &s)
	from := clients[s.From]
	seq, err := wire.ParseSeq(r.Seq)
	must(t, err)
	answer, before := from.ask(seq, s.Send)
	// The notifications are queued when a later request to the same data model has been answered.
	barrier := from.seqs.Next()
	_, more := from.ask(barrier, wire.AppendUnhook(nil, barrier, "barrier"))
	before = append(before, more...)
	got := map[string][]frame{}
	for name, c := range clients {
		if c.gone {
			continue
		}
		if frames := c.quiet(); len(frames) > 0 {
			got[name] = frames
		}
	}
	if len(before) > 0 {
		got[s.From] = append(before, got[s.From]...)
	}
	if diff := cmp.Diff(plain(s.Reply), plain([]frame{answer})); diff != "" {
		t.Errorf("step %d %s: answer (-want +got):\n%s", number, s.Send, diff)
	}
	for name := range clients {
		if diff := cmp.Diff(plain(s.Push[name]), plain(got[name])); diff != "" {
			t.Errorf("step %d %s: pushed to %s (-want +got):\n%s", number, s.Send, name, diff)
		}
	}
}

// plain returns frames without what is random or an addition of ours, and the details behind the protocol's reasons.
func plain(frames []frame) (all []frame) {
	for _, f := range frames {
		f.Seq, f.Pos, f.Via = "", 0, nil
		if reason, ok := f.Payload["reason"].(string); ok && f.status() == 4400 {
			reason, _, _ = strings.Cut(reason, ": ")
			payload := map[string]any{"status": f.Payload["status"], "error": f.Payload["error"], "reason": reason}
			if f.code() == 201308 {
				payload["reason"] = f.Payload["reason"]
			}
			f.Payload = payload
		}
		all = append(all, f)
	}
	return all
}

func (f frame) String() string { return fmt.Sprintf("%s %v", f.Action, f.Payload) }

// scenarioRules are where this hub deliberately differs from the original, and what the protocol says of it. A rule
// that excuses nothing is a failure.
type scenarioRules struct {
	used map[string]int

	// Within one scenario:
	refused map[string]bool   // times of samples that the original took and we refuse
	text    map[string]string // times of samples whose text differs
	never   map[string]bool   // uris that the original left half-created
}

const (
	ruleAccidents = "§7.3, §11: booleans and digits outside ASCII are accidents of the original: reject them"
	ruleDigits    = "§11: a JSON number keeps its digits and scale, not its binary expansion"
	ruleTwice     = "§8.3: a new uri twice in a message is answered 4501/6003 for all variants, with a reason"
	ruleLeftover  = "§8.3: a message that failed leaves nothing behind"
	ruleOwnValue  = "§8.6: each accepted write is notified with its own value"
)

func newScenarioRules() *scenarioRules { return &scenarioRules{used: map[string]int{}} }

func (x *scenarioRules) begin() {
	x.refused, x.text, x.never = map[string]bool{}, map[string]string{}, map[string]bool{}
}

func (x *scenarioRules) checkUsed(t *testing.T) {
	for _, rule := range []string{ruleAccidents, ruleDigits, ruleTwice, ruleLeftover, ruleOwnValue} {
		if x.used[rule] == 0 && vectortest.Own() {
			t.Errorf("the rule excuses nothing: %s", rule)
		}
		t.Logf("rule %q: %d", rule, x.used[rule])
	}
}

// apply changes what a step expects.
func (x *scenarioRules) apply(r *sent, s *step) {
	if isAccident(r.Payload.Content) {
		x.used[ruleAccidents]++
		x.refused[r.Payload.T] = true
		s.Reply[0].Payload = answerOf(4400, 202102, "protocol error")
		s.Push = nil
	}
	if text, ok := fractionOf(s.Send); ok {
		x.used[ruleDigits]++
		x.text[r.Payload.T] = text
	}
	x.applyTwice(r, s)
	x.applyRows(s)
	x.applyNotified(r, s)
}

func answerOf(status, code int, reason string) map[string]any {
	return map[string]any{
		"status": json.Number(fmt.Sprint(status)), "error": json.Number(fmt.Sprint(code)), "reason": reason,
	}
}

func isAccident(content any) bool {
	switch v := content.(type) {
	case bool:
		return true
	case string:
		for _, c := range v {
			if c > 0x7f && strings.ContainsRune("٠١٢٣٤٥٦٧٨٩", c) {
				return true
			}
		}
	}
	return false
}

// fractionOf returns the content of a sent number that is a JSON number with a point.
func fractionOf(text []byte) (string, bool) {
	var r struct {
		Payload struct{ Content any }
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&r) != nil {
		return "", false
	}
	n, ok := r.Payload.Content.(json.Number)
	return n.String(), ok && strings.Contains(n.String(), ".")
}

func (x *scenarioRules) applyTwice(r *sent, s *step) {
	if len(s.Reply) == 1 && s.Reply[0].status() == 4501 {
		for _, u := range r.Payload.Uris {
			x.never[u.URI] = x.never[u.URI] || s.Reply[0].code() != 6003
		}
		if s.Reply[0].code() != 6003 {
			x.used[ruleTwice]++
			s.Reply[0].Payload = answerOf(4501, 6003, "msg exec error")
		}
	}
	if r.Action == "request_data" && x.never[r.Payload.URI] {
		x.used[ruleLeftover]++
		s.Reply[0].Payload = answerOf(4404, 201600, "uri "+r.Payload.URI+" does not exist")
	}
}

// applyRows changes pages and notifications by what earlier steps stored.
func (x *scenarioRules) applyRows(s *step) {
	for _, frames := range s.Push {
		for _, f := range frames {
			if data, ok := f.Payload["data"].([]any); ok {
				kept := []any{}
				for _, row := range data {
					pair, _ := row.([]any)
					if t, _ := pair[0].(string); !x.refused[t] {
						if text, changed := x.text[t]; changed {
							pair[1] = text
						}
						kept = append(kept, pair)
					}
				}
				f.Payload["data"] = kept
			}
			t, _ := f.Payload["t"].(string)
			if text, changed := x.text[t]; changed {
				f.Payload["uris"].([]any)[0].(map[string]any)["content"] = text
			}
		}
	}
}

// applyNotified gives each item of a message that names a metric twice its own value.
func (x *scenarioRules) applyNotified(r *sent, s *step) {
	if len(r.Payload.Uris) != 2 || r.Payload.Uris[0].URI != r.Payload.Uris[1].URI {
		return
	}
	for _, frames := range s.Push {
		for _, f := range frames {
			x.used[ruleOwnValue]++
			for i, u := range f.Payload["uris"].([]any) {
				u.(map[string]any)["content"] = r.Payload.Uris[i].Content
			}
		}
	}
}
