package hub_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// benchSocket opens a socket whose frames the benchmark reads itself.
func benchSocket(b *testing.B, h *hubtest.Hub, cookie string) *websocket.Conn {
	b.Helper()
	ws, _, err := socket(b, h, cookie, nil)
	must(b, err)
	b.Cleanup(func() { _ = ws.Close() })
	return ws
}

// skip reads n frames and returns how many of them held text.
func skip(ws *websocket.Conn, n int, text []byte) (found int, err error) {
	var buffer bytes.Buffer
	for range n {
		_, r, err := ws.NextReader()
		if err != nil {
			return found, err
		}
		buffer.Reset()
		if _, err := io.Copy(&buffer, r); err != nil {
			return found, err
		}
		if bytes.Contains(buffer.Bytes(), text) {
			found++
		}
	}
	return found, nil
}

// BenchmarkIngest is what the hub takes and syncs to disk: each writer keeps a number of frames under way.
func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct{ writers, samples, window int }{{1, 1, 1}, {16, 1, 64}, {16, 10, 64}} {
		b.Run(fmt.Sprintf("writers=%d/samples=%d/window=%d", c.writers, c.samples, c.window), func(b *testing.B) {
			h := hubtest.New(b)
			cookie := enter(b, h, "alice")
			var sockets []*websocket.Conn
			for range c.writers {
				sockets = append(sockets, benchSocket(b, h, cookie))
			}
			frames := 0
			b.ReportAllocs()
			for b.Loop() {
				ingest(b, sockets, c.samples, c.window, frames)
				frames += c.window
			}
			b.ReportMetric(float64(frames*c.writers*c.samples)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

// ingest lets each socket write window frames and wait for their answers.
func ingest(b *testing.B, sockets []*websocket.Conn, samples, window, from int) {
	var all sync.WaitGroup
	for w, ws := range sockets {
		all.Go(func() {
			list := make([]metric.Sample, samples)
			var frame []byte
			for i := range window {
				at := time.Unix(1_700_000_000+int64(from+i), 0)
				for j := range list {
					list[j] = metric.Datapoint(metric.URI(fmt.Sprintf("w%d.m%d", w, j)), at, float64(i)+0.25)
				}
				frame = wire.AppendSendMulti(frame[:0], benchSeqs.Next(), wire.Seq{}, nil, list[0].Time, list)
				if err := ws.WriteMessage(websocket.TextMessage, frame); err != nil {
					b.Error(err)
					return
				}
			}
			if ok, err := skip(ws, window, []byte(`"status": 4200`)); err != nil || ok != window {
				b.Errorf("%d of %d accepted, %v", ok, window, err)
			}
		})
	}
	all.Wait()
}

var benchSeqs = wire.NewSeqSource(nil)

// BenchmarkFanOut is one writer and many subscribers in the same process, from the send to the last subscriber's read.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			h := hubtest.New(b)
			writer := benchSocket(b, h, enter(b, h, "alice"))
			got := make(chan error, subscribers)
			for range subscribers {
				ws := benchSocket(b, h, enter(b, h, "alice"))
				must(b, ws.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, benchSeqs.Next(), "m")))
				_, err := skip(ws, 1, nil)
				must(b, err)
				go func() {
					for {
						if _, err := skip(ws, 1, nil); err != nil {
							return
						}
						got <- nil
					}
				}()
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				s := dp("m", n, n)
				n++
				must(b, writer.WriteMessage(websocket.TextMessage, wire.AppendSendOne(nil, benchSeqs.Next(), wire.Seq{}, nil, &s)))
				_, err := skip(writer, 1, nil)
				must(b, err)
				for range subscribers {
					<-got
				}
			}
			b.ReportMetric(float64(n*subscribers)/b.Elapsed().Seconds(), "pushes/s")
		})
	}
}

// BenchmarkIdleSession is the memory of the hub's side of a socket over TCP that has sent one request and is silent.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 1000
	h := hubtest.Start(b, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}})
	cookie := enter(b, h, "alice")
	// A client without buffers and goroutines: a mask of zeros leaves the frame as it is.
	hook := wire.AppendHook(nil, benchSeqs.Next(), "m")
	request := "GET / HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: kid=" + cookie + "\r\n\r\n"
	frame := append([]byte{0x81, 0x80 | 126, byte(len(hook) >> 8), byte(len(hook)), 0, 0, 0, 0}, hook...)
	buffer := make([]byte, 4096)
	for b.Loop() {
		before := memory()
		var all []net.Conn
		for range sessions {
			c, err := net.Dial("tcp", h.Addr().String())
			must(b, err)
			_, err = c.Write([]byte(request))
			must(b, err)
			_, err = c.Read(buffer)
			must(b, err)
			_, err = c.Write(frame)
			must(b, err)
			_, err = c.Read(buffer)
			must(b, err)
			all = append(all, c)
		}
		b.ReportMetric(float64(memory()-before)/sessions, "B/session")
		for _, c := range all {
			_ = c.Close()
		}
	}
}

// memory is what the process holds in heap and stacks.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
