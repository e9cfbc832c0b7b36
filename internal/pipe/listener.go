package pipe

import (
	"context"
	"net"
	"sync"
)

// Listener hands out the server ends of connections that [Listener.DialContext] makes. It is safe for concurrent use.
type Listener struct {
	addr   Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a Listener. The name is its address, for messages only; there is no directory of names.
func Listen(name string) *Listener {
	return &Listener{addr: Addr(name), conns: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext returns the client end of a new connection as soon as its server end is accepted. Network and address
// are ignored, so that it fits wherever a dial function is taken. It fails with the context's error, or with
// net.ErrClosed when the listener is closed.
func (l *Listener) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	client, server := newPair(Buffer, l.addr+"-client", l.addr)
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-l.closed:
		err = net.ErrClosed
	}
	return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.addr, Err: err}
}

// Accept waits for the next connection, or returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // first of all: a closed listener must not accept by chance
	default:
		select {
		case c := <-l.conns:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: l.addr, Err: net.ErrClosed}
}

// Close ends Accept and DialContext, and leaves the connections made so far alone. Closing again does nothing. The
// error is always nil.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the listener's [Addr].
func (l *Listener) Addr() net.Addr { return l.addr }
