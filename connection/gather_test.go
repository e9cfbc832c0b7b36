package connection

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// newBatchHub returns an outbox attached to a hub that takes batches.
func newBatchHub(t *testing.T, c OutboxConfig) (*Outbox, *storeHub) {
	t.Helper()
	c.Username = "alice"
	o, h := NewOutbox(c), newStoreHub(t)
	h.features = wire.OwnFeatures()
	h.attach(o)
	t.Cleanup(func() { o.Close() })
	return o, h
}

// bulk returns n samples of one metric at n times.
func bulk(uri metric.URI, n int) (samples []metric.Sample) {
	for i := range n {
		samples = append(samples, metric.Datapoint(uri, at(i), i))
	}
	return samples
}

func TestOneCallsMessagesShareFrames(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	send(t, o, bulk("a", batchParts+5)...)
	send(t, o, bulk("b", 3)...)
	send(t, o, bulk("c", 1)...)
	send(t, o, metric.Datapoint("d", at(0), 1), metric.Datapoint("e", at(0), 1))
	h.settle(o)
	if diff := cmp.Diff([]int{batchParts, 5, 3, 1, 2}, h.sizes); diff != "" {
		t.Errorf("items of the frames: %s", diff)
	}
	s := o.Stats()
	if h.batched != batchParts+8 || s.Batched != uint64(h.batched) || s.Frames != 5 || s.Acknowledged != batchParts+11 ||
		s.InFlight != 0 || s.Queued != 0 || s.Bytes != 0 || len(h.store) != batchParts+11 {
		t.Errorf("%d batched: %+v", h.batched, s)
	}
}

func TestBatchesStayInTheWindow(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	text := strings.Repeat("x", 100<<10)
	var samples []metric.Sample
	for i := range 20 {
		samples = append(samples, metric.Datasource("a", at(i), text))
	}
	send(t, o, samples...)
	total := 0
	for range 100 {
		h.take(o)
		for _, frame := range h.received {
			if total += len(frame); len(frame) > batchBytes {
				t.Errorf("frame of %d bytes", len(frame))
			}
		}
		if total > DefaultWindowBytes {
			t.Fatalf("%d bytes under way", total)
		}
		total = 0
		h.execute(len(h.received))
		h.deliver(o, len(h.answers))
	}
	if len(h.store) != 20 || h.batched == 0 {
		t.Errorf("%d samples stored, %d in batches", len(h.store), h.batched)
	}
}

// TestBatchRefusedForOneItem sends what a hub refuses within many: only that may be refused, the others stored, and
// no part may be tried in a batch again.
func TestBatchRefusedForOneItem(t *testing.T) {
	var rejected []Rejection
	o, h := newBatchHub(t, OutboxConfig{Rejected: func(r Rejection) { rejected = append(rejected, r) }})
	samples := bulk("a", 10)
	samples[4].URI = "bad"
	samples = append(samples, metric.Datapoint("b", at(4), 4)) // shares the message
	send(t, o, samples...)
	h.settle(o)
	if len(rejected) != 1 || len(rejected[0].Samples) != 1 || rejected[0].Samples[0].URI != "bad" || rejected[0].Code != 201200 {
		t.Errorf("rejected %+v", rejected)
	}
	if s := o.Stats(); len(h.store) != 10 || s.Acknowledged != 10 || s.Refused != 1 || s.Bytes != 0 || s.InFlight != 0 {
		t.Errorf("%d stored: %+v", len(h.store), s)
	}
	if h.sizes[0] != 11 || slices.Max(h.sizes[1:]) > 2 {
		t.Errorf("items of the frames: %v", h.sizes)
	}
}

// TestRunsAreRefusedAMessageAtATime does the same with a run's outputs: of the message that is refused, all is.
func TestRunsAreRefusedAMessageAtATime(t *testing.T) {
	var rejected []string
	o, h := newBatchHub(t, OutboxConfig{Rejected: func(r Rejection) {
		for _, s := range r.Samples {
			rejected = append(rejected, fmt.Sprint(s.URI, "@", s.When().Unix()))
		}
	}})
	samples := append(bulk("a", 3), metric.Datapoint("bad", at(1), 1))
	via := []metric.Origin{metric.OriginOf("alice", "x")}
	if _, err := o.Emit(samples, hubSeqs.Next(), via, nil); err != nil {
		t.Fatal(err)
	}
	h.settle(o)
	if diff := cmp.Diff([]string{"a@1", "bad@1"}, rejected); diff != "" || len(h.store) != 2 {
		t.Errorf("%d stored, rejected %s", len(h.store), diff)
	}
	for i := range h.vias {
		if h.vias[i] != 1 || h.irts[i].IsZero() {
			t.Errorf("frame %d has via of %d and irt %v", i, h.vias[i], h.irts[i])
		}
	}
}

