package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

func at(second int) time.Time { return time.Unix(int64(second), 0) }

// newOutbox returns an outbox of alice that is attached to a hub.
func newOutbox(t testing.TB, config OutboxConfig) (*Outbox, *storeHub) {
	config.Username = "alice"
	o, h := NewOutbox(config), newStoreHub(t)
	h.attach(o)
	return o, h
}

func send(t testing.TB, o *Outbox, samples ...metric.Sample) {
	t.Helper()
	if err := o.Send(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
}

func TestSendGroupsByTimeInAscendingOrder(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{})
	send(t, o,
		metric.Datapoint("b", at(2), 1),
		metric.Datapoint("a", at(1), 2), // replaced by the 4 below
		metric.Datasource("text", at(2), "ä"),
		metric.Datapoint("Alice:a", at(1), 4),
		metric.Datapoint("alice:c", at(0), 5),
	)
	send(t, o, metric.Datapoint("d", at(0), 6))
	var frames []string
	for frame := o.Next(nil); len(frame) > 0; frame = o.Next(nil) {
		h.received = append(h.received, frame)
		r, _ := h.decoder.DecodeRequest(frame)
		line := fmt.Sprint(r.Action, " ", r.Time.Time().Unix())
		for _, i := range itemsOf(r) {
			line += fmt.Sprint(" ", i.URI, "=", i.Value)
		}
		frames = append(frames, line)
	}
	want := []string{
		"send_dp_data 0 c=5",
		"send_dp_data 1 a=4",
		"send_multi_data 2 text=ä b=1",
		"send_dp_data 0 d=6",
	}
	if !slices.Equal(frames, want) {
		t.Errorf("frames\n%s\nwant\n%s", strings.Join(frames, "\n"), strings.Join(want, "\n"))
	}
	if s := o.Stats(); s.InFlight != 5 || s.Replaced != 1 || s.Frames != 4 || s.Overwritten != 0 {
		t.Errorf("%+v", s)
	}
	h.settle(o)
	if s := o.Stats(); s.InFlight != 0 || s.Acknowledged != 5 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestOnlyTheLastOfManyOfOneTimeCounts(t *testing.T) {
	for _, n := range []int{2, 8, 9, 100} {
		o, h := newOutbox(t, OutboxConfig{})
		var samples []metric.Sample
		want := map[string]string{}
		for i := range n {
			s := metric.Datapoint(metric.URI(fmt.Sprintf("m%d", i%(n/2))), at(0), i)
			samples = append(samples, s)
			want[keyOf(s.URI, s.Time)] = s.Value.String()
		}
		given := slices.Clone(samples)
		send(t, o, samples...)
		if fmt.Sprint(samples) != fmt.Sprint(given) {
			t.Errorf("n %d: the caller's slice changed", n)
		}
		h.settle(o)
		if fmt.Sprint(h.store) != fmt.Sprint(want) || int(o.Stats().Replaced) != n-n/2 {
			t.Errorf("n %d: hub has %v, want %v; %+v", n, h.store, want, o.Stats())
		}
	}
}

func TestABadSampleRefusesTheWholeCall(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{})
	good := metric.Datapoint("a", at(1), 1)
	for _, c := range []struct {
		bad  metric.Sample
		want string
	}{
		{metric.Datapoint("a b", at(1), 1), `sample 2 (a b): metric: uri "a b" must be levels`},
		{metric.Datapoint("a", "2020-01-01T00:00:00", 1), `must carry a zone`},
		{metric.Datapoint("a", at(1), "NaN"), `number "NaN" must be`},
		{metric.Datapoint("bob:a", at(1), 1), `sample 2 (bob:a): metric: uri "bob:a" must be a metric of the session's own user, alice`},
		{metric.Sample{URI: "a"}, `value`},
	} {
		for _, call := range []func() error{
			func() error { return o.Send(t.Context(), []metric.Sample{good, good, c.bad}) },
			func() error {
				_, err := o.Emit([]metric.Sample{good, good, c.bad}, wire.Seq{}, nil, nil)
				return err
			},
		} {
			err := call()
			var e *SampleError
			var rule *metric.InvalidError
			if !errors.As(err, &e) || !errors.As(err, &rule) || e.Index != 2 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		}
		if err := o.Send(t.Context(), []metric.Sample{c.bad}); err == nil {
			t.Errorf("single sample: no error, want %q", c.want)
		}
	}
	if h.take(o) != 0 || o.Stats() != (OutboxStats{}) {
		t.Errorf("something was queued: %+v", o.Stats())
	}
}

func TestSendBlocksWhileTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, h := newOutbox(t, OutboxConfig{MaxSamples: 3})
		send(t, o, metric.Datapoint("a", at(0), 0), metric.Datapoint("a", at(1), 0), metric.Datapoint("a", at(2), 0))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := o.Send(ctx, []metric.Sample{metric.Datapoint("b", at(0), 0)}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("full: %v after %v", err, time.Since(start))
		}
		if err := o.Send(ctx, []metric.Sample{metric.Datapoint("b", at(0), 0)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended context: %v", err)
		}

		// First come first served: the large call that waits is not overtaken by small ones.
		var mu sync.Mutex
		var order []string
		for _, c := range []struct {
			name string
			n    int
		}{{"large", 10}, {"small", 1}, {"second", 1}} {
			go func() {
				var samples []metric.Sample
				for i := range c.n {
					samples = append(samples, metric.Datapoint(metric.URI(c.name), at(i), 0))
				}
				if err := o.Send(t.Context(), samples); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, c.name)
			}()
			synctest.Wait()
		}
		h.take(o)
		h.execute(2)
		h.deliver(o, 2)
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("admitted %v with room for 2", order)
		}
		h.execute(1)
		h.deliver(o, 1)
		synctest.Wait()
		if !slices.Equal(order, []string{"large"}) {
			t.Fatalf("admitted %v to an empty queue", order)
		}
		h.settle(o)
		synctest.Wait()
		h.settle(o)
		if len(order) != 3 || o.Stats().Acknowledged != 15 {
			t.Errorf("admitted %v, %+v", order, o.Stats())
		}
	})
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newOutbox(t, OutboxConfig{MaxBytes: 10_000})
		send(t, o, metric.Datasource("a", at(0), strings.Repeat("x", 6000)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Send(ctx, []metric.Sample{metric.Datasource("a", at(1), strings.Repeat("x", 6000))}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestEmitIsAdmittedAboveTheBound(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{MaxSamples: 2})
	source := wire.NewSeqSource(nil)
	cause, via := source.Next(), []metric.Origin{metric.OriginOf("alice", "x")}
	below := 0
	for i := range 4 {
		waiting, err := o.Emit([]metric.Sample{metric.Datapoint("a", at(i), 0)}, cause, via, func() { below++ })
		if err != nil || waiting != (i >= 2) {
			t.Errorf("emission %d: waiting %v, %v", i, waiting, err)
		}
	}
	h.take(o)
	h.execute(4)
	h.deliver(o, 1)
	if below != 0 {
		t.Error("told of room with 3 of 2 samples")
	}
	h.deliver(o, 1)
	if below != 2 {
		t.Errorf("%d told of room, want 2", below)
	}
	h.deliver(o, 2)
	if below != 2 {
		t.Errorf("%d told of room in the end, want 2", below)
	}
	for i := range h.seqs {
		if h.irts[i] != cause || h.vias[i] != 1 {
			t.Errorf("frame %d: irt %v, via of %d", i, h.irts[i], h.vias[i])
		}
	}
	if _, err := o.Emit([]metric.Sample{metric.Datapoint("a", at(0), 0)}, cause, make([]metric.Origin, 17), nil); err == nil {
		t.Error("via of 17 passed")
	}
}

func TestLargeFramesAreSplit(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{})
	var samples []metric.Sample
	want := map[string]string{}
	for i := range 40 {
		text := strings.Repeat("é\x01\U0001f600z", 8000)
		if i%3 == 0 {
			text = strings.Repeat("plain", 20_000)
		}
		s := metric.Datasource(metric.URI(fmt.Sprintf("m%d", i)), at(0), text)
		samples, want[keyOf(s.URI, s.Time)] = append(samples, s), text
	}
	send(t, o, samples...)
	frames := 0
	for {
		f := o.queue.head
		frame := o.Next(nil)
		if len(frame) == 0 {
			if len(h.received) == 0 {
				break
			}
			h.execute(1)
			h.deliver(o, 1)
			continue
		}
		frames++
		if len(frame) > maxFrameBytes || int64(len(frame)) > f.bytes {
			t.Errorf("frame of %d bytes, thought to be at most %d", len(frame), f.bytes)
		}
		h.received = append(h.received, frame)
	}
	if frames < 5 || frames > 20 || len(h.store) != len(want) {
		t.Errorf("%d frames, %d samples of %d", frames, len(h.store), len(want))
	}
	for key, text := range want {
		if h.store[key] != text {
			t.Errorf("%s has %d bytes, want %d", key, len(h.store[key]), len(text))
		}
	}
}

func TestOnlyTheBadSampleOfASendIsRefused(t *testing.T) {
	var rejections []Rejection
	o, h := newOutbox(t, OutboxConfig{Rejected: func(r Rejection) { rejections = append(rejections, r) }})
	send(t, o, metric.Datapoint("a", at(0), 1), metric.Datapoint("bad", at(0), 2), metric.Datapoint("c", at(0), 3))
	h.settle(o)
	if len(h.store) != 2 || len(rejections) != 1 || len(rejections[0].Samples) != 1 || rejections[0].Samples[0].URI != "bad" ||
		rejections[0].Status != 4430 || rejections[0].Code != 201200 || rejections[0].Reason != "uri is not a datapoint" {
		t.Errorf("hub has %v, rejected %v", h.store, rejections)
	}
	if !slices.Equal(h.sizes, []int{3, 1, 1, 1}) {
		t.Errorf("frames of %v samples", h.sizes)
	}

	// A run's outputs are all or nothing.
	rejections, h.store = nil, map[string]string{}
	if _, err := o.Emit([]metric.Sample{metric.Datapoint("a", at(1), 1), metric.Datapoint("bad", at(1), 2)}, wire.Seq{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	h.settle(o)
	if len(h.store) != 0 || len(rejections) != 1 || len(rejections[0].Samples) != 2 {
		t.Errorf("hub has %v, rejected %v", h.store, rejections)
	}
	if s := o.Stats(); s.Acknowledged != 2 || s.Refused != 3 {
		t.Errorf("%+v", s)
	}
}

func TestAfterALossTheSameFramesGoAgainWithTheirSequences(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{})
	for i := range 5 {
		send(t, o, metric.Datapoint("a", at(i), i))
	}
	h.take(o)
	h.execute(3)
	h.deliver(o, 1) // the answers to the second and third get lost
	first := slices.Clone(h.seqs)
	h.cut(o)
	if s := o.Stats(); s.Queued != 4 || s.InFlight != 0 {
		t.Errorf("after the loss: %+v", s)
	}
	send(t, o, metric.Datapoint("a", at(9), 9))
	h.attach(o)
	h.settle(o)
	if again := h.seqs[len(first):]; len(again) != 5 || again[0] != first[1] || again[1] != first[2] {
		t.Errorf("sequences %v, then %v", first, again)
	}
	if !slices.IsSortedFunc(h.seqs[len(first):], func(a, b wire.Seq) int { return int(order(a) - order(b)) }) {
		t.Errorf("sequences do not increase: %v", h.seqs)
	}
	if h.executed != 6 || h.repeated != 2 || o.Stats().Repeated != 4 || len(h.store) != 6 {
		t.Errorf("executed %d, recognised %d; %+v", h.executed, h.repeated, o.Stats())
	}
}

func TestTheWindowDependsOnTheHub(t *testing.T) {
	for _, c := range []struct {
		features wire.Features
		config   OutboxConfig
		want     []int
	}{
		{wire.OwnFeatures(), OutboxConfig{}, []int{256, 44}},
		{wire.OwnFeatures(), OutboxConfig{WindowFrames: 200}, []int{200, 100}},
		{wire.OwnFeatures(), OutboxConfig{WindowBytes: 100 * 267}, []int{100, 100, 100}},
	} {
		o, h := newOutbox(t, c.config)
		o.Detach()
		h.features = c.features
		h.attach(o)
		for i := range 300 {
			send(t, o, metric.Datapoint("a", at(i), i))
		}
		for i, want := range c.want {
			if got := h.take(o); got != want {
				t.Errorf("%v %+v: window %d has %d frames, want %d", c.features, c.config, i, got, want)
			}
			h.execute(300)
			h.deliver(o, 300)
		}
	}
	o, h := newOutbox(t, OutboxConfig{})
	o.Detach()
	h.features = wire.Features{}
	h.attach(o)
	for i := range 3 {
		send(t, o, metric.Datapoint("a", at(i), i))
	}
	for range 3 {
		if got := h.take(o); got != 1 {
			t.Errorf("%d frames outstanding at an original hub", got)
		}
		h.execute(1)
		h.deliver(o, 1)
	}
}

func TestWithoutStorageTheFramesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, h := newOutbox(t, OutboxConfig{Rejected: func(r Rejection) { t.Errorf("rejected %v", r) }})
		h.down = true
		send(t, o, metric.Datapoint("a", at(0), 1))
		send(t, o, metric.Datapoint("a", at(1), 2), metric.Datapoint("b", at(1), 3))
		h.settle(o)
		if h.take(o) != 0 || o.Stats().Queued != 3 || o.Stats().Unavailable != 2 {
			t.Errorf("%+v", o.Stats())
		}
		<-time.After(time.Second) // the first wait is over
		h.settle(o)
		if o.Stats().Unavailable != 4 {
			t.Errorf("%+v", o.Stats())
		}
		h.down = false
		<-time.After(time.Minute)
		h.settle(o)
		if len(h.store) != 3 || o.Stats().Acknowledged != 3 {
			t.Errorf("hub has %v; %+v", h.store, o.Stats())
		}
	})
}

func TestFlushWaitsForWhatWasQueuedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, h := newOutbox(t, OutboxConfig{})
		if err := o.Flush(t.Context()); err != nil {
			t.Errorf("empty: %v", err)
		}
		send(t, o, metric.Datapoint("a", at(0), 1), metric.Datapoint("bad", at(0), 2))
		h.take(o)
		done := make(chan error, 1)
		go func() { done <- o.Flush(t.Context()) }()
		synctest.Wait()
		send(t, o, metric.Datapoint("a", at(1), 3))
		h.execute(1)
		h.deliver(o, 1) // refused: both go again
		h.take(o)
		h.execute(1)
		h.deliver(o, 1)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("flushed with a frame outstanding: %v", err)
		default:
		}
		h.execute(1)
		h.deliver(o, 1)
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a frame that is not sent: %v", err)
		}
	})
}

func TestFlushEndsAfterTheRefusalWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o *Outbox
		flushed := make(chan error, 2)
		told := false
		o, h := newOutbox(t, OutboxConfig{Rejected: func(Rejection) {
			go func() { flushed <- o.Flush(t.Context()) }() // one that comes in the meantime
			synctest.Wait()
			if len(flushed) != 0 {
				t.Error("flushed before the refusal was told")
			}
			told = true
		}})
		send(t, o, metric.Datapoint("bad", at(0), 1))
		go func() { flushed <- o.Flush(t.Context()) }()
		synctest.Wait()
		h.settle(o)
		if err := errors.Join(<-flushed, <-flushed); err != nil || !told {
			t.Errorf("told %v, %v", told, err)
		}
	})
}

func TestCloseReturnsWhatWasNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, h := newOutbox(t, OutboxConfig{MaxSamples: 4, WindowFrames: 2})
		for i := range 4 {
			send(t, o, metric.Datapoint("a", at(i), i))
		}
		h.take(o)
		h.execute(1)
		h.deliver(o, 1)
		below := 0
		if waiting, err := o.Emit([]metric.Sample{metric.Datapoint("b", at(8), 8), metric.Datapoint("b", at(9), 9)}, wire.Seq{}, nil, func() { below++ }); !waiting || err != nil {
			t.Errorf("waiting %v, %v", waiting, err)
		}
		results := make(chan error, 2)
		go func() { results <- o.Send(t.Context(), []metric.Sample{metric.Datapoint("a", at(5), 5)}) }()
		go func() { results <- o.Flush(t.Context()) }()
		synctest.Wait()
		left := o.Close()
		if got := fmt.Sprint(left); len(left) != 5 || left[0].Value.String() != "1" || left[4].Value.String() != "9" || below != 1 {
			t.Errorf("left %s, told of room %d", got, below)
		}
		for range 2 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Errorf("waiting call: %v", err)
			}
		}
		for _, err := range []error{
			o.Send(t.Context(), left),
			o.Flush(t.Context()),
			func() error { _, err := o.Emit(left, wire.Seq{}, nil, nil); return err }(),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		}
		if left := o.Close(); left != nil || h.take(o) != 0 {
			t.Errorf("closed again: %v", left)
		}
	})
}

func TestOverwrittenSamplesAreReported(t *testing.T) {
	var reported []string
	o, h := newOutbox(t, OutboxConfig{Overwrote: func(s metric.Sample) { reported = append(reported, s.String()) }})
	ms := time.UnixMilli(1700000000123)
	for _, s := range []metric.Sample{
		metric.Datapoint("a", ms, 1.5),
		metric.Datapoint("a", ms, "1.50"),                      // the same value
		metric.Datapoint("a", ms.Add(time.Millisecond), 2),     // another time
		metric.Datapoint("b", ms, 2),                           // another metric
		metric.Datapoint("a", ms.Add(500*time.Microsecond), 3), // truncated to the same millisecond: reported
		metric.Datasource("t", ms, "x"),
		metric.Datasource("t", ms, "x"),
		metric.Datasource("t", ms, "y"), // reported
	} {
		send(t, o, s)
	}
	if len(reported) != 2 || !strings.HasPrefix(reported[0], "a ") || !strings.Contains(reported[1], `"y"`) || o.Stats().Overwritten != 2 {
		t.Errorf("reported %q", reported)
	}
	h.settle(o)
	h.cut(o)
	h.attach(o)
	h.settle(o)
	if len(reported) != 2 {
		t.Errorf("reported again: %q", reported)
	}
}

func TestAnAnswerOfNobody(t *testing.T) {
	o, h := newOutbox(t, OutboxConfig{})
	send(t, o, metric.Datapoint("a", at(0), 1))
	h.take(o)
	if o.Answer(wire.NewSeqSource(nil).Next(), &wire.Response{Status: 4200}) || o.Answer(wire.Seq{}, &wire.Response{Status: 4400}) {
		t.Error("taken")
	}
	if o.Stats().InFlight != 1 {
		t.Errorf("%+v", o.Stats())
	}
}
