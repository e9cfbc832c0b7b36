package metric

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/komstream/komstream/internal/vectortest"
)

// vectors decodes one file of the golden vectors into out: see package vectortest.
func vectors(t testing.TB, name string, out any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// rule is a way in which this package differs from the original on purpose. A rule looks at the input and the
// original's verdict, never at a case's name or place in the file.
type rule[C, V any] struct {
	name string
	// why is the reason for the difference.
	why string
	// excuse changes want where the rule applies and makes a difference, and reports that.
	excuse func(c C, want *V) bool
}

// ruleBook applies rules and counts which were needed.
type ruleBook[C, V any] struct {
	rules []rule[C, V]
	used  map[string]int
}

func newRuleBook[C, V any](rules []rule[C, V]) *ruleBook[C, V] {
	return &ruleBook[C, V]{rules, map[string]int{}}
}

func (b *ruleBook[C, V]) apply(c C, want *V) {
	for _, r := range b.rules {
		if r.excuse(c, want) {
			b.used[r.name]++
		}
	}
}

// check fails for rules that no case of the project's own vectors needs.
func (b *ruleBook[C, V]) check(t *testing.T) {
	t.Helper()
	for _, r := range b.rules {
		if b.used[r.name] == 0 && vectortest.Own() {
			t.Errorf("rule %q excuses nothing", r.name)
		}
		t.Logf("rule %q: %d", r.name, b.used[r.name])
	}
}

// isText reports whether a JSON value is a string, and which.
func isText(v json.RawMessage) (s string, ok bool) {
	ok = len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &s) == nil
	return s, ok
}

