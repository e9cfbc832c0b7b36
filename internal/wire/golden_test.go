package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/komstream/komstream/internal/vectortest"
)

// vectors decodes one file of the golden vectors into out: see package vectortest.
func vectors(t testing.TB, name string, out any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// toServer is a frame that an agent sent, and what the original hub made of it.
type toServer struct {
	Name   string
	Text   *string         // the frame as text, or
	JSON   json.RawMessage `json:"json"` // as JSON
	Result json.RawMessage // "close", "abort…", or an answer
}

// answer is a generic_response without its own sequence.
type answer struct {
	Status int             `json:"status"`
	Error  int             `json:"error"`
	Reason *string         `json:"reason"`
	V      json.RawMessage `json:"v"`
	Irt    *string         `json:"irt"`
}

func (c *toServer) frame() []byte {
	if c.Text != nil {
		return []byte(*c.Text)
	}
	return c.JSON
}

// verdict is what a frame leads to, as far as the decoder decides.
type verdict struct {
	Close        bool
	Status, Code int // 0 where the request is decoded, status -1 where the original crashed
	Reason       string
	V            string
	Irt          string
}

// want translates the vector. A status other than 4400 depends on the hub's state, so that the frame must decode;
// so does the one 4400 that compares a content with the type of a metric that exists. An owner's name too long for
// any user is known without state.
func (c *toServer) want(t *testing.T) verdict {
	var text string
	if json.Unmarshal(c.Result, &text) == nil {
		if text == "close" {
			return verdict{Close: true}
		}
		return verdict{Status: -1, Reason: text}
	}
	var a answer
	if err := json.Unmarshal(c.Result, &a); err != nil {
		t.Fatal(err)
	}
	v := verdict{V: string(a.V)}
	if a.Irt != nil {
		v.Irt = *a.Irt
	}
	const contentOfOtherType = 201308
	if a.Status == StatusProtocol && a.Error != contentOfOtherType || a.Error == CodeUsernameTooLong {
		v.Status, v.Code = a.Status, a.Error
		if a.Reason != nil {
			v.Reason = *a.Reason
		}
	}
	return v
}

func verdictOf(r *Request, refusal *Refusal) verdict {
	if refusal == nil {
		return verdict{V: "1", Irt: r.Seq.String()}
	}
	if refusal.Close {
		return verdict{Close: true}
	}
	return verdict{Status: refusal.Status, Code: refusal.Code, Reason: refusal.Reason, V: refusal.V,
		Irt: refusal.Irt.String()}
}

// agrees compares a verdict with the one wanted; a reason may go on behind the one wanted.
func (v verdict) agrees(want verdict) bool {
	reason, ok := v.Reason, strings.HasPrefix(v.Reason, want.Reason)
	v.Reason, want.Reason = "", ""
	return v == want && ok && (v.Status == 0 || v.Close || reason != "")
}

func TestGoldenRequests(t *testing.T) {
	var file struct {
		ToServer []toServer `json:"to_server"`
	}
	vectors(t, "invalid.json", &file)
	used := map[string]int{}
	ran := 0
	for _, c := range file.ToServer {
		t.Run(c.Name, func(t *testing.T) {
			ran++
			want := c.want(t)
			for _, rule := range requestRules {
				if rule.excuse(&c, &want) {
					used[rule.name]++
				}
			}
			var d Decoder
			if got := verdictOf(d.DecodeRequest(c.frame())); !got.agrees(want) {
				t.Errorf("frame %.300s\ngot  %+v\nwant %+v", c.frame(), got, want)
			}
		})
	}
	t.Logf("%d frames to the hub", ran)
	checkUsed(t, requestRules, used)
}

// toClient is a frame that a hub sent, and whether the original agent took it.
type toClient struct {
	Name   string
	JSON   json.RawMessage `json:"json"`
	Accept bool
}

func TestGoldenMessages(t *testing.T) {
	var file struct {
		ToClient []toClient `json:"to_client"`
	}
	vectors(t, "invalid.json", &file)
	used := map[string]int{}
	ran := 0
	for _, c := range file.ToClient {
		t.Run(c.Name, func(t *testing.T) {
			ran++
			want := c.Accept
			for _, rule := range messageRules {
				if rule.excuse(&c, &want) {
					used[rule.name]++
				}
			}
			var d Decoder
			_, err := d.Decode(c.JSON)
			if (err == nil) != want {
				t.Errorf("frame %.300s\ngot %v, want accepted %v", c.JSON, err, want)
			}
		})
	}
	t.Logf("%d frames to the agent", ran)
	checkUsed(t, messageRules, used)
}

// checkUsed fails for rules that no case of the project's own vectors needs.
func checkUsed[C, V any](t *testing.T, rules []rule[C, V], used map[string]int) {
	if !vectortest.Own() {
		return
	}
	for _, r := range rules {
		if used[r.name] == 0 {
			t.Errorf("rule %q excuses nothing", r.name)
		}
		t.Logf("rule %q: %d", r.name, used[r.name])
	}
}

// sameJSON reports whether two texts are the same JSON, whatever their spacing, escapes and order of keys.
func sameJSON(t *testing.T, a, b []byte) bool {
	var values [2]any
	for i, text := range [][]byte{a, b} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&values[i]); err != nil {
			t.Fatalf("not JSON: %.200s: %v", text, err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// head is how every frame of this package begins: its keys in the order of the protocol.
var head = regexp.MustCompile(`^\{"v": \d+, "action": "\w+", "seq": "\w+", "irt": ("\w+"|null), "payload": \{`)
