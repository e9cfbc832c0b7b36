package hub

import (
	"crypto/tls"
	"net"
	"sync"
)

// bundle is a socket that can hold back what is written and send it at once: many small frames in one call of the
// kernel. Reads and deadlines are the socket's.
type bundle struct {
	net.Conn

	mu   sync.Mutex
	held *[]byte // what is held back; nil while nothing is
}

// bundleBytes is how much is held back at most.
const bundleBytes = 32 << 10

var bundles = sync.Pool{New: func() any {
	b := make([]byte, 0, bundleBytes)
	return &b
}}

// hold begins to hold back.
func (b *bundle) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held == nil {
		b.held = bundles.Get().(*[]byte)
	}
}

// release sends what was held back, and holds back no more.
func (b *bundle) release() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.flush()
	if b.held != nil {
		bundles.Put(b.held)
		b.held = nil
	}
	return err
}

// flush sends what is held back. The caller holds mu.
func (b *bundle) flush() error {
	if b.held == nil || len(*b.held) == 0 {
		return nil
	}
	_, err := b.Conn.Write(*b.held)
	*b.held = (*b.held)[:0]
	return err
}

// Write implements net.Conn.
func (b *bundle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held == nil {
		return b.Conn.Write(p)
	}
	if len(*b.held)+len(p) > bundleBytes {
		if err := b.flush(); err != nil {
			return 0, err
		}
		if len(p) > bundleBytes {
			return b.Conn.Write(p)
		}
	}
	*b.held = append(*b.held, p...)
	return len(p), nil
}

// CloseWrite sends what is held back and ends the outward direction.
func (b *bundle) CloseWrite() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.flush()
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok && err == nil {
		err = half.CloseWrite()
	}
	return err
}

// listener makes bundles of what it accepts, and bounds what the kernel buffers towards an agent: else it swallows
// megabytes that the hub believes written.
type listener struct {
	net.Listener
	tls *tls.Config // nil for plain HTTP
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(64 << 10)
	}
	if l.tls != nil {
		c = tls.Server(c, l.tls) // the handshake is the first read's
	}
	return &bundle{Conn: c}, nil
}
