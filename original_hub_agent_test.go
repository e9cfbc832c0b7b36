package komstream_test

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// The tests of this file run our agent against the model of an original hub.

// withOriginalHub runs a test in a bubble with a model of its own.
func withOriginalHub(t *testing.T, f func(t *testing.T, h *originalHub)) {
	t.Helper()
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // the samples belong to the past
		f(t, newOriginalHub(t, seed))
	})
}

// session opens a session with the model; it is closed with the test.
func (h *originalHub) session(change func(*komstream.Config), impulses ...impulse.Impulse) *komstream.Session {
	h.t.Helper()
	config := h.config()
	if change != nil {
		change(&config)
	}
	s, err := komstream.Open(h.t.Context(), config, impulses...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			h.t.Error(err)
		}
	})
	return s
}

// pass lets time pass in the bubble, and everything that it moves end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// dawdle lets some of n milliseconds pass in the bubble.
func (h *originalHub) dawdle(n int) { time.Sleep(time.Duration(h.random(n)) * time.Millisecond) }

// second is the time of the n-th second of the tests.
func second(n int) metric.TimeUUID {
	return metric.NewTimeUUID(metric.Ticks(1_510_617_600+n)*metric.TicksPerSecond, metric.PlainLow)
}

// TestOriginalHubHistory reads ranges of every shape: pages are recognised as complete though the hub marks none as
// the last, rows at borders come once, and as many as were asked for.
func TestOriginalHubHistory(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		const rows = 60
		h.page = map[string]int{"p": 10, "d": 7}
		for i := range rows {
			h.put("m", "p", second(i), fmt.Sprint(i))
			h.put("text", "d", second(i), fmt.Sprint("line ", i))
		}
		s := h.session(nil)
		shapes := 0
		for _, uri := range []metric.URI{"m", "text"} {
			for _, from := range []int{-1, 0, 7, 30, 59, 70} {
				for _, to := range []int{-1, 0, 9, 10, 29, 59, 70} {
					for _, last := range []int{0, 1, 6, 7, 9, 10, 11, 20, 59, 60, 61, 1000} {
						if from >= 0 && to >= 0 && from > to {
							continue
						}
						shapes++
						readOriginal(t, s, uri, from, to, last, rows)
					}
				}
			}
		}
		t.Logf("%d ranges", shapes)
	})
}

func readOriginal(t *testing.T, s *komstream.Session, uri metric.URI, from, to, last, rows int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r := komstream.Range{Last: last}
	low, high := 0, rows-1
	if from >= 0 {
		r.From, low = second(from).Time(), from
	}
	if to >= 0 {
		r.To, high = second(to).Time(), min(high, to)
	}
	if last > 0 {
		low = max(low, high-last+1)
	}
	var got, want []metric.TimeUUID
	for sample, err := range s.History(ctx, uri, r) {
		if err != nil {
			t.Fatalf("%s from %d to %d last %d: %v", uri, from, to, last, err)
		}
		got = append(got, sample.Time)
	}
	for i := high; i >= low; i-- {
		want = append(want, second(i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s from %d to %d last %d: %d rows, want %d", uri, from, to, last, len(got), len(want))
	}
}

// TestOriginalHubHistoryInParallel reads many ranges at once, so that pages of several answers come mixed, with
// notifications between them.
func TestOriginalHubHistoryInParallel(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		const rows = 100
		h.page["p"] = 10
		for m := range 20 {
			for i := range rows {
				h.put(fmt.Sprint("m", m), "p", second(i), fmt.Sprint(i))
			}
		}
		var runs atomic.Int64
		s := h.session(nil, impulse.Impulse{
			Name: "watch", On: impulse.URIs("live"),
			Do: func(context.Context, *impulse.Update) error { runs.Add(1); return nil },
		})
		var all sync.WaitGroup
		for m := range 20 {
			all.Go(func() { readOriginal(t, s, metric.URI(fmt.Sprint("m", m)), -1, -1, 0, rows) })
			all.Go(func() { readOriginal(t, s, metric.URI(fmt.Sprint("m", m)), 3, 90, 50, rows) })
			h.update("live", "p", second(m), "1")
		}
		all.Wait()
		pass(time.Minute)
		if runs.Load() != 20 {
			t.Errorf("%d runs, want 20", runs.Load())
		}
	})
}

