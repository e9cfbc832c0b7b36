package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/komstream/komstream/metric"
)

// frames are messages that the scanner reads: every optional key, both spacings, every kind of content.
func frames() (all [][]byte) {
	at := metric.NewTimeUUID(17_000_000_000_000_000, metric.PlainLow)
	origin := metric.OriginOf("alice", "summary")
	samples := []metric.Sample{
		metric.Datapoint("cpu.user", "2026-11-24T10:00:00Z", 14.63),
		metric.Datasource("host.df", "2026-11-24T10:00:00Z", "a\nb \"c\" \\ ñ 😀 \x00"),
		metric.Datapoint("Friend.x-1:a_b.c", "2026-11-24T10:00:00Z", "-1.5E-8"),
		metric.Datasource("empty", "2026-11-24T10:00:00Z", ""),
		metric.Datapoint("n", "2026-11-24T10:00:00Z", 7),
	}
	items := []RequestItem{}
	for _, s := range samples {
		items = append(items, RequestItem{URI: s.URI.Local(), Kind: s.Kind(), Value: s.Value})
	}
	for _, frame := range [][]byte{
		AppendSendMulti(nil, SeqOf(at), Seq{}, nil, at, samples),
		AppendSendMulti(nil, SeqOf(at), SeqOf(at), []metric.Origin{origin, {}}, at, samples[:1]),
		AppendNotification(nil, SeqOf(at), at, nil, 0, "", nil),
		AppendNotification(nil, SeqOf(at), at, []metric.Origin{origin}, 18_446_744_073, "bob", items),
		AppendSendOne(nil, SeqOf(at), Seq{}, nil, &samples[0]),
		AppendSendOne(nil, SeqOf(at), SeqOf(at), []metric.Origin{origin}, &samples[2]),
		AppendSendOne(nil, SeqOf(at), Seq{}, nil, &samples[1]),
		[]byte(`{"v": 1, "action": "send_multi_data", "seq": "6f2b4c00d05a11e7a1b2030405060708", "irt": null, ` +
			`"payload": {"t": "6F2B4C00D05A11E7A1B2030405060708", "uris": [{"uri": "a", "type": "d", "content": "ñ raw"}, ` +
			`{"uri": "b", "type": "p", "content": "007"}, {"uri": "b", "type": "d", "content": "2"}]}}`),
	} {
		var compacted bytes.Buffer
		if err := json.Compact(&compacted, frame); err != nil {
			panic(fmt.Sprintf("%v: %s", err, frame))
		}
		all = append(all, frame, compacted.Bytes())
	}
	return all
}

