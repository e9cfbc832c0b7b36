package hub

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/metric"
)

// enter admits a socket; false once the hub is closing.
func (h *Hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.sockets.Add(1)
	return true
}

func (h *Hub) leave() { h.sockets.Done() }

// Close is [Hub.Shutdown] with a limit of ten seconds.
func (h *Hub) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return h.Shutdown(ctx)
}

// Shutdown takes no new sockets and requests, answers what is being executed, tells the agents to come back later,
// and closes the store. Where ctx ends first, the sockets are cut; what was answered is stored all the same. When it
// returns, no goroutine of the hub is left. Calling it again waits for the first call and returns its result.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.closeOnce.Do(func() { h.closeErr = h.shutdown(ctx) })
	<-h.stopped
	return h.closeErr
}

func (h *Hub) shutdown(ctx context.Context) error {
	defer close(h.stopped)
	close(h.stop)
	h.mu.Lock()
	h.closing = true
	conns := make([]*conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	// Where ctx ends, everything that others hold up is cut.
	cut := context.AfterFunc(ctx, func() {
		_ = h.server.Close()
		for _, c := range conns {
			c.cut()
		}
	})
	defer cut()
	serverErr := h.server.Shutdown(ctx) // the listeners, and logins under way; it leaves websockets alone
	for _, c := range conns {
		h.writers.Go(c.goAway)
	}
	h.sockets.Wait()
	for _, c := range h.committers {
		c.stop()
	}
	h.committing.Wait()
	busErr := h.bus.Close()
	h.writers.Wait()
	h.serving.Wait()
	storeErr := h.store.Close()
	if err := errors.Join(ctxOnly(serverErr), busErr, storeErr); err != nil {
		h.log.Warn("hub closed", zap.Error(err))
		return err
	}
	return nil
}

// ctxOnly drops errors of listeners that were closed already.
func ctxOnly(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// goAway answers what is under way and closes the socket.
func (c *conn) goAway() {
	c.leaving.Store(true)
	c.landAll()
	c.out.drain()
	c.closeWith(closeGoingAway, "")
}

// chores does now and then what nobody waits for: pings, sessions, cookies, logins and the arrival log.
func (h *Hub) chores() {
	pings := time.NewTicker(max(h.config.PingInterval/2, time.Millisecond))
	defer pings.Stop()
	sweeps := time.NewTicker(time.Minute)
	defer sweeps.Stop()
	prunes := time.NewTicker(10 * time.Minute)
	defer prunes.Stop()
	for {
		select {
		case <-h.stop:
			return
		case now := <-pings.C:
			for _, c := range h.matching(func(*session) bool { return true }) {
				c.ping(now)
			}
		case <-sweeps.C:
			h.sweep()
		case <-prunes.C:
			h.prune()
		}
	}
}

// prune forgets the old part of the arrival logs, and sources of sequences that will not send again.
func (h *Hub) prune() {
	ctx, now := context.Background(), h.config.now()
	oldest := metric.TicksOf(now.Add(-seenLife))
	for _, u := range h.directory.allUsers() {
		select {
		case <-h.stop:
			return
		default:
		}
		if err := h.store.Trim(ctx, u.id, now.Add(-h.config.LogLife), h.config.LogBytes); err != nil {
			h.log.Warn("the arrival log is not trimmed", zap.String("user", u.name), zap.Error(err))
		}
		err := h.do(ctx, u, func(g *group) error {
			g.pruneSeen(u.model, oldest)
			return nil
		})
		if err != nil {
			h.log.Warn("silent sources stay stored", zap.String("user", u.name), zap.Error(err))
		}
	}
}

func (h *Hub) sweep() {
	now := h.config.now()
	ctx := context.Background()
	h.sweepSessions(now)
	h.challenges.sweep(now)
	h.limits.sweep(now)
	if err := h.directory.sweepCookies(ctx, now); err != nil {
		h.log.Warn("expired cookies stay stored", zap.Error(err))
	}
}
