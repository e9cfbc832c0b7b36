package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// DialFunc opens a network connection, as the Dial of a session's configuration.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Tap returns a dial function whose connections are read along by the checker: what the hub sends is taken down before
// the session gets it. A nil dial stands for a [net.Dialer].
func (c *Checker) Tap(dial DialFunc) DialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tap{Conn: conn, checker: c}, nil
	}
}

// tap is a connection that is read along.
type tap struct {
	net.Conn
	checker *Checker

	stream stream // the reader's own
	conn   int    // its number at the checker, 0 while it is no websocket
}

// Read implements net.Conn.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if n > 0 {
		messages, fault := t.stream.feed(b[:n])
		if t.stream.upgraded && t.conn == 0 {
			t.conn = t.checker.connected()
		}
		for _, text := range messages {
			t.checker.received(t.conn, text)
		}
		if fault != nil {
			t.checker.fault("connection %d: %v", t.conn, fault)
		}
	}
	return n, err
}

// stream takes a server's bytes apart: the answer to the handshake, then websocket frames (RFC 6455, 5.2).
type stream struct {
	upgraded bool
	ignored  bool // it is no websocket, or it broke a rule
	buf      []byte
	message  []byte // the fragments so far
	open     bool   // a message has begun and not ended
}

// feed adds bytes and returns the messages that they complete. They are the caller's.
func (s *stream) feed(b []byte) (messages [][]byte, err error) {
	if s.ignored {
		return nil, nil
	}
	s.buf = append(s.buf, b...)
	if !s.upgraded && !s.handshake() {
		return nil, nil
	}
	for err == nil {
		frame, n := cutFrame(s.buf)
		if n == 0 {
			return messages, nil
		}
		var message []byte
		if message, err = s.take(frame); message != nil {
			messages = append(messages, message)
		}
		s.buf = s.buf[n:]
	}
	s.ignored, s.buf = true, nil
	return messages, err
}

// handshake consumes the answer to the handshake and reports whether frames follow.
func (s *stream) handshake() bool {
	head, rest, complete := bytes.Cut(s.buf, []byte("\r\n\r\n"))
	if !complete {
		return false
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		s.ignored, s.buf = true, nil // a login
		return false
	}
	s.upgraded, s.buf = true, rest
	return true
}

// wsFrame is one frame; its payload is part of the buffer.
type wsFrame struct {
	first, second byte // flags and opcode; mask and length
	payload       []byte
}

// cutFrame returns the first frame of b and its length, which is 0 while the frame is not complete.
func cutFrame(b []byte) (f wsFrame, n int) {
	if len(b) < 2 {
		return f, 0
	}
	head, size := 2, uint64(b[1]&0x7f)
	switch {
	case size == 126 && len(b) >= 4:
		head, size = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case size == 127 && len(b) >= 10:
		head, size = 10, binary.BigEndian.Uint64(b[2:])
	case size >= 126:
		return f, 0
	}
	if uint64(len(b)-head) < size {
		return f, 0
	}
	n = head + int(size)
	return wsFrame{first: b[0], second: b[1], payload: b[head:n]}, n
}

// take adds a frame and returns the message that it completes, or nil.
func (s *stream) take(f wsFrame) ([]byte, error) {
	const final, reserved, masked = 0x80, 0x70, 0x80
	opcode := f.first & 0x0f
	switch {
	case f.first&reserved != 0:
		return nil, fmt.Errorf("frame with reserved bits %#x: nothing was negotiated", f.first&reserved)
	case f.second&masked != 0:
		return nil, errors.New("masked frame: a server does not mask")
	case opcode >= 8: // close, ping, pong: they may stand between fragments
		return nil, nil
	case opcode == 0 && !s.open, opcode != 0 && s.open:
		return nil, fmt.Errorf("frame with opcode %d out of order", opcode)
	}
	s.message = append(s.message, f.payload...)
	if s.open = f.first&final == 0; s.open {
		return nil, nil
	}
	message := s.message
	s.message = nil
	if message == nil {
		message = []byte{}
	}
	return message, nil
}