var sameValues = cmp.Options{
	cmp.Comparer(func(a, b Seq) bool { return a == b }),
	cmp.Comparer(func(a, b metric.Value) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// agree fails where a scanner takes a frame and the general way takes it differently. It reports whether one did.
func agree(t *testing.T, frame []byte) (scanned bool) {
	t.Helper()
	var fast, slow Decoder
	if fast.reset(); fast.scanMulti(frame) {
		scanned = true
		m, err := slow.decodeAny(frame)
		if err != nil {
			t.Fatalf("the scanner takes what is wrong: %v\n%s", err, frame)
		}
		got := Message{Action: ActionSendMultiData, Seq: fast.seq, Irt: fast.irt, Notification: &fast.note}
		if diff := cmp.Diff(m, got, sameValues); diff != "" {
			t.Fatalf("%s\n%s", diff, frame)
		}
	}
	var request *Request
	if fast.resetRequest(); fast.scanMulti(frame) {
		request, _ = fast.requestMulti()
	} else if fast.resetRequest(); fast.scanNumber(frame) {
		request, _ = fast.requestNumber()
	}
	if request != nil {
		scanned = true
		slow.resetRequest()
		want, refusal := slow.decodeAnyRequest(bytes.Clone(frame))
		// A position is for notifications; as part of a request it is ignored, whatever it is.
		if diff := cmp.Diff(want, request, sameValues); refusal != nil || diff != "" {
			t.Fatalf("refusal %+v\n%s\n%s", refusal, diff, frame)
		}
	}
	return scanned
}

func TestScannerTakesUsualFrames(t *testing.T) {
	for _, frame := range frames() {
		if !agree(t, frame) && bytes.Contains(frame, []byte("multi")) {
			t.Errorf("the scanner declines %s", frame)
		}
	}
}

// TestScannerAgreesOnMutations changes usual frames at random and compares the two ways of decoding.
func TestScannerAgreesOnMutations(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	all := frames()
	const bytesOfInterest = "\"\\{}[]:,. 0123456789eE+-_abfnrtu\x00\x1f\x7f\xc3\xb1\xff\n"
	scanned, total := 0, 20_000
	if testing.Short() {
		total = 2_000
	}
	for range total {
		frame := bytes.Clone(all[random.IntN(len(all))])
		for range 1 + random.IntN(2) {
			i, c := random.IntN(len(frame)), bytesOfInterest[random.IntN(len(bytesOfInterest))]
			switch random.IntN(4) {
			case 0:
				frame[i] = c
			case 1:
				frame = append(frame[:i], append([]byte{c}, frame[i:]...)...)
			case 2:
				frame = append(frame[:i], frame[i+1:]...)
			default: // a piece again, or a piece of another frame
				other := all[random.IntN(len(all))]
				from := random.IntN(len(other))
				piece := other[from:min(len(other), from+random.IntN(40))]
				frame = append(frame[:i:i], append(bytes.Clone(piece), frame[i:]...)...)
			}
		}
		if agree(t, frame) {
			scanned++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("seed %d: %d of %d frames scanned", seed, scanned, total)
}

func FuzzScanner(f *testing.F) {
	for _, frame := range frames() {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) { agree(t, frame) })
}

// FuzzDecode feeds both sides: no frame may bring a decoder down or leave it without an answer, and what is accepted
// must be the same after it was written anew.
func FuzzDecode(f *testing.F) {
	for _, frame := range frames() {
		f.Add(frame)
	}
	for _, frame := range append(queries(), lists()...) {
		f.Add(frame)
	}
	for _, text := range []string{
		`{"v": 1, "action": "request_data", "seq": "6f2b4c00d05a11e7a1b2030405060708", "irt": null, "payload": {"uri": "a", "start": null, "end": null, "count": 5}}`,
		`{"v": 1, "action": "send_ds_info", "seq": "6f2b4c00d05a11e7a1b2", "irt": null, "payload": {"uri": "a", "supplies": ["b", "c"]}}`,
		`{"v": 1, "action": "missed_data", "seq": null, "irt": null, "payload": {"uris": [{"uri": "b:a", "first": "6f2b4c00d05a11e7a1b2030405060708", "last": "6f2b4c00d05a11e7a1b2030405060708", "from": 1, "to": 2, "count": 3}]}}`,
		`{"v": 1, "action": "delete_uri", "seq": "6f2b4c00d05a11e7a1b2", "irt": null, "payload": {"uri": "a", "type": "p"}}`,
		`{"v": 0, "action": "generic_response", "seq": null, "irt": null, "payload": {"status": 4200, "error": 0, "reason": "x"}}`,
		`{"v": 1, "action": "send_data_interval", "seq": null, "irt": null, "payload": {"uri": {"uri": "a", "type": "p"}, "start": "6f2b4c00d05a11e7a1b2030405060708", "end": "6f2b4c00d05a11e7a1b2030405060708", "data": [["6f2b4c00d05a11e7a1b2030405060708", 1.5]]}}`,
		`[NaN, -Infinity, "NaN", {"v": 1}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var d, again Decoder
		before := bytes.Clone(frame)
		m, err := d.Decode(frame)
		if err == nil {
			written := encodeMessage(&m, "1")
			other, err := again.Decode(written)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, frame, written)
			}
			if rewritten := encodeMessage(&other, "1"); !bytes.Equal(rewritten, written) {
				t.Fatalf("%s\n%s", written, rewritten)
			}
		} else if err.Error() == "" {
			t.Fatal("an error without a text")
		}
		r, refusal := d.DecodeRequest(frame)
		switch {
		case (r == nil) == (refusal == nil):
			t.Fatalf("request %v and refusal %v", r, refusal)
		case refusal != nil:
			checkRefusal(t, refusal)
		default:
			written := encodeRequest(r)
			other, refusal := again.DecodeRequest(written)
			if refusal != nil {
				t.Fatalf("%+v\n%s\n%s", refusal, frame, written)
			}
			if rewritten := encodeRequest(other); !bytes.Equal(rewritten, written) {
				t.Fatalf("%s\n%s", written, rewritten)
			}
		}
		if !bytes.Equal(frame, before) {
			t.Fatal("the frame was written to")
		}
	})
}

func checkRefusal(t *testing.T, r *Refusal) {
	t.Helper()
	if r.Reason == "" || len(r.Reason) > 1000 {
		t.Fatalf("reason of %d bytes: %.100q", len(r.Reason), r.Reason)
	}
	if r.Close {
		return
	}
	if b := AppendRefusal(nil, Seq{}, r); !json.Valid(b) || r.Status == 0 || r.Code == 0 {
		t.Fatalf("%+v written as %s", r, b)
	}
	answer := *r
	if answer.Irt.short {
		answer.Irt = Seq{} // agent 0.8 reads its own sequences, ours has no such ones
	}
	var d Decoder
	m, err := d.Decode(AppendRefusal(nil, Seq{}, &answer))
	want := Response{Status: r.Status, Code: r.Code, Reason: r.Reason}
	if err != nil || *m.Response != want || m.Irt != answer.Irt {
		t.Fatalf("%v: %+v", err, r)
	}
}