func TestGoldenTimeUUIDs(t *testing.T) {
	var file struct {
		Min, Max string
		FromUnix []struct {
			Unix                 json.Number
			Hex, Lowest, Highest string
			Ticks                string
			Back                 float64 `json:"unix_back"`
		} `json:"from_unix"`
		Decode []struct {
			Hex, Ticks, Node string
			Unix             float64
			ClockSeq         uint64 `json:"clock_seq"`
		}
		Pairs  [][4]any
		Sorted []string
		Forms  []struct {
			Text   json.RawMessage
			Client *string
		}
	}
	vectors(t, "timeuuid.json", &file)
	if MinTime.String() != file.Min || MaxTime.String() != file.Max {
		t.Errorf("bounds %s and %s, want %s and %s", MinTime, MaxTime, file.Min, file.Max)
	}
	since1582 := func(id TimeUUID) string { return strconv.FormatInt(int64(id.Ticks())+unixEpoch, 10) }
	near := func(id TimeUUID, unix float64) bool {
		return math.Abs(float64(id.Ticks())/1e7-unix) <= math.Abs(unix)*1e-15+1e-7
	}
	for _, c := range file.FromUnix {
		f, err := c.Unix.Float64()
		if err != nil {
			t.Fatal(err)
		}
		ticks := Ticks(f*1e6) * 10 // whole microseconds, as agents make them
		t.Run("from seconds "+c.Unix.String(), func(t *testing.T) {
			for low, want := range map[uint64]string{
				PlainLow: c.Hex, 0x8080808080808080: c.Lowest, 0xbf7f7f7f7f7f7f7f: c.Highest,
			} {
				if got := NewTimeUUID(ticks, low); got.String() != want || since1582(got) != c.Ticks || !near(got, c.Back) {
					t.Errorf("got %s of %s, want %s of %s", got, since1582(got), want, c.Ticks)
				}
			}
		})
	}
	for _, c := range file.Decode {
		id := mustTimeUUID(c.Hex)
		node, err := strconv.ParseUint(c.Node, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("decode "+c.Hex, func(t *testing.T) {
			if since1582(id) != c.Ticks || id.Low() != 1<<63|c.ClockSeq<<48|node || !near(id, c.Unix) {
				t.Errorf("ticks %s, low %x", since1582(id), id.Low())
			}
			if again := NewTimeUUID(id.Ticks(), id.Low()); again != id {
				t.Errorf("becomes %s", again)
			}
		})
	}
	for _, c := range file.Pairs {
		a, b := mustTimeUUID(c[0].(string)), mustTimeUUID(c[1].(string))
		t.Run("pair "+a.String()+" "+b.String(), func(t *testing.T) {
			if got := a.Compare(b); float64(got) != c[2].(float64) || (a == b) != c[3].(bool) {
				t.Errorf("got %d", got)
			}
		})
	}
	t.Run("sorted", func(t *testing.T) {
		if !slices.IsSortedFunc(file.Sorted, func(a, b string) int { return mustTimeUUID(a).Compare(mustTimeUUID(b)) }) {
			t.Error("the sorted list is out of order")
		}
	})
	book := newRuleBook(formRules)
	for _, c := range file.Forms {
		want := ""
		if c.Client != nil {
			want = *c.Client
		}
		text, ok := isText(c.Text)
		if !ok {
			continue // not a text at all: the decoder of frames refuses it
		}
		t.Run("form "+text, func(t *testing.T) {
			book.apply(text, &want)
			if got, err := ParseTimeUUID(text); (err == nil) != (want != "") || err == nil && got.String() != want {
				t.Errorf("%q: got %s, %v, want %q", text, got, err, want)
			}
		})
	}
	book.check(t)
	t.Logf("%d from seconds, %d decoded, %d pairs, %d sorted, %d forms",
		len(file.FromUnix), len(file.Decode), len(file.Pairs), len(file.Sorted), len(file.Forms))
}

func TestGoldenURIsAndUsernames(t *testing.T) {
	var file struct {
		URIs []struct {
			V      json.RawMessage
			URI    bool `json:"client_uri"`
			Local  bool `json:"client_local"`
			Global bool `json:"client_global"`
			SLocal bool `json:"server_local"`
			SGlob  bool `json:"server_global"`
			User   bool `json:"server_username_caps"`
		}
	}
	vectors(t, "validation.json", &file)
	book := newRuleBook(uriRules)
	ran := 0
	for _, c := range file.URIs {
		text, ok := isText(c.V)
		if !ok {
			if c.URI || c.SLocal || c.SGlob {
				t.Errorf("the original takes %s", c.V)
			}
			continue
		}
		ran++
		want := uriVerdict{c.SLocal || c.SGlob, c.SLocal, c.User}
		t.Run(short(text), func(t *testing.T) {
			if agent := c.Local || c.Global; agent != want.valid || c.URI != agent {
				t.Errorf("%q: agent and hub disagree", text)
			}
			book.apply(text, &want)
			u, err := ParseURI(text)
			_, userErr := ParseUsername(text)
			if got := (uriVerdict{err == nil, err == nil && u.IsLocal(), userErr == nil}); got != want {
				t.Errorf("%.80q: got %+v, want %+v", text, got, want)
			}
		})
	}
	book.check(t)
	t.Logf("%d uris and usernames", ran)
}

// short is a text cut to what names a subtest.
func short(text string) string { return text[:min(len(text), 60)] }

// uriVerdict is what a text is good for.
type uriVerdict struct{ valid, local, username bool }

// datapointCase is a value, the verdicts of the original hub and agent, and the texts they make of it.
type datapointCase struct {
	V              json.RawMessage
	Special        string `json:"special_float"` // where V is missing
	Server, Client bool
	ServerText     *string `json:"server_text"`
	ClientWire     *string `json:"client_wire"`
}

func TestGoldenDatapoints(t *testing.T) {
	var file struct{ Datapoint []datapointCase }
	vectors(t, "validation.json", &file)
	hub, agent := newRuleBook(hubRules), newRuleBook(agentRules)
	ran := 0
	for _, c := range file.Datapoint {
		ran++
		if c.V == nil { // a float that JSON cannot write
			t.Run(c.Special, func(t *testing.T) {
				f, err := strconv.ParseFloat(c.Special, 64)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := NumberOf(f); (err == nil) != c.Server {
					t.Errorf("got %v, want accepted %v, as the hub does", err, c.Server)
				}
			})
			continue
		}
		t.Run(short(string(c.V)), func(t *testing.T) { checkDatapoint(t, &c, hub, agent) })
	}
	hub.check(t)
	agent.check(t)
	t.Logf("%d values", ran)
}

// checkDatapoint compares a value with the verdicts of the original hub and agent.
func checkDatapoint(t *testing.T, c *datapointCase, hub, agent *ruleBook[*datapointCase, string]) {
	want := ""
	if c.Server {
		want = *c.ServerText
	}
	hub.apply(c, &want)
	text, isString := isText(c.V)
	if !isString {
		text = string(c.V) // JSON that is no number is no decimal text either
	}
	v, err := ParseNumber(text)
	if (err == nil) != (want != "") || err == nil && v.String() != want {
		t.Errorf("hub: %.60s: got %.60s, %v, want %q", c.V, v, err, want)
	}
	if isString {
		want = ""
		if c.Client {
			want = *c.ClientWire
		}
		agent.apply(c, &want)
		v, err = NumberOf(text)
		if (err == nil) != (want != "") || err == nil && v.String() != want {
			t.Errorf("agent: %.60s: got %.60s, %v, want %q", c.V, v, err, want)
		}
	}
	if f := 0.0; !isString && json.Unmarshal(c.V, &f) == nil && c.ClientWire != nil {
		v, err = NumberOf(f)
		if err != nil || !sameNumber(v.String(), *c.ClientWire) {
			t.Errorf("agent: %s: got %s, %v, want %s", c.V, v, err, *c.ClientWire)
		}
	}
}

func sameNumber(a, b string) bool {
	x, ok := new(big.Rat).SetString(a)
	y, okToo := new(big.Rat).SetString(b)
	return ok && okToo && x.Cmp(y) == 0
}

func TestGoldenTexts(t *testing.T) {
	var file struct {
		Datasource []struct {
			Name           string
			V              json.RawMessage
			Server, Client bool
		}
	}
	vectors(t, "validation.json", &file)
	ran := 0
	for _, c := range file.Datasource {
		text, ok := isText(c.V)
		var long struct{ Repeat []any }
		if !ok && json.Unmarshal(c.V, &long) == nil && len(long.Repeat) == 2 {
			text, ok = strings.Repeat(long.Repeat[0].(string), int(long.Repeat[1].(float64))), true
		}
		if !ok || !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError) {
			continue // no text, or half of a surrogate pair, which a Go string cannot hold: see the decoder of frames
		}
		ran++
		t.Run(c.Name, func(t *testing.T) {
			if _, err := TextOf(text); (err == nil) != (c.Server && c.Client) {
				t.Errorf("got %v, want accepted %v and %v", err, c.Server, c.Client)
			}
		})
	}
	t.Logf("%d texts", ran)
}

