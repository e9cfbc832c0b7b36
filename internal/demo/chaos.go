package demo

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// chaos makes connections that break.
type chaos struct {
	seed  uint64
	after time.Duration

	mu    sync.Mutex
	rng   *rand.Rand
	over  bool
	cuts  uint64
	conns map[*fragile]struct{}
}

// newChaos returns chaos with the given seed, or with one of its own for 0.
func newChaos(seed uint64, after time.Duration) *chaos {
	if seed == 0 {
		seed = rand.Uint64N(1_000_000) + 1
	}
	return &chaos{seed: seed, after: after, rng: rand.New(rand.NewPCG(seed, 0)), conns: map[*fragile]struct{}{}}
}

// dial opens a connection that breaks some time after.
func (c *chaos) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	f := &fragile{Conn: conn, chaos: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		pause := c.after + time.Duration(c.rng.Int64N(int64(c.after)))
		f.timer = time.AfterFunc(pause, f.cut)
		c.conns[f] = struct{}{}
	}
	return f, nil
}

// end lets connections live from now on, and returns how many were cut.
func (c *chaos) end() uint64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for f := range c.conns {
		f.timer.Stop()
	}
	clear(c.conns)
	return c.cuts
}

// fragile is a connection that breaks.
type fragile struct {
	net.Conn
	chaos *chaos
	timer *time.Timer
}

// cut breaks it: the other side gets a reset and loses what it has not read.
func (f *fragile) cut() {
	f.chaos.mu.Lock()
	_, open := f.chaos.conns[f]
	delete(f.chaos.conns, f)
	if open {
		f.chaos.cuts++
	}
	f.chaos.mu.Unlock()
	if !open {
		return
	}
	if tcp, ok := f.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // otherwise it would end in an orderly way
	}
	_ = f.Conn.Close() // it is broken either way
}

// Close implements net.Conn: what is closed in order is not cut.
func (f *fragile) Close() error {
	f.chaos.mu.Lock()
	delete(f.chaos.conns, f)
	f.chaos.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
	return f.Conn.Close()
}
