package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func TestSamplesOfOneCallAndTimeShareAFrame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		at, later := now(), now()
		p.send(metric.Datapoint("a", at, 1), metric.Datapoint("b", later, 2), metric.Datapoint("c", at, 3), metric.Datapoint("a", at, 4))
		p.send(metric.Datapoint("d", at, 5)) // another call
		var frames []string
		uri := regexp.MustCompile(`"uri": "(\w)"`)
		for _, f := range p.net.sent(`"send_`) {
			messages := []string{f}
			if strings.Contains(f, `"send_batch"`) {
				messages = strings.Split(f, `{"t": `)[1:] // the frame is only how several messages travel
			}
			for _, message := range messages {
				var uris []string
				for _, m := range uri.FindAllStringSubmatch(message, -1) {
					uris = append(uris, m[1])
				}
				slices.Sort(uris)
				frames = append(frames, strings.Join(uris, ""))
			}
		}
		equal(t, "frames", strings.Join(frames, " "), "ac b d")
		equal(t, "of the same metric twice the last counts", p.history("a"), "4")
		equal(t, "replaced", p.Stats().Outbound.Replaced, 1)
	})
}

func TestFaultySampleRefusesTheWholeCall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		for name, bad := range map[string]metric.Sample{
			"not a number":      dp("b", math.NaN()),
			"infinite":          dp("b", math.Inf(1)),
			"beyond a float64":  dp("b", "1e400"),
			"uri":               dp("b..c", 1),
			"time without zone": metric.Datapoint("b", "2024-01-02T03:04:05", 1),
			"time too fine":     metric.Datapoint("b", "2024-01-02T03:04:05.0001Z", 1),
			"text too long":     metric.Datasource("b", time.Now(), strings.Repeat("x", 131_073)),
			"another user's":    dp("bob:b", 1),
			"nothing":           {},
		} {
			err := p.Send(t.Context(), dp("a", 1), bad, dp("c", 1))
			var fault *connection.SampleError
			if !errors.As(err, &fault) || fault.Index != 1 {
				t.Errorf("%s: error %v, want one that names index 1", name, err)
			}
		}
		p.send()
		equal(t, "frames sent", len(p.net.sent(`"send_`)), 0)
		err := p.Send(t.Context(), dp("bob:b", 1))
		if err == nil || !strings.Contains(err.Error(), "bob:b") || !strings.Contains(err.Error(), "alice") {
			t.Errorf("error %v, want one that says whose metrics may be written", err)
		}
	})
}

// One bad item among several of a Send: it alone is refused, with the hub's code. Those of a run are all or nothing.
func TestRefusalOfOneItem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice", impulse.Impulse{Name: "r", On: impulse.URIs("go"), Do: func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("x", u.Time(), 1), metric.Datasource("number", u.Time(), "text"), metric.Datapoint("y", u.Time(), 1))
			return nil
		}})
		p.send(dp("number", 0))
		at := now()
		p.send(metric.Datapoint("a", at, 1), metric.Datasource("number", at, "text"), metric.Datapoint("b", at, 2))
		equal(t, "histories", p.history("a")+" "+p.history("b")+" "+p.history("number"), "1 2 0")
		if len(p.rejected) != 1 {
			t.Fatalf("%d events of refusal, want 1: %v", len(p.rejected), p.rejected)
		}
		e := p.rejected[0]
		equal(t, "refused", string(e.Samples[0].URI), "number")
		equal(t, "how many", len(e.Samples), 1)
		if e.Code == 0 || e.Status < 4400 || e.Reason == "" {
			t.Errorf("refusal %d/%d %q, want the hub's code and reason", e.Status, e.Code, e.Reason)
		}
		p.send(dp("go", 1))
		pass(time.Second)
		if len(p.rejected) != 2 || len(p.rejected[1].Samples) != 3 {
			t.Errorf("events of refusal: %v, want a second one with all three samples of the run", p.rejected)
		}
		for s, err := range p.History(t.Context(), "x", actors.Range{}) {
			if !errors.Is(err, connection.ErrNotFound) {
				t.Errorf("part of a refused run was stored: %v, %v", s, err)
			}
		}
	})
}

