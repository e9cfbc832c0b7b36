package pipe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() && errors.Is(err, os.ErrDeadlineExceeded)
}

// pump writes data in pieces of random size.
func pump(t *testing.T, w io.Writer, data []byte, random *rand.Rand) {
	for len(data) > 0 {
		n := min(1+random.IntN(3*Buffer/2), len(data))
		if m, err := w.Write(data[:n]); err != nil || m != n {
			t.Errorf("wrote %d of %d bytes: %v", m, n, err)
			return
		}
		data = data[n:]
	}
}

func TestBytesArriveInOrderBothWays(t *testing.T) {
	for _, size := range []int{1, 3, 512, 1000, Buffer} {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		a, b := NewSize(size)
		length := min(1<<20, 300*size)
		up, down := make([]byte, length), make([]byte, length)
		for i := range up {
			up[i], down[i] = byte(random.Uint32()), byte(random.Uint32())
		}
		var wg sync.WaitGroup
		for _, c := range []struct {
			end  *Conn
			data []byte
		}{{a, up}, {b, down}} {
			own := rand.New(rand.NewPCG(random.Uint64(), 2))
			wg.Go(func() { pump(t, c.end, c.data, own); c.end.CloseWrite() })
		}
		for _, c := range []struct {
			end  *Conn
			want []byte
		}{{b, up}, {a, down}} {
			wg.Go(func() {
				if got, err := io.ReadAll(c.end); err != nil || !bytes.Equal(got, c.want) {
					t.Errorf("size %d, seed %d: read %d bytes, %v; want the %d written", size, seed, len(got), err, len(c.want))
				}
			})
		}
		wg.Wait()
		a.Close()
		b.Close()
	}
}

func TestWriteBlocksOnlyWhenTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New()
		if n, err := a.Write(make([]byte, Buffer)); n != Buffer || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		done := false
		go func() {
			if n, err := a.Write(make([]byte, 10)); n != 10 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			done = true
		}()
		synctest.Wait()
		if done {
			t.Fatal("write into a full buffer returned")
		}
		if n, err := io.ReadFull(b, make([]byte, 9)); n != 9 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if done {
			t.Fatal("write of 10 bytes returned with room for 9")
		}
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !done {
			t.Fatal("write did not return though there is room")
		}
	})
}

func TestConcurrentWritesDoNotMix(t *testing.T) {
	a, b := NewSize(7)
	const writers, length = 8, 100
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, length)); err != nil {
				t.Error(err)
			}
		})
	}
	got := make([]byte, writers*length)
	if _, err := io.ReadFull(b, got); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for i := 0; i < len(got); i += length {
		if bytes.Count(got[i:i+length], got[i:i+1]) != length {
			t.Fatalf("bytes %d to %d are of several writes", i, i+length)
		}
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New()
		full := make([]byte, Buffer)
		if _, err := b.Write([]byte("waiting")); err != nil {
			t.Fatal(err)
		}
		a.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := a.Read(full); !isTimeout(err) {
			t.Errorf("read after a past deadline: %v", err)
		}
		a.SetReadDeadline(time.Time{})
		if n, err := a.Read(full); n != 7 || err != nil {
			t.Errorf("read without a deadline: %d, %v", n, err)
		}

		start := time.Now()
		a.SetReadDeadline(start.Add(time.Minute))
		if _, err := a.Read(full); !isTimeout(err) || time.Since(start) != time.Minute {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}

		a.SetWriteDeadline(time.Now().Add(time.Minute))
		if n, err := a.Write(full); n != Buffer || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		start = time.Now()
		if n, err := a.Write(full); n != 0 || !isTimeout(err) || time.Since(start) != time.Minute {
			t.Errorf("write into a full buffer: %d, %v after %v", n, err, time.Since(start))
		}

		// A deadline that moves while a read waits, in both directions, and one set in its stead.
		for _, moves := range [][]time.Duration{{time.Hour, time.Second}, {time.Second, time.Hour}, {time.Second, 0, time.Minute}} {
			start = time.Now()
			want := moves[len(moves)-1]
			a.SetReadDeadline(start.Add(moves[0]))
			result := make(chan error, 1)
			go func() { _, err := a.Read(full); result <- err }()
			synctest.Wait()
			for _, d := range moves[1:] {
				if d == 0 {
					a.SetReadDeadline(time.Time{})
				} else {
					a.SetReadDeadline(start.Add(d))
				}
			}
			if err := <-result; !isTimeout(err) || time.Since(start) != want {
				t.Errorf("moves %v: %v after %v", moves, err, time.Since(start))
			}
		}
		a.Close()
		b.Close()
	})
}

func TestCloseWakesAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := New()
		results := make(chan error, 3)
		go func() { _, err := a.Read(make([]byte, 1)); results <- err }()
		go func() { _, err := a.Write(make([]byte, Buffer+1)); results <- err }()
		synctest.Wait()
		go func() { _, err := a.Write(make([]byte, 1)); results <- err }() // waits its turn
		synctest.Wait()
		a.Close()
		for range 3 {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("waiting call ended with %v", err)
			}
		}
		if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline on a closed end: %v", err)
		}
		if got, err := io.ReadAll(b); err != nil || len(got) < Buffer {
			t.Errorf("the other end read %d bytes, %v", len(got), err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write to a closed end: %v", err)
		}
		if err := errors.Join(a.Close(), b.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	a, b := New()
	a.Write([]byte("question"))
	a.CloseWrite()
	if got, err := io.ReadAll(b); err != nil || string(got) != "question" {
		t.Errorf("read %q, %v", got, err)
	}
	b.Write([]byte("answer"))
	b.Close()
	if got, err := io.ReadAll(a); err != nil || string(got) != "answer" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after CloseWrite: %v", err)
	}
	a.Close()
}

// TestConcurrentMethods finds data races.
func TestConcurrentMethods(t *testing.T) {
	a, b := NewSize(64)
	var wg sync.WaitGroup
	for _, c := range []*Conn{a, b} {
		for range 4 {
			wg.Go(func() {
				buf := make([]byte, 100)
				for range 200 {
					c.SetReadDeadline(time.Now().Add(time.Millisecond))
					c.Read(buf)
					c.SetWriteDeadline(time.Now().Add(time.Millisecond))
					c.Write(buf)
					c.LocalAddr()
					c.RemoteAddr()
				}
			})
		}
	}
	wg.Wait()
	a.Close()
	b.Close()
}

func TestListenerServesHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("hub")
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(append([]byte("got "), body...))
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()

		client := http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
		for range 3 {
			response, err := client.Post("http://hub/", "text/plain", bytes.NewReader(bytes.Repeat([]byte("x"), 3*Buffer)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || len(body) != 4+3*Buffer {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		}
		client.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func TestListenerClosesAndDialsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("hub")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.DialContext(ctx, "tcp", "hub:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial without accept: %v", err)
		}
		accepted := make(chan error, 1)
		go func() { _, err := l.Accept(); accepted <- err }()
		synctest.Wait()
		l.Close()
		l.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := l.DialContext(t.Context(), "tcp", "hub:1"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial after close: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	x, y := New()
	defer x.Close()
	go io.Copy(y, y)
	defer y.Close()
	buf := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		x.Write(buf)
		if _, err := io.ReadFull(x, buf); err != nil {
			b.Fatal(err)
		}
	}
}
