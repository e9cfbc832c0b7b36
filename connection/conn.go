package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/internal/wire"
)

const (
	readBuffer = 64 << 10
	// firstBuffer is where the buffer for a frame begins.
	firstBuffer = 4 << 10
	// keepBuffer is the largest frame buffer that is kept for the next frame.
	keepBuffer = 1 << 20
	// closeWait is how long the hub may take to answer our close frame, and how long we go on reading after a failed
	// write, since the hub's reason may still be on its way.
	closeWait = time.Second
)

// The protocol's types that the interfaces of this package speak of.
type (
	// Seq identifies a message; the zero Seq is none.
	Seq = wire.Seq
	// Notification is an update of hooked metrics.
	Notification = wire.Notification
	// Response is the answer to a request.
	Response = wire.Response
	// Interval is a page of history.
	Interval = wire.Interval
	// Features is what a peer understands beyond the original protocol.
	Features = wire.Features
	// Message is anything that a hub sends.
	Message = wire.Message
	// Missed says which notifications of one metric the hub did not send.
	Missed = wire.Missed
)

// Handler gets what the hub sends, on the goroutine that reads the connection, one call at a time. What the
// arguments point to is valid until the call returns.
type Handler interface {
	// Notification is an update of hooked metrics. It may block, and nothing more is read from the hub meanwhile:
	// that is the back-pressure. It must return when the context of [Conn.Run] ends.
	Notification(n *Notification, seq Seq)
	// Response is an answer that no source was waiting for.
	Response(r *Response, irt Seq)
	// Interval is a page of history that no source was waiting for.
	Interval(i *Interval, irt Seq)
	// Missed is what the hub did not send since the connection could not take it fast enough: it has to be read from the
	// history. What comes afterwards is newer. It may block like Notification. The slice belongs to the handler.
	Missed(all []Missed)
	// Malformed is a frame that is no message known to this version. The connection stays up.
	Malformed(err error)
}

// Source gives a connection frames to write and takes the answers to them. [Requests] and [Outbox] are sources. The
// methods are called by the connection: Attach, then Next from the writing goroutine and the others from the
// reading one, then, after both have ended, Detach.
type Source interface {
	// Attach begins a connection. wake must be called, from any goroutine, when Next has something again.
	Attach(hub Features, wake func())
	// Next appends the next frame to b, or returns b as it is when there is none now.
	Next(b []byte) []byte
	// Answer takes the answer to the message irt and reports whether it was this source's.
	Answer(irt Seq, r *Response) bool
	// Interval takes a page of history, like Answer.
	Interval(irt Seq, i *Interval) bool
	// Reply takes the list that answers the message irt, like Answer. What the message points to may be kept.
	Reply(irt Seq, m *Message) bool
	// Large reports whether frames up to the greater read limit are expected now.
	Large() bool
	// Detach ends the connection: what was written and not answered will not be.
	Detach()
}

// Conn is one live connection to a hub. It is used once: [Dial], [Conn.Run], gone.
type Conn struct {
	ws     *websocket.Conn
	hub    Features
	config DialConfig
	wake   chan struct{}

	decoder wire.Decoder
	renewed time.Time // when the read deadline was set last; the reader's own

	framesIn, framesOut, bytesIn, bytesOut, malformed atomic.Int64
}

// ConnStats counts what passed over a connection.
type ConnStats struct {
	// FramesIn and FramesOut are messages, control frames not counted; BytesIn and BytesOut their content.
	FramesIn, FramesOut, BytesIn, BytesOut int64
	// Malformed frames are part of FramesIn.
	Malformed int64
}

func newConn(ws *websocket.Conn, hub Features, config DialConfig) *Conn {
	// The limit of the library cannot be changed while it reads; ours is checked while a frame grows.
	ws.SetReadLimit(int64(max(config.ReadLimit, config.LargeReadLimit)))
	return &Conn{ws: ws, hub: hub, config: config, wake: make(chan struct{}, 1)}
}

// Features returns what the hub announced: the empty set for an original one.
func (c *Conn) Features() Features { return c.hub }

// Stats returns the counters. Safe for concurrent use.
func (c *Conn) Stats() ConnStats {
	return ConnStats{
		FramesIn: c.framesIn.Load(), FramesOut: c.framesOut.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Malformed: c.malformed.Load(),
	}
}

// Close drops a connection on which Run is not called. The error is always nil.
func (c *Conn) Close() error {
	_ = c.ws.Close()
	return nil
}

// Run reads and writes until the connection is lost or ctx ends, and returns why: [*CloseError] where the hub said
// so, the cause of ctx, or another error that tells what failed. It is never nil. When ctx ends the hub is told and
// has a second to answer. When Run returns, the socket is closed and its goroutines have ended.
//
// The sources are asked for frames in their order: what the first one has goes before what the second one has.
func (c *Conn) Run(ctx context.Context, handler Handler, sources ...Source) (err error) {
	for _, s := range sources {
		s.Attach(c.hub, c.signal)
	}
	readDone, writeDone := make(chan struct{}), make(chan error, 1)
	go func() { writeDone <- c.write(ctx, readDone, sources) }()
	defer func() { // deferred, so that a handler's panic leaves nothing behind
		close(readDone)
		_ = c.ws.Close()
		writeErr := <-writeDone
		for _, s := range sources {
			s.Detach()
		}
		err = c.verdict(ctx, err, writeErr)
	}()
	return c.read(handler, sources)
}

