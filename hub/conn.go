package hub

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/komstream/komstream/internal/wire"
)

// Close codes of the protocol.
const (
	closeDenied      = 4403
	closeUnavailable = 4503
	closeGoingAway   = websocket.CloseGoingAway
)

// lingerTime and lingerBytes bound how long a socket that was told to close is listened to: with less, its peer gets
// a reset instead of the close code.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// conn is one agent's socket. Its reader goroutine is serve; out writes.
type conn struct {
	hub     *Hub
	ws      *websocket.Conn
	session *session
	out     *outbox
	// features is what the agent announced. Where that is not empty its sequences tell resends.
	features wire.Features

	leaving atomic.Bool  // nothing new is executed
	closing atomic.Bool  // a close frame was sent
	heard   atomic.Int64 // when something was last received, unix nanoseconds

	// What has been handed to a committer and is not answered yet.
	mu     sync.Mutex
	fewer  sync.Cond
	flying int
	bytes  int
	with   *committer // all of it
}

var requests = sync.Pool{New: func() any { return new(request) }}

func (h *Hub) newConn(ws *websocket.Conn, features wire.Features) *conn {
	c := &conn{hub: h, ws: ws, features: features}
	c.fewer.L = &c.mu
	c.out = newOutbox(c)
	return c
}