// TestBatchIsSentAgainWithItsSequence loses the answer to a batch: the hub must recognise it as a whole.
func TestBatchIsSentAgainWithItsSequence(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	send(t, o, bulk("a", 10)...)
	h.take(o)
	h.execute(1)
	h.cut(o)
	h.attach(o)
	h.settle(o)
	if h.repeated != 1 || h.executed != 1 || len(h.store) != 10 || o.Stats().Acknowledged != 10 {
		t.Errorf("executed %d, repeated %d: %+v", h.executed, h.repeated, o.Stats())
	}
}

func TestCloseReturnsTheSamplesOfBatches(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	samples := bulk("a", 10)
	send(t, o, samples...)
	h.take(o)
	send(t, o, bulk("b", 1)...)
	left := o.Close()
	if len(left) != 11 || left[0].Value != samples[0].Value || left[9].Value != samples[9].Value || left[10].URI != "b" {
		t.Errorf("undelivered %v", left)
	}
}

func df(second int, supplies ...metric.URI) metric.Sample {
	return metric.Datasource("df", at(second), "x").Supplying(supplies...)
}

// TestSuppliesAreToldOnce follows what is told of a datasource over changes, losses and refusals.
func TestSuppliesAreToldOnce(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	told := func(n int, want string) {
		t.Helper()
		h.settle(o)
		if h.told != n || h.supplies["df"] != want {
			t.Errorf("told %d times, last %s, want %d and %s", h.told, h.supplies["df"], n, want)
		}
	}
	send(t, o, df(1, "b", "a"))
	h.take(o)
	if h.execute(1); h.told != 0 {
		t.Error("told before the sample was acknowledged")
	}
	told(1, "[a b]")
	send(t, o, df(2, "a", "b", "a"))
	send(t, o, metric.Datasource("df", at(3), "says nothing"))
	told(1, "[a b]")
	h.cut(o)
	h.attach(o)
	send(t, o, df(4, "a", "b"))
	told(1, "[a b]")
	send(t, o, df(5), df(6, "c"), df(7, "c"))
	told(3, "[c]")
	o.Forget("Alice:df")
	send(t, o, df(8, "c"))
	told(4, "[c]")
	if s := o.Stats(); s.Acknowledged != 8 || s.Bytes != 0 || s.Queued != 0 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// TestFlushCoversSupplies flushes a sample that says what it supplies: the hub must have been told.
func TestFlushCoversSupplies(t *testing.T) {
	o, h := newBatchHub(t, OutboxConfig{})
	send(t, o, df(1, "a"))
	flushed := make(chan error, 1)
	h.take(o)
	ready := make(chan struct{})
	go func() {
		close(ready)
		flushed <- o.Flush(t.Context())
	}()
	<-ready
	h.settle(o)
	if err := <-flushed; err != nil || h.supplies["df"] != "[a]" {
		t.Errorf("%v, told %v", err, h.supplies)
	}
}

func TestRefusedSuppliesAreReported(t *testing.T) {
	for status, again := range map[int]bool{wire.StatusProtocol: false, wire.StatusDenied: false, wire.StatusNotFound: true} {
		var rejected []Rejection
		o, h := newBatchHub(t, OutboxConfig{Rejected: func(r Rejection) { rejected = append(rejected, r) }})
		for second := range 2 {
			send(t, o, df(second, "a"))
			h.take(o)
			h.execute(1)
			h.deliver(o, 1)
			frame := o.Next(nil)
			if (frame != nil) != (second == 0 || again) {
				t.Fatalf("%d: told after sample %d: %s", status, second, frame)
			}
			if frame == nil {
				continue
			}
			r, refusal := h.decoder.DecodeRequest(frame)
			if refusal != nil || r.Action != wire.ActionSendDsInfo {
				t.Fatalf("%s: %+v", frame, refusal)
			}
			o.Answer(r.Seq, &wire.Response{Status: status, Code: 201151, Reason: "why"})
		}
		if len(rejected) == 0 || rejected[0].Datasource != "df" || !slices.Equal(rejected[0].Supplies, []metric.URI{"a"}) ||
			rejected[0].Status != status || rejected[0].Reason != "why" || len(rejected[0].Samples) != 0 {
			t.Errorf("%d: rejected %+v", status, rejected)
		}
		if err := o.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
