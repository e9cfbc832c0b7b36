package connection

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// storeHub executes sends one after the other, as a hub does.
type storeHub struct {
	t        testing.TB
	features wire.Features
	decoder  wire.Decoder
	received [][]byte      // frames on the wire
	answers  []storeAnswer // on the way back
	store    map[string]string
	last     wire.Seq
	vain     map[wire.Seq]bool // not executed, though later ones may have been
	forgets  bool              // what it did not execute passes for executed when a later one was; no loss then
	executed int               // sends stored
	repeated int               // repetitions recognised
	down     bool              // storage does not work
	sizes    []int             // items of each frame received
	seqs     []wire.Seq        // of each frame received
	irts     []wire.Seq
	vias     []int
	supplies map[metric.URI]string // what was told, and how often anything was
	told     int
	batched  int // parts of batches
}

type storeAnswer struct {
	irt      wire.Seq
	response wire.Response
}

// singly are the features of a hub that takes no batches.
var singly = wire.FeaturesOf(wire.FeatureVia, wire.FeaturePos)

func newStoreHub(t testing.TB) *storeHub {
	return &storeHub{t: t, features: singly, store: map[string]string{}, vain: map[wire.Seq]bool{},
		supplies: map[metric.URI]string{}}
}

// take reads what the outbox wants to send now, and returns how many frames.
func (h *storeHub) take(o *Outbox) (n int) { return h.takeUpTo(o, math.MaxInt) }

func (h *storeHub) takeUpTo(o *Outbox, limit int) (n int) {
	for ; n < limit; n++ {
		frame := o.Next(nil)
		if len(frame) == 0 {
			return n
		}
		h.received = append(h.received, frame)
	}
	return n
}

// execute handles up to n received frames.
func (h *storeHub) execute(n int) {
	for ; n > 0 && len(h.received) > 0; n-- {
		r, refusal := h.decoder.DecodeRequest(h.received[0])
		if refusal != nil {
			h.t.Fatalf("malformed frame %s: %+v", h.received[0], refusal)
		}
		h.received = h.received[1:]
		h.answers = append(h.answers, storeAnswer{r.Seq, h.handle(r)})
	}
}

func (h *storeHub) handle(r *wire.Request) wire.Response {
	if r.Action == wire.ActionSendDsInfo {
		return h.info(r)
	}
	items := itemsOf(r)
	h.sizes, h.seqs = append(h.sizes, len(items)), append(h.seqs, r.Seq)
	h.irts, h.vias = append(h.irts, r.Irt), append(h.vias, len(r.Via))
	if order(r.Seq) <= order(h.last) && (h.forgets || !h.vain[r.Seq]) {
		h.repeated++
		return wire.Response{Status: wire.StatusExecuted}
	}
	h.vain[r.Seq] = true
	if h.down {
		return wire.Response{Status: wire.StatusUnavailable, Reason: "service temporarily unavailable"}
	}
	for _, i := range items {
		if strings.HasPrefix(string(i.URI), "bad") {
			return wire.Response{Status: wire.StatusDenied, Code: 201200, Reason: "uri is not a datapoint"}
		}
	}
	for _, send := range sendsOf(r) {
		for _, i := range send.Items {
			h.store[keyOf(i.URI, send.Time)] = i.Value.String()
		}
	}
	h.batched += len(r.Sends)
	delete(h.vain, r.Seq)
	h.executed++
	if order(r.Seq) > order(h.last) {
		h.last = r.Seq
	}
	return wire.Response{Status: wire.StatusExecuted}
}

func (h *storeHub) info(r *wire.Request) wire.Response {
	if h.down {
		return wire.Response{Status: wire.StatusUnavailable, Reason: "service temporarily unavailable"}
	}
	h.supplies[r.URI] = fmt.Sprint(r.Supplies)
	h.told++
	return wire.Response{Status: wire.StatusExecuted}
}

func itemsOf(r *wire.Request) (all []wire.RequestItem) {
	for _, send := range sendsOf(r) {
		all = append(all, send.Items...)
	}
	return all
}

func sendsOf(r *wire.Request) []wire.RequestSend {
	switch r.Action {
	case wire.ActionSendBatch:
		return r.Sends
	case wire.ActionSendMultiData:
		return []wire.RequestSend{{Time: r.Time, Items: r.Items}}
	}
	return []wire.RequestSend{{Time: r.Time, Items: []wire.RequestItem{{URI: r.URI, Kind: r.Kind, Value: r.Value}}}}
}

func keyOf(uri metric.URI, t metric.TimeUUID) string { return string(uri) + " " + t.String() }

func order(s wire.Seq) metric.Ticks {
	t, ok := s.TimeUUID()
	if !ok {
		return metric.MinTicks
	}
	return t.Ticks()
}

// deliver hands up to n answers to the outbox.
func (h *storeHub) deliver(o *Outbox, n int) {
	for ; n > 0 && len(h.answers) > 0; n-- {
		a := h.answers[0]
		h.answers = h.answers[1:]
		if !o.Answer(a.irt, &a.response) {
			h.t.Errorf("answer to %v was not expected", a.irt)
		}
	}
}

