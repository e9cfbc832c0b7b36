package wire

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileFramesCostLittle feeds both sides frames of the greatest size and checks that time and memory stay in
// proportion to it.
func TestHostileFramesCostLittle(t *testing.T) {
	const size = hostileSize
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	multi := func(uris string) string { return string(request("send_multi_data", `{"t":"$","uris":`+uris+`}`)) }
	number := func(content string) string {
		return string(request("send_dp_data", `{"uri":"a","t":"$","content":`+content+`}`))
	}
	for name, frame := range map[string]string{
		"open lists":             strings.Repeat("[", 100_000),
		"nested lists":           strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"nested payload":         string(request("hook_to_uri", strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000))),
		"nested as allowed":      string(request("hook_to_uri", `{"uri":"a","x":`+strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000)+"}")),
		"a million numbers":      multi("[" + strings.Repeat("1,", 1_000_000) + "1]"),
		"a million lists":        multi("[" + strings.Repeat("[],", 1_000_000) + "[]]"),
		"ignored list":           string(request("hook_to_uri", `{"uri":"a","x":[`+strings.Repeat("1,", 1_000_000)+`1]}`)),
		"small items":            multi("[" + fill(`{"uri":"a","type":"p","content":1},`) + `{"uri":"a","type":"p","content":1}]`),
		"supplies":               string(request("send_ds_info", `{"uri":"a","supplies":[`+fill(`"aa",`)+`"a"]}`)),
		"supplies in escapes":    string(request("send_ds_info", `{"uri":"a","supplies":[`+fill(`"\u0061",`)+`"a"]}`)),
		"via":                    `{"via":[` + fill(`"00",`) + `"0"],"v":1,"action":"hook_to_uri","seq":"` + testID + `","irt":null,"payload":{"uri":"a"}}`,
		"empty parts":            string(request("send_batch", `{"sends":[`+strings.Repeat(`{"t":"$","uris":[]},`, MaxSends-1)+`{"t":"$","uris":[]}]}`)),
		"too many parts":         string(request("send_batch", `{"sends":[`+fill(`{"t":"$","uris":[]},`)+`{"t":"$","uris":[]}]}`)),
		"one large part":         string(request("send_batch", `{"sends":[{"t":"$","uris":[`+fill(`{"uri":"a","type":"p","content":1},`)+`{"uri":"a","type":"p","content":1}]}]}`)),
		"entries":                string(request("list_uris", `{"uris":[`+fill(`{"uri":"a","type":"d","t":null,"content":null,"supplies":null},`)+`{}],"more":true}`)),
		"messages":               string(request("since", `{"messages":[`+fill(`{"pos":1,"at":"$","seq":null,"t":"$","uris":[]},`)+`{}],"more":true}`)),
		"missed":                 string(request("missed_data", `{"uris":[`+fill(`{},`)+`{}]}`)),
		"one text":               `"` + fill("x") + `"`,
		"backslashes":            `"` + fill(`\\`) + `"`,
		"long content":           string(request("send_ds_data", `{"uri":"a","t":"$","content":"`+fill(`\ud800`)+`"}`)),
		"long uri":               string(request("hook_to_uri", `{"uri":"`+fill("a.")+`a"}`)),
		"long key":               `{"` + fill(`\u0000`) + `":1}`,
		"the same key":           "{" + fill(`"v":1,`) + `"v":1}`,
		"not a number":           "[" + fill("NaN,") + "NaN]",
		"almost not a number":    "[" + fill("Na,") + "NaN]",
		"huge exponent":          number("1e999999999"),
		"huge exponent, text":    number(`"1e999999999"`),
		"tiny exponent":          number(`"1e-999999999"`),
		"a million digits":       number(strings.Repeat("9", 1_000_000)),
		"a million digits, text": number(`"` + strings.Repeat("9", 1_000_000) + `"`),
		"a long version":         `{"v":` + strings.Repeat("9", 1_000_000) + `,"action":"x","seq":"` + testID + `"}`,
		"a long action":          `{"v":1,"action":"` + fill("x") + `","seq":"` + testID + `"}`,
		"a long id":              `{"v":1,"action":"x","seq":"` + fill("-") + `"}`,
		"a long count":           string(request("request_data", `{"uri":"a","start":null,"end":null,"count":`+strings.Repeat("9", 1_000_000)+`}`)),
		"not UTF-8":              fill("x") + "\xff",
		"blanks":                 fill(" ") + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			var d Decoder
			_, err := d.Decode([]byte(frame))
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if _, refusal := d.DecodeRequest([]byte(frame)); refusal != nil {
				checkRefusal(t, refusal)
			}
			// The bounds leave room for a slow machine and the race detector: what they exclude is worse than linear.
			if spent := time.Since(start); spent > 10*time.Second {
				t.Errorf("took %v", spent)
			}
			runtime.ReadMemStats(&after)
			const fixed, factor = 1 << 20, 32
			if got := after.TotalAlloc - before.TotalAlloc; got > fixed+factor*uint64(len(frame)) {
				t.Errorf("allocated %d bytes for a frame of %d", got, len(frame))
			} else {
				t.Logf("%v, %.1f bytes a byte", time.Since(start), float64(got)/float64(len(frame)))
			}
		})
	}
}
