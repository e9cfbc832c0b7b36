package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// naive is the program that is written first: encoding/json, a map of slices under one mutex, a goroutine for each
// update, and, when a frame's are stored, one for each impulse that is concerned.
type naive struct {
	*common
	ws      *websocket.Conn
	mu      sync.Mutex
	windows map[string][]point
	byURI   map[string][]int
}

type point struct {
	ticks int64
	value float64
}

// naiveFrame is a notification as encoding/json fills it.
type naiveFrame struct {
	Payload struct {
		T    string `json:"t"`
		URIs []struct {
			URI     string `json:"uri"`
			Content string `json:"content"`
		} `json:"uris"`
	} `json:"payload"`
}

func (s *naive) open(ctx context.Context, o opening) error {
	s.windows, s.byURI = map[string][]point{}, map[string][]int{}
	for _, uri := range s.uris {
		window := make([]point, 0, s.w.Samples)
		for n := s.w.Samples - 1; n >= 0; n-- {
			ticks, value := row(o.Filled, n)
			window = append(window, point{int64(ticks), value})
		}
		s.windows[string(uri)] = window
	}
	for i := range s.w.Impulses {
		for n := range s.w.On {
			uri := string(s.uris[s.w.first(i)+n])
			s.byURI[uri] = append(s.byURI[uri], i)
		}
	}
	d := websocket.Dialer{NetDialContext: s.line.dial, HandshakeTimeout: 10 * time.Second}
	ws, resp, err := d.DialContext(ctx, o.url(), http.Header{"Cookie": {"kid=" + sideNaive}})
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // after a handshake the body is empty
	s.ws = ws
	go s.read()
	return nil
}

func (s *naive) read() {
	for {
		_, text, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		var frame naiveFrame
		if err := json.Unmarshal(text, &frame); err != nil {
			panic("bench: the stub sent what is no JSON: " + err.Error()) // our own frames
		}
		s.frame(&frame)
	}
}

func (s *naive) frame(frame *naiveFrame) {
	var stored sync.WaitGroup
	values := make([]float64, len(frame.Payload.URIs))
	for i, item := range frame.Payload.URIs {
		stored.Go(func() {
			values[i], _ = strconv.ParseFloat(item.Content, 64)
			s.store(item.URI, frame.Payload.T, values[i])
		})
	}
	stored.Wait()
	started := map[int]bool{}
	for i, item := range frame.Payload.URIs {
		for _, n := range s.byURI[item.URI] {
			if !started[n] {
				started[n] = true
				go s.impulse(n, frame, values, i)
			}
		}
	}
}

func (s *naive) store(uri, t string, value float64) {
	hi, _ := strconv.ParseUint(t[:16], 16, 64)
	ticks := int64(hi&0xfff<<48|hi>>16&0xffff<<32|hi>>32) - epoch
	s.mu.Lock()
	defer s.mu.Unlock()
	window := append(s.windows[uri], point{ticks, value})
	for window[0].ticks < ticks-int64(hour/100) {
		window = window[1:]
	}
	s.windows[uri] = window
}

// impulse is one run of impulse i, whose first metric in the frame is item number from.
func (s *naive) impulse(i int, frame *naiveFrame, values []float64, from int) {
	r, t := s.round.Load(), &s.tally[i]
	k := int64(values[from])
	r.begun(k)
	s.mu.Lock()
	// Goroutines overtake each other; the watch must not be torn, so it is looked at under the mutex.
	r.wrong.Add(t.watch.run(k, s.last(frame.Payload.URIs[from].URI)))
	s.mu.Unlock()
	switch s.w.Job {
	case jobOthers:
		for j := 1; j <= 3; j++ {
			group := int((k + int64(j*s.w.groups()/4)) % int64(s.w.groups()))
			s.mu.Lock()
			shown := s.last(string(s.uris[group*s.w.Batch]))
			s.mu.Unlock()
			r.wrong.Add(other(k, firstMessage, group, s.w.groups(), shown))
		}
	case jobMean, jobDescribe:
		for _, item := range frame.Payload.URIs[from:] {
			s.compute(item.URI)
		}
	}
	t.ran(r)
}

func (s *naive) last(uri string) float64 {
	window := s.windows[uri]
	return window[len(window)-1].value
}

func (s *naive) compute(uri string) float64 {
	s.mu.Lock()
	values := make([]float64, 0, len(s.windows[uri]))
	for _, p := range s.windows[uri] {
		values = append(values, p.value)
	}
	s.mu.Unlock()
	if s.w.Job == jobMean {
		return sum(values) / float64(len(values))
	}
	return describe(values)
}

func (s *naive) stats(*figures) {}
func (s *naive) close() error   { return s.ws.Close() }