func TestGoldenMetricIdentity(t *testing.T) {
	var file struct {
		URIs []struct {
			User, URI, GURI string
			Anomaly         URI
			Tag             URI `json:"tag_k_v"`
		} `json:"metric_uris"`
		Same [][5]any `json:"metric_equality"`
	}
	vectors(t, "validation.json", &file)
	user := ""
	for _, c := range file.URIs {
		user = c.User
		t.Run(c.User+" "+c.URI, func(t *testing.T) {
			u, err := ParseURI(c.URI)
			if err != nil || string(u.Global(c.User)) != c.GURI || string(URI(c.URI).Global(c.User)) != c.GURI {
				t.Errorf("got %s, %v, want %s", u.Global(c.User), err, c.GURI)
			}
			for got, want := range map[URI]URI{u.Child("_anomaly"): c.Anomaly, u.Child("_tags.k.v-1"): c.Tag} {
				if got.Global(c.User) != want.Global(c.User) {
					t.Errorf("derived %s, want %s", got, want)
				}
			}
		})
	}
	for _, c := range file.Same {
		a, b, want := URI(c[0].(string)), URI(c[1].(string)), c[2].(bool)
		t.Run(string(a+" and "+b), func(t *testing.T) {
			if got := a.For(user) == b.For(user); got != want {
				t.Errorf("the same for %s: %v, want %v", user, got, want)
			}
			if got := a.Global(user) == b.Global(user); got != want {
				t.Errorf("the same: %v, want %v", got, want)
			}
		})
	}
	t.Logf("%d uris, %d pairs", len(file.URIs), len(file.Same))
}

func TestGoldenISOTimes(t *testing.T) {
	var file struct {
		Times []isoCase `json:"legacy_iso_ts"`
	}
	vectors(t, "validation.json", &file)
	book := newRuleBook(isoRules)
	for _, c := range file.Times {
		text, ok := isText(c.V)
		if !ok {
			continue
		}
		t.Run(text, func(t *testing.T) {
			want := c.OK
			book.apply(&c, &want)
			s := Datapoint("a", text, 1)
			if err := s.Check(); (err == nil) != want {
				t.Fatalf("got %v, want accepted %v", err, want)
			}
			if us, _ := strconv.ParseInt(c.UnixMicro, 10, 64); want && c.OK && s.Time.Ticks() != Ticks(us)*10 {
				t.Errorf("got %s, want %d µs", s.When(), us)
			}
		})
	}
	book.check(t)
	t.Logf("%d times", len(file.Times))
}

type isoCase struct {
	V         json.RawMessage
	OK        bool
	UnixMicro string `json:"unix_us"`
}