func TestFullQueueBlocksSendUntilItsContextEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.joinWith("alice", func(c *actors.Config) { c.QueueSamples = 2 })
		p.net.holdFrom(`"send_`)
		for n := range 2 {
			if err := p.Send(t.Context(), dp("a", n)); err != nil {
				t.Fatal(err)
			}
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		began := time.Now()
		err := p.Send(ctx, metric.Datapoint("a", began, 9))
		if !errors.Is(err, cause) || time.Since(began) != time.Second {
			t.Errorf("Send to a full queue: %v after %s, want the context's cause after 1s", err, time.Since(began))
		}
		queued := make(chan error, 1)
		last := dp("a", 2)
		go func() { queued <- p.Send(t.Context(), last) }()
		settle()
		select {
		case err := <-queued:
			t.Fatalf("Send to a full queue returned %v", err)
		default:
		}
		p.net.release()
		if err := <-queued; err != nil {
			t.Error(err)
		}
		p.send()
		equal(t, "history", p.history("a"), "0 1 2")
	})
}

// The answers are lost with the connection: everything is sent again, in order, with its first sequence, and stored
// and notified once.
func TestWhatWasNotAcknowledgedIsSentAgainAndStoredOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice")
		w.join("alice", r.impulse("r", "a"))
		p.send(dp("a", 0))
		p.net.deafen(false)
		var want []string
		for n := 1; n <= 10; n++ {
			if err := p.Send(t.Context(), dp("a", n)); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(n))
		}
		settle()
		equal(t, "executed before the cut", len(r.all()), 11)
		p.net.refuse(errNoNetwork)
		p.net.cut()
		if err := p.Send(t.Context(), dp("a", 11)); err != nil { // while there is no network
			t.Fatal(err)
		}
		pass(time.Second)
		p.net.refuse(nil)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle()
		equal(t, "notified", r.updates(), "a=0 | a="+strings.Join(append(want, "11"), " | a="))
		equal(t, "repeated frames", p.Stats().Outbound.Repeated, 10)
		seq, content := regexp.MustCompile(`"seq": "(\w+)"`), regexp.MustCompile(`"content": "(\w+)"`)
		first := map[string]string{}
		var order []string
		for _, f := range p.net.sent(`"send_`) {
			s, c := seq.FindStringSubmatch(f)[1], content.FindStringSubmatch(f)[1]
			if first[c] != "" && first[c] != s {
				t.Errorf("sample %s was repeated with another sequence", c)
			}
			first[c] = s
			order = append(order, c)
		}
		all := strings.Join(want, " ")
		equal(t, "order on the wire", strings.Join(order, " "), "0 "+all+" "+all+" 11")
	})
}

// What did not reach the hub before the cut comes in order, without gaps.
func TestNothingIsLostOverManyCuts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		other := w.join("alice")
		var want []string
		for n := range 200 {
			if err := p.Send(t.Context(), dp("a", n)); err != nil {
				t.Fatal(err)
			}
			switch n % 20 {
			case 7:
				p.net.cut()
			case 11:
				p.net.deafen(n%40 == 11)
			case 13:
				p.net.cut()
			}
			want = append(want, fmt.Sprint(n))
			doze(time.Duration(n%5) * 100 * time.Millisecond)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "history", other.history("a"), strings.Join(want, " "))
	})
}

func TestFlushWaitsForTheHub(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		p.net.holdFrom(`"send_`)
		if err := p.Send(t.Context(), dp("a", 1)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush before the hub answered: %v, want the context's cause", err)
		}
		p.net.release()
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestForeignSamplesOfAnImpulseAreDroppedAndReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice", impulse.Impulse{Name: "r", On: impulse.URIs("a"), Do: func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("bob:x", u.Time(), 1), metric.Datapoint("alice:y", u.Time(), 2))
			return nil
		}})
		p.send(dp("a", 1))
		if events := p.noted("foreign"); len(events) != 1 || !strings.Contains(events[0], "bob:x") {
			t.Errorf("events %q, want one that names bob:x", events)
		}
		equal(t, "foreign samples on the wire", len(p.net.sent("bob")), 0)
		equal(t, "the other output", p.history("y"), "2")
		equal(t, "counted", p.Stats().Impulses[0].Foreign, 1)
	})
}