// serve reads requests until the socket ends.
func (c *conn) serve() {
	defer c.cut()
	defer func() {
		// A fault of ours that some frame has found ends this socket, not the hub.
		if p := recover(); p != nil {
			c.hub.log.Error("a socket panicked", zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	c.ws.SetReadLimit(readLimit)
	c.alive()
	c.ws.SetPongHandler(func(string) error { c.alive(); return nil })
	ping := c.ws.PingHandler()
	c.ws.SetPingHandler(func(data string) error { c.alive(); return ping(data) })
	var buffer []byte
	for {
		frame, err := c.read(buffer)
		switch {
		case err == nil:
			c.alive()
			c.handle(frame)
		case errors.Is(err, errBudget):
			c.closeWith(websocket.CloseTryAgainLater, "")
		default:
			c.explain(err)
			return
		}
		c.hub.reading.give(len(frame))
		if buffer = frame[:0]; cap(buffer) > keepFrame {
			buffer = nil
		}
		c.alive() // while the hub was busy with the frame it listened to nobody
		if c.closing.Load() {
			c.discard()
			return
		}
	}
}

// errBudget is a frame for which there is no memory: the peer may come back later.
var errBudget = errors.New("hub: too many bytes of frames are being read")

// keepFrame bounds the memory that a quiet socket keeps for its next frame.
const keepFrame = 4 << 10

func (c *conn) alive() {
	now := time.Now()
	c.heard.Store(now.UnixNano())
	_ = c.ws.SetReadDeadline(now.Add(3 * c.hub.config.PingInterval))
	if c.closing.Load() {
		_ = c.ws.SetReadDeadline(now.Add(lingerTime))
	}
}

// read reads one frame, text or binary. Its bytes are taken from the budget of all sockets; the caller gives back
// those of frame, also after an error.
func (c *conn) read(buffer []byte) (frame []byte, err error) {
	_, r, err := c.ws.NextReader()
	if err != nil {
		return nil, err
	}
	frame = buffer[:0]
	for {
		if len(frame) == cap(frame) {
			frame = append(frame, 0)[:len(frame)]
		}
		room := min(cap(frame)-len(frame), 64<<10)
		n, err := r.Read(frame[len(frame) : len(frame)+room])
		frame = frame[:len(frame)+n]
		if !c.hub.reading.take(n) {
			return frame, errBudget
		}
		if err == io.EOF {
			return frame, nil
		}
		if err != nil {
			c.hub.reading.give(len(frame))
			return nil, err
		}
	}
}

// explain logs why a socket ended, where that is not the ordinary.
func (c *conn) explain(err error) {
	var closed *websocket.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return
	}
	c.hub.log.Debug("socket ended", zap.String("user", c.session.agent.user.name), zap.Error(err))
}

// handle executes one frame.
func (c *conn) handle(frame []byte) {
	if c.leaving.Load() || c.closing.Load() {
		return
	}
	if !c.session.agent.mayAct() {
		c.deny()
		return
	}
	r := requests.Get().(*request)
	req, refused := r.decoder.DecodeRequest(frame)
	if refused = c.unannounced(req, refused); refused != nil {
		c.refuse(refused)
		r.release()
		return
	}
	if answer := c.query(req.Action); answer != nil {
		c.landAll()
		answer(req)
		r.release()
		c.out.wait()
		return
	}
	r.conn, r.req, r.size, r.notices = c, req, len(frame), r.notices[:0]
	c.submit(r)
	c.out.wait()
}

// refuse answers a frame that is no request, behind the answers to those before it.
func (c *conn) refuse(r *wire.Refusal) {
	c.hub.measured.frame(0, r.Status)
	c.landAll()
	if r.Close {
		code := r.CloseCode
		if code == 0 {
			code = websocket.CloseNoStatusReceived
		}
		c.closeWith(code, "")
		return
	}
	c.out.send(entry{frame: wire.AppendRefusal(nil, c.hub.seqs.Next(), r)})
}

// resends reports whether the agent's sequences tell resends.
func (c *conn) resends() bool { return c.features.String() != "" }

func (c *conn) respond(irt wire.Seq, r wire.Response) {
	c.out.send(entry{frame: wire.AppendResponse(nil, c.hub.seqs.Next(), irt, r)})
}

// submit hands a request to the committer of the owner whose data model it is about. Many may be under way, so that
// they share a sync, but with one committer only: that keeps the order of execution and of the answers.
func (c *conn) submit(r *request) {
	owner := c.session.agent.user
	if r.req.Action == wire.ActionHookToURI || r.req.Action == wire.ActionUnhookFromURI {
		if other, _ := r.subscription(); other != nil {
			owner = other
		}
	}
	to := c.hub.committerOf(owner)
	c.mu.Lock()
	for c.flying > 0 && (c.with != to || c.flying >= flightRequests || c.bytes+r.size > flightBytes) {
		c.fewer.Wait()
	}
	c.with = to
	c.flying++
	c.bytes += r.size
	c.mu.Unlock()
	if !to.submit(r) {
		c.landed(r.size)
		c.closeWith(closeGoingAway, "")
	}
}

// landed notes that a request has been answered.
func (c *conn) landed(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying--
	c.bytes -= size
	c.fewer.Signal()
}

// landAll waits until all requests have been answered.
func (c *conn) landAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flying > 0 {
		c.fewer.Wait()
	}
}

// deny closes the socket with the code on which an agent logs in afresh.
func (c *conn) deny() { c.closeWith(closeDenied, "Access denied") }

// closeWith tells the peer to close and why, writes nothing more, and lets serve end soon. It does not wait.
func (c *conn) closeWith(code int, reason string) {
	if !c.closing.CompareAndSwap(false, true) {
		return
	}
	c.out.close()
	sayClose(c.ws, code, reason)
	_ = c.ws.SetReadDeadline(time.Now().Add(lingerTime))
}

// sayClose writes a close frame, without a status for CloseNoStatusReceived, and ends the outward direction.
func sayClose(ws *websocket.Conn, code int, reason string) {
	// FormatCloseMessage returns an empty message for CloseNoStatusReceived.
	_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(lingerTime))
	if half, ok := ws.NetConn().(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// discard reads on for a moment, so that the peer gets to read the close frame.
func (c *conn) discard() { linger(c.ws.NetConn()) }

func linger(socket net.Conn) {
	_ = socket.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, socket, lingerBytes)
}

// cut ends the socket at once.
func (c *conn) cut() {
	c.closing.Store(true)
	c.out.close()
	_ = c.ws.Close()
}

// ping asks a silent peer for a sign of life. The read deadline ends the socket where there is none.
func (c *conn) ping(now time.Time) {
	if now.UnixNano()-c.heard.Load() >= int64(c.hub.config.PingInterval) {
		c.out.send(entry{ping: true})
	}
}

// budget is the memory for frames being read, shared by all sockets. Nobody waits for it: with every socket in the
// middle of a frame, all would wait for ever.
type budget struct{ left atomic.Int64 }

func newBudget(bytes int64) *budget {
	b := &budget{}
	b.left.Store(bytes)
	return b
}

// take takes n bytes, and reports whether there were enough. They are taken in any case.
func (b *budget) take(n int) bool { return b.left.Add(-int64(n)) >= 0 }

func (b *budget) give(n int) { b.left.Add(int64(n)) }