// verdict picks the error that tells the cause: the others are its consequences.
func (c *Conn) verdict(ctx context.Context, readErr, writeErr error) error {
	var closed *websocket.CloseError
	switch {
	case errors.As(readErr, &closed) && closed.Code != websocket.CloseAbnormalClosure && ctx.Err() == nil:
		return &CloseError{Code: closed.Code, Text: closed.Text}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case writeErr != nil:
		return fmt.Errorf("connection: connection lost while writing: %w", writeErr)
	}
	return fmt.Errorf("connection: connection lost: %w", readErr)
}

// signal wakes the writing goroutine.
func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// read is the loop of the reading goroutine.
func (c *Conn) read(handler Handler, sources []Source) error {
	c.ws.SetPongHandler(func(string) error {
		c.renew()
		return nil
	})
	answer := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error {
		c.renew()
		return answer(data)
	})
	var buf []byte
	for {
		c.renew()
		_, r, err := c.ws.NextReader() // text or binary, all the same
		if err != nil {
			return err
		}
		if buf, err = c.readFrame(buf[:0], r, sources); err != nil {
			return err
		}
		c.framesIn.Add(1)
		c.bytesIn.Add(int64(len(buf)))
		c.dispatch(buf, handler, sources)
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// renew moves the read deadline. It is called before everything that waits for the hub, so that the time which the
// handler takes does not count, and sets the deadline anew only when it moved enough to be worth a system call.
func (c *Conn) renew() {
	now := time.Now()
	if !c.renewed.IsZero() && now.Sub(c.renewed) < c.config.Silence/8 {
		return
	}
	c.renewed = now
	// The only error is that the connection is closed, which the read finds out too.
	_ = c.ws.SetReadDeadline(now.Add(c.config.Silence))
}

// readFrame appends one frame to buf.
func (c *Conn) readFrame(buf []byte, r io.Reader, sources []Source) ([]byte, error) {
	limit := c.config.ReadLimit
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, max(firstBuffer, len(buf)))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			if limit = c.largeLimit(sources); len(buf) > limit {
				message := websocket.FormatCloseMessage(websocket.CloseMessageTooBig, "frame too large")
				_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeWait))
				return buf, fmt.Errorf("frame of more than %d bytes", limit)
			}
		}
		switch err {
		case nil:
			c.renew()
		case io.EOF:
			return buf, nil
		default:
			return buf, err
		}
	}
}

func (c *Conn) largeLimit(sources []Source) int {
	for _, s := range sources {
		if s.Large() {
			return max(c.config.ReadLimit, c.config.LargeReadLimit)
		}
	}
	return c.config.ReadLimit
}

// dispatch decodes a frame and hands it to whom it concerns.
func (c *Conn) dispatch(frame []byte, handler Handler, sources []Source) {
	m, err := c.decoder.Decode(frame)
	if err != nil {
		c.malformed.Add(1)
		handler.Malformed(err)
		return
	}
	switch m.Action {
	case wire.ActionSendMultiData:
		handler.Notification(m.Notification, m.Seq)
	case wire.ActionGenericResponse:
		for _, s := range sources {
			if s.Answer(m.Irt, m.Response) {
				return
			}
		}
		handler.Response(m.Response, m.Irt)
	case wire.ActionSendDataInterval:
		for _, s := range sources {
			if s.Interval(m.Irt, m.Interval) {
				return
			}
		}
		handler.Interval(m.Interval, m.Irt)
	case wire.ActionMissedData:
		handler.Missed(m.Missed)
	case wire.ActionListURIs, wire.ActionListShares, wire.ActionSince:
		for _, s := range sources {
			if s.Reply(m.Irt, &m) {
				return
			}
		}
	}
}

// write is the loop of the writing goroutine. It ends after the reading one has, or makes it end.
func (c *Conn) write(ctx context.Context, readDone <-chan struct{}, sources []Source) error {
	err := c.writeFrames(ctx, readDone, sources)
	if err == nil && ctx.Err() != nil {
		message := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = c.ws.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeWait))
	}
	select {
	case <-readDone:
		return nil // that the socket is closed by now is no error of its own
	default:
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-readDone:
	case <-timer.C:
		_ = c.ws.Close()
	}
	return err
}

// writeFrames writes until something fails, or returns nil when ctx or the reading goroutine ends.
func (c *Conn) writeFrames(ctx context.Context, readDone <-chan struct{}, sources []Source) error {
	ping := time.NewTicker(c.config.PingInterval)
	defer ping.Stop()
	var buf []byte
	for {
		var wrote bool
		var err error
		if buf, wrote, err = c.writeNext(buf, sources); err != nil {
			return err
		}
		wake := c.wake
		if wrote {
			// Go on at once, but see to the others first.
			wake = always
		}
		select {
		case <-ctx.Done():
			return nil
		case <-readDone:
			return nil
		case <-ping.C:
			if err := c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.config.WriteTimeout)); err != nil {
				return err
			}
		case <-wake:
		}
	}
}

// always is a channel that can always be received from.
var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// writeNext writes the next frame, if there is one. It returns the buffer for the next call.
func (c *Conn) writeNext(buf []byte, sources []Source) (_ []byte, wrote bool, err error) {
	buf = buf[:0]
	for _, s := range sources {
		if buf = s.Next(buf); len(buf) > 0 {
			break
		}
	}
	if len(buf) == 0 {
		return buf, false, nil
	}
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.config.WriteTimeout)) // never fails
	if err := c.ws.WriteMessage(websocket.TextMessage, buf); err != nil {
		return buf, false, err
	}
	c.framesOut.Add(1)
	c.bytesOut.Add(int64(len(buf)))
	if cap(buf) > keepBuffer {
		buf = nil
	}
	return buf, true, nil
}
