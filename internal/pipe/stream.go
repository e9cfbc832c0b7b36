package pipe

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// stream is one direction of a pair: a bounded ring of bytes with one end to write and one to read.
type stream struct {
	mu   sync.Mutex
	cond sync.Cond // anything below changed

	ring  []byte // grows by doubling up to limit, so that an idle connection costs little
	start int    // index of the first unread byte
	n     int    // unread bytes
	limit int

	writing     bool // a Write is in progress; others wait, so that large writes do not mix
	writeClosed bool // the writing end closed: io.EOF after what is buffered
	readClosed  bool // the reading end closed: nothing will be read any more

	readDeadline, writeDeadline deadline
}

func newStream(limit int) *stream {
	s := &stream{limit: limit}
	s.cond.L = &s.mu
	return s
}

// read is Read of the reading end.
func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readClosed:
			return 0, net.ErrClosed
		case s.readDeadline.expired:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case s.n > 0:
			n := s.take(b)
			s.cond.Broadcast()
			return n, nil
		case s.writeClosed:
			return 0, io.EOF
		}
		s.cond.Wait()
	}
}

// write is Write of the writing end: it returns when all of b is buffered, or with an error.
func (s *stream) write(b []byte) (written int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.writing && s.writeFault() == nil {
		s.cond.Wait()
	}
	if err := s.writeFault(); err != nil {
		return 0, err
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.cond.Broadcast()
	}()
	for {
		if err := s.writeFault(); err != nil {
			return written, err
		}
		if n := s.put(b[written:]); n > 0 {
			written += n
			s.cond.Broadcast()
		}
		if written == len(b) {
			return written, nil
		}
		s.cond.Wait()
	}
}

// writeFault returns why nothing can be written now, or nil.
func (s *stream) writeFault() error {
	switch {
	case s.writeClosed:
		return net.ErrClosed
	case s.writeDeadline.expired:
		return os.ErrDeadlineExceeded
	case s.readClosed:
		return io.ErrClosedPipe
	}
	return nil
}

// put buffers as much of b as there is room for.
func (s *stream) put(b []byte) (n int) {
	b = b[:min(len(b), s.limit-s.n)]
	if need := s.n + len(b); need > len(s.ring) {
		size := max(512, len(s.ring))
		for size < need {
			size *= 2
		}
		ring := make([]byte, min(size, s.limit))
		s.n = s.take(ring)
		s.ring, s.start = ring, 0
	}
	for len(b) > 0 {
		end := (s.start + s.n) % len(s.ring)
		m := copy(s.ring[end:min(len(s.ring), end+len(s.ring)-s.n)], b)
		s.n, n, b = s.n+m, n+m, b[m:]
	}
	return n
}

// take moves buffered bytes to b.
func (s *stream) take(b []byte) (n int) {
	for n < len(b) && s.n > 0 {
		m := copy(b[n:], s.ring[s.start:min(len(s.ring), s.start+s.n)])
		s.start, s.n, n = (s.start+m)%len(s.ring), s.n-m, n+m
	}
	return n
}

// closeWrite ends the writing end. What is buffered can still be read.
func (s *stream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeClosed = true
	s.writeDeadline.stop()
	s.cond.Broadcast()
}

// closeRead ends the reading end and frees what is buffered.
func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readClosed = true
	s.ring, s.start, s.n = nil, 0, 0
	s.readDeadline.stop()
	s.cond.Broadcast()
}

// setDeadline sets one of the deadlines of s unless that end is closed.
func (s *stream) setDeadline(d *deadline, closed *bool, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *closed {
		return net.ErrClosed
	}
	d.set(t, s)
	s.cond.Broadcast()
	return nil
}

// deadline is a moment after which an operation fails. It is guarded by its stream's lock.
type deadline struct {
	at      time.Time
	expired bool
	timer   *time.Timer
}

func (d *deadline) set(t time.Time, s *stream) {
	d.at = t
	d.expired = !t.IsZero() && !time.Now().Before(t)
	switch {
	case t.IsZero() || d.expired:
		d.stop()
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(t), func() { d.due(s) })
	default:
		d.timer.Reset(time.Until(t))
	}
}

// due is called by the timer, possibly for a deadline that was moved meanwhile: it looks at the clock again.
func (d *deadline) due(s *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case d.at.IsZero() || d.expired:
	case time.Now().Before(d.at):
		d.timer.Reset(time.Until(d.at))
	default:
		d.expired = true
		s.cond.Broadcast()
	}
}

func (d *deadline) stop() {
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}