// A second, different value for a metric and millisecond is counted and told; times are cut to the millisecond.
func TestOverwritingIsCountedAndReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.join("alice")
		at := now()
		p.send(metric.Datapoint("a", at.Add(100*time.Microsecond), 1))
		p.send(metric.Datapoint("a", at.Add(200*time.Microsecond), 1)) // the same value
		equal(t, "events for the same value", len(p.noted("overwrite")), 0)
		p.send(metric.Datapoint("a", at.Add(900*time.Microsecond), 2))
		equal(t, "events", len(p.noted("overwrite")), 1)
		equal(t, "counted", p.Stats().Outbound.Overwritten, 1)
		equal(t, "history", p.history("a"), "2")
		for s := range p.History(t.Context(), "a", actors.Range{}) {
			equal(t, "time", s.When(), at.UTC())
		}
	})
}

// Digits and scale are kept from the sender to the receiver, in Updated, in history and in texts.
func TestDecimalTextIsExactFromSenderToReceiver(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	tests := []struct {
		sent metric.Sample
		want string
	}{
		{dpAt("v", 0, "1.50"), "1.50"},
		{dpAt("v", 0, "1e5"), "1E+5"},
		{dpAt("v", 0, huge), "123456789012345678901234567890"},
		{dpAt("v", 0, uint64(math.MaxUint64)), "18446744073709551615"},
		{dpAt("v", 0, int64(math.MinInt64)), "-9223372036854775808"},
		{dpAt("v", 0, 0.1), "0.1"},
		{dpAt("v", 0, float32(0.1)), "0.1"},
		{dpAt("v", 0, " +007.10 "), "7.10"},
		{dpAt("v", 0, "0.0000001"), "1E-7"},
		{dpAt("v", 0, "0.10000000000000000000000000000000000001"), "0.10000000000000000000000000000000000001"},
	}
	inWorld(t, func(t *testing.T, w *world) {
		var r recorder
		p := w.join("alice", r.impulse("r", "v"))
		var history []string
		for n, tt := range tests {
			tt.sent.Time = dpAt("v", time.Duration(n)*time.Millisecond, 0).Time
			p.send(tt.sent)
			equal(t, "updated", r.last().updated, "v="+tt.want)
			history = append(history, tt.want)
		}
		equal(t, "history", p.history("v"), strings.Join(history, " "))
	})
}

// What others have sent keeps its digits and its time to the 100 ns; what a float64 cannot hold is infinite in the
// window, exact in the text.
func TestReceivedNumbersBeyondFloat64AreInfiniteInTheWindowAndExactInTheText(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var at metric.TimeUUID
		r := recorder{after: func(u *impulse.Update, _ seen) error { at = u.TimeUUID(); return nil }}
		p := w.join("alice", r.impulse("r", "v"))
		when := time.Now().Add(-time.Second).Add(700 * time.Nanosecond)
		p.net.injectText(pushed(when, `{"uri": "v", "type": "p", "content": "1E+400"}`))
		settle()
		equal(t, "run", r.last().String(), "updated(v=1E+400) v:[+Inf]")
		equal(t, "time", at.Time(), when.UTC())
		p.net.injectText(pushed(when.Add(100*time.Nanosecond), `{"uri": "v", "type": "p", "content": "-1E+400"}`))
		settle()
		equal(t, "run", r.last().String(), "updated(v=-1E+400) v:[+Inf -Inf]")
		equal(t, "counted", p.infinite("v"), 2)
	})
}

// A text travels as it is, up to 131,072 bytes.
func TestTextsTravelUnchanged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		text := "ä \x00 \u2028 \"quoted\" \\ \n\t 𝄞"
		text += strings.Repeat("é", (131_072-len(text))/2)
		var got string
		p := w.join("alice", impulse.Impulse{Name: "r", On: impulse.URIs("d"), Do: func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				got = s.Value.String()
			}
			return nil
		}})
		p.send(metric.Datasource("d", now(), text))
		equal(t, "text is equal", got == text, true)
		equal(t, "history is equal", p.history("d") == text, true)
	})
}