// TestOriginalHubWindows loads windows of many sizes at once: what an impulse asks of the past takes two questions, and
// pages without a mark of the last.
func TestOriginalHubWindows(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		h.page["p"] = 10
		now := time.Now().Truncate(time.Second)
		at := func(age int) metric.TimeUUID {
			return metric.NewTimeUUID(metric.TicksOf(now.Add(-time.Duration(age)*time.Minute)), metric.PlainLow)
		}
		const rows = 35 // one a minute, the newest a minute old
		var impulses []impulse.Impulse
		got := map[string]string{}
		want := map[string]string{}
		var mu sync.Mutex
		for _, count := range []int{1, 2, 9, 10, 11, 20, 34, 35, 36, 100} {
			for _, delta := range []int{1, 5, 10, 11, 30, 35, 60} {
				name := fmt.Sprintf("m.d%d.c%d", delta, count)
				for age := 1; age <= rows; age++ {
					h.put(name, "p", at(age), fmt.Sprint(age))
				}
				var expected []float64
				for age := min(rows, max(delta, count)); age >= 1; age-- {
					expected = append(expected, float64(age))
				}
				want[name] = fmt.Sprint(expected)
				impulses = append(impulses, impulse.Impulse{
					Name: name, On: impulse.URIs(metric.URI(name), "tick"),
					// Half a minute more, so that no sample lies on the border while the answers take their time.
					Past: impulse.Past{Delta: time.Duration(delta)*time.Minute + 30*time.Second, Count: count},
					Do: func(_ context.Context, u *impulse.Update) error {
						mu.Lock()
						defer mu.Unlock()
						got[name] = fmt.Sprint(u.View(metric.URI(name)).AppendValues(nil))
						return nil
					},
				})
			}
		}
		h.session(nil, impulses...)
		h.update("tick", "p", at(0), "1")
		pass(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("window %s holds %s, want %s", name, got[name], want[name])
			}
		}
		t.Logf("%d windows", len(want))
	})
}

// TestOriginalHubLargePages reads texts of the greatest size: a page is greater than frames usually may be.
func TestOriginalHubLargePages(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		text := strings.Repeat("x", metric.MaxText)
		for i := range 100 {
			h.put("text", "d", second(i), text)
		}
		s := h.session(nil)
		readOriginal(t, s, "text", -1, -1, 0, 100)
	})
}

// TestOriginalHubClosings ends the socket in every way of the protocol. Only 4403 costs the cookie; the windows are
// read anew after each, with what was missed.
func TestOriginalHubClosings(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int
		logins int
	}{
		{"4403 logs in afresh", 4403, 2},
		{"4503 keeps the cookie", 4503, 1},
		{"no code keeps the cookie", -1, 1},
		{"any code keeps the cookie", 1001, 1},
		{"no close frame keeps the cookie", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			withOriginalHub(t, func(t *testing.T, h *originalHub) { closeOriginal(t, h, c.code, c.logins) })
		})
	}
}