// settle lets everything be sent and answered.
func (h *storeHub) settle(o *Outbox) {
	for h.take(o) > 0 || len(h.received) > 0 || len(h.answers) > 0 {
		h.execute(len(h.received))
		h.deliver(o, len(h.answers))
	}
}

func (h *storeHub) cut(o *Outbox) {
	h.received, h.answers = nil, nil
	o.Detach()
}

func (h *storeHub) attach(o *Outbox) { o.Attach(h.features, func() {}) }

// TestOutboxModel runs random calls, losses, refusals and failures of storage, and compares what the hub holds in the
// end with what the calls, one after the other, amount to.
func TestOutboxModel(t *testing.T) {
	for range 1000 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			runOutboxModel(t, seed)
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

func runOutboxModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	h := newStoreHub(t)
	h.features = []wire.Features{{}, singly, wire.OwnFeatures(), wire.OwnFeatures()}[random.IntN(4)]
	h.forgets = random.IntN(4) == 0
	refused := 0
	o := NewOutbox(OutboxConfig{
		Username: "alice", WindowFrames: 1 + random.IntN(6),
		Rejected: func(r Rejection) {
			refused += len(r.Samples)
			if r.Status != wire.StatusDenied || r.Code != 201200 || r.Reason == "" {
				t.Errorf("rejection %+v", r)
			}
		},
	})
	want := map[string]string{}
	supplied := map[metric.URI]string{}
	sent := 0
	attached := false
	for range 80 {
		switch op := random.IntN(12); {
		case op < 4:
			samples := randomSamples(random, &sent)
			whole := random.IntN(3) == 0
			if err := giveTo(t, o, samples, whole); err != nil {
				t.Fatal(err)
			}
			expect(want, samples, whole)
			for _, s := range samples {
				if list := s.Supplies(); list != nil {
					supplied[s.URI] = fmt.Sprint(list)
				}
			}
		case op < 6 && attached:
			h.takeUpTo(o, 1+random.IntN(6))
		case op < 8:
			h.execute(random.IntN(4))
		case op < 10:
			h.deliver(o, random.IntN(4))
		case op == 10 && attached && random.IntN(3) == 0 && !h.forgets:
			h.cut(o)
			attached = false
		case op == 10 && !attached:
			h.attach(o)
			attached = true
		case op == 11:
			h.down = random.IntN(3) == 0
			if random.IntN(2) == 0 {
				<-time.After(time.Second)
			}
		}
	}
	h.down = false
	if !attached {
		h.attach(o)
	}
	flushed := make(chan error, 1)
	go func() { flushed <- o.Flush(t.Context()) }()
	for range 100 {
		h.settle(o)
		<-time.After(time.Minute) // longer than any pause
	}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	s := o.Stats()
	if s.Queued != 0 || s.InFlight != 0 || s.Bytes != 0 || int(s.Acknowledged+s.Refused+s.Replaced) != sent || int(s.Refused) != refused {
		t.Errorf("%d samples sent, %d rejected: %+v", sent, refused, s)
	}
	for key, value := range want {
		if h.store[key] != value {
			t.Errorf("hub has %s = %q, want %q", key, h.store[key], value)
		}
	}
	for uri, list := range supplied {
		if h.supplies[uri] != list {
			t.Errorf("hub was told that %s supplies %s, want %s", uri, h.supplies[uri], list)
		}
	}
	for key := range h.store {
		if _, ok := want[key]; !ok {
			t.Errorf("hub has %s, which no call amounts to", key)
		}
	}
	if left := o.Close(); len(left) != 0 {
		t.Errorf("undelivered: %v", left)
	}
}

// randomSamples makes a call's samples: few metrics and times, so that they overwrite each other, every value once. Or
// it is one text that says what its metric supplies.
func randomSamples(random *rand.Rand, sent *int) (samples []metric.Sample) {
	if random.IntN(5) == 0 {
		*sent++
		s := metric.Datasource(metric.URI(fmt.Sprintf("t%d", random.IntN(2))), time.Unix(int64(*sent), 0), fmt.Sprint(*sent))
		return append(samples, s.Supplying(metric.URI(fmt.Sprintf("x%d", random.IntN(2)))))
	}
	for range 1 + random.IntN(5) {
		uri := metric.URI(fmt.Sprintf("m%d", random.IntN(4)))
		if random.IntN(12) == 0 {
			uri = metric.URI(fmt.Sprintf("bad%d", random.IntN(2)))
		}
		*sent++
		samples = append(samples, metric.Datapoint(uri, time.Unix(int64(random.IntN(3)), 0), *sent))
	}
	return samples
}

func giveTo(t *testing.T, o *Outbox, samples []metric.Sample, whole bool) error {
	if whole {
		_, err := o.Emit(samples, wire.Seq{}, nil, nil)
		return err
	}
	return o.Send(t.Context(), samples)
}

// expect notes what a call leaves at the hub.
func expect(want map[string]string, samples []metric.Sample, whole bool) {
	isBad := func(s metric.Sample) bool { return strings.HasPrefix(string(s.URI), "bad") }
	for _, s := range samples {
		if isBad(s) || whole && slices.ContainsFunc(samples, func(o metric.Sample) bool { return o.Time == s.Time && isBad(o) }) {
			continue
		}
		want[keyOf(s.URI, s.Time)] = s.Value.String()
	}
}
