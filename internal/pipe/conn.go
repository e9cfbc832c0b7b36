package pipe

import (
	"errors"
	"io"
	"net"
	"time"
)

// Buffer is how many bytes a pair holds in each direction before a Write blocks.
const Buffer = 64 << 10

// Addr is the address of a connection or listener of this package: a name, for messages only.
type Addr string

// Network returns "pipe".
func (a Addr) Network() string { return "pipe" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// Conn is one end of a pair. It is safe for concurrent use; concurrent Writes do not mix.
type Conn struct {
	in, out       *stream
	local, remote Addr
}

var _ net.Conn = (*Conn)(nil)

// New returns the two ends of a connection with [Buffer] bytes each way.
func New() (*Conn, *Conn) { return newPair(Buffer, "pipe", "pipe") }

// NewSize is [New] with a buffer of the given size, at least 1 byte, in each direction.
func NewSize(size int) (*Conn, *Conn) { return newPair(size, "pipe", "pipe") }

func newPair(size int, client, server Addr) (*Conn, *Conn) {
	up, down := newStream(max(size, 1)), newStream(max(size, 1))
	return &Conn{in: down, out: up, local: client, remote: server}, &Conn{in: up, out: down, local: server, remote: client}
}

// Read reads what the other end wrote. It returns io.EOF when the other end closed and everything was read,
// os.ErrDeadlineExceeded after the read deadline, even if bytes wait, and net.ErrClosed after Close.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

// Write returns when all of b is buffered. It fails with io.ErrClosedPipe when the other end closed,
// os.ErrDeadlineExceeded after the write deadline, and net.ErrClosed after Close or CloseWrite.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

// Close ends both directions and wakes everybody who waits. What was written and not yet read can still be read by
// the other end. Closing again does nothing. The error is always nil.
func (c *Conn) Close() error {
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// CloseWrite ends the outward direction only: the other end reads what is buffered and then io.EOF, and may go on
// writing. The error is always nil.
func (c *Conn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

// LocalAddr returns this end's [Addr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the other end's [Addr].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets when pending and later Reads fail. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setDeadline(&c.in.readDeadline, &c.in.readClosed, t))
}

// SetWriteDeadline sets when pending and later Writes fail. The zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setDeadline(&c.out.writeDeadline, &c.out.writeClosed, t))
}

// wrap gives an error the form that users of sockets look for: a [net.OpError], but for io.EOF.
func (c *Conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "pipe", Source: c.local, Addr: c.remote, Err: err}
}