func closeOriginal(t *testing.T, h *originalHub, code, logins int) {
	h.put("m", "p", second(0), "0")
	var mu sync.Mutex
	var seen []string // cause and window of each run
	s := h.session(nil, impulse.Impulse{
		Name: "watch", On: impulse.URIs("m"), Past: impulse.Past{Delta: 50 * 365 * 24 * time.Hour},
		Do: func(_ context.Context, u *impulse.Update) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(u.Cause(), " ", u.View("m").AppendValues(nil)))
			return nil
		},
	})
	h.update("m", "p", second(1), "1")
	pass(time.Second)
	h.cut(code)
	synctest.Wait()
	h.put("m", "p", second(2), "2") // nobody is told
	pass(time.Minute)
	if err := s.Send(t.Context(), metric.Datapoint("n", second(0).Time(), 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.update("m", "p", second(3), "3")
	pass(time.Second)
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		fmt.Sprint(impulse.Updated, " [0 1]"), fmt.Sprint(impulse.Refilled, " [0 1 2]"), fmt.Sprint(impulse.Updated, " [0 1 2 3]"),
	}
	if !slices.Equal(seen, want) {
		t.Errorf("runs %v, want %v", seen, want)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.logins != logins {
		t.Errorf("%d logins, want %d", h.logins, logins)
	}
}

// TestOriginalHubSends sends through losses: everything arrives, in order, one frame at a time.
func TestOriginalHubSends(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		s := h.session(nil)
		const samples = 200
		for i := range samples {
			if err := s.Send(t.Context(), metric.Datapoint("m", second(i).Time(), i)); err != nil {
				t.Fatal(err)
			}
			if i%50 == 25 {
				pass(300 * time.Millisecond)
				h.cut(0)
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		readOriginal(t, s, "m", -1, -1, 0, samples)
		h.mu.Lock()
		defer h.mu.Unlock()
		repeated := 0
		var before originalRequest
		for _, r := range h.requests {
			if r.Payload.T == nil {
				continue
			}
			switch p := before.Payload.T; {
			case p == nil || r.Payload.T.Compare(*p) > 0:
			case *r.Payload.T == *p && r.Seq == before.Seq:
				repeated++
			default:
				t.Errorf("sample of %s follows that of %s", r.Payload.T, p)
			}
			before = r
		}
		if repeated == 0 {
			t.Error("nothing was sent again")
		}
	})
}

// TestOriginalHubRefusals: a refusal without a reason is one, and what the hub cannot do is said before it is asked.
func TestOriginalHubRefusals(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		h.refuse["bad"] = true
		rejected := make(chan komstream.Rejection, 10)
		s := h.session(func(c *komstream.Config) {
			c.Events.Rejected = func(r komstream.Rejection) { rejected <- r }
		})
		at := second(0).Time()
		if err := s.Send(t.Context(), metric.Datapoint("bad", at, 1), metric.Datapoint("good", at, 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r := <-rejected; r.Status != 4501 || r.Code != 1 || len(r.Samples) != 1 || r.Samples[0].URI != "bad" {
			t.Errorf("rejected %+v, want bad alone with 4501/1", r)
		}
		readOriginal(t, s, "good", -1, -1, 0, 1)
		if err := s.Delete(t.Context(), "good", 0); !errors.Is(err, komstream.ErrUnsupported) {
			t.Errorf("delete: %v, want ErrUnsupported", err)
		}
		for _, err := range s.History(t.Context(), "nowhere", komstream.Range{}) {
			if !errors.Is(err, komstream.ErrNotFound) {
				t.Errorf("history of what does not exist: %v", err)
			}
		}
	})
}

// TestOriginalHubLoops lets impulses feed themselves and each other at a hub that does not say who wrote a sample.
func TestOriginalHubLoops(t *testing.T) {
	withOriginalHub(t, func(t *testing.T, h *originalHub) {
		var runs [4]atomic.Int64
		next := func(n int, name string, on, to metric.URI) impulse.Impulse {
			return impulse.Impulse{Name: name, On: impulse.URIs(on), Do: func(_ context.Context, u *impulse.Update) error {
				for s := range u.Updated() {
					if runs[n].Add(1) < 50 {
						u.Emit(metric.Datapoint(to, u.Time().Add(time.Second), s.Float()+1))
					}
				}
				return nil
			}}
		}
		free := next(3, "free", "free.in", "free.in")
		free.AllowLoops = true
		h.session(nil, next(0, "self", "self.in", "self.in"), next(1, "ping", "a", "b"), next(2, "pong", "b", "a"), free)
		for _, uri := range []string{"self.in", "a", "free.in"} {
			h.update(uri, "p", second(0), "1")
		}
		pass(time.Minute)
		for n, want := range []int64{1, 1, 1, 50} {
			if got := runs[n].Load(); got != want {
				t.Errorf("impulse %d ran %d times, want %d", n, got, want)
			}
		}
		// What somebody else writes is no echo, even where it looks like one but for the time.
		h.update("self.in", "p", second(100), "2")
		pass(time.Minute)
		if got := runs[0].Load(); got != 2 {
			t.Errorf("self ran %d times, want 2", got)
		}
	})
}
