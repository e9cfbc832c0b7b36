package hub

import (
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// outbox is what waits to be written to one socket. There is no standing goroutine: one runs while there is
// something to write.
type outbox struct {
	conn *conn

	mu      sync.Mutex
	room    sync.Cond // answers have been written, or the outbox was closed
	entries []entry
	answers int // bytes of queued answers and pages
	pushes  int // bytes of queued notifications
	running bool
	marked  bool // in the list of a group that will start it
	closed  bool

	// lag holds the owners whose notifications did not fit. Once the queue is empty they are read from the arrival log,
	// or the agent is told to read them again. Nothing of these owners is queued until then, so that the order stays.
	lag map[*user]*lag

	busy    bool          // entries are being written
	written chan struct{} // closed when it has been; made by who waits
}

// lag is a range of positions that a session has yet to get.
type lag struct {
	next, last uint64
	// missed is what the agent is told of them, by uri local to the owner; nil where it gets them all after all.
	missed map[metric.URI]*wire.Missed
}

// entry is one frame to be written.
type entry struct {
	frame []byte
	ping  bool

	// A notification is authorised again when rights have changed since.
	notice  *notice
	which   []int
	version uint64

	// A page too: it returns what may be written in its place.
	again func() []byte
}

func newOutbox(c *conn) *outbox {
	o := &outbox{conn: c}
	o.room.L = &o.mu
	return o
}

// mark notes that o is to be started, in the list of who will do it. The caller holds mu.
func (o *outbox) mark(touched *[]*outbox) {
	if !o.marked && !o.running {
		o.marked = true
		*touched = append(*touched, o)
	}
}

// answer queues a frame that must not be lost. It does not wait: who reads requests waits with [outbox.wait].
func (o *outbox) answer(e entry, touched *[]*outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.answers += len(e.frame)
	o.entries = append(o.entries, e)
	o.mark(touched)
}

// push queues a notification, or notes that it has to be read from the log later.
func (o *outbox) push(e entry, touched *[]*outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	owner, position := e.notice.owner, e.notice.position
	if l := o.lag[owner]; l != nil {
		l.last = position
		l.note(e.notice, e.which)
		return
	}
	if o.pushes+len(e.frame) > o.conn.hub.config.PushBytes && o.pushes > 0 {
		if o.lag == nil {
			o.lag = map[*user]*lag{}
		}
		l := &lag{next: position, last: position}
		if o.conn.features.Has(wire.FeatureMissed) {
			l.missed = map[metric.URI]*wire.Missed{}
			l.note(e.notice, e.which)
		}
		o.lag[owner] = l
		return
	}
	o.pushes += len(e.frame)
	o.conn.hub.stats.queued.Add(1)
	o.entries = append(o.entries, e)
	o.mark(touched)
}

// send is answer for who belongs to no group.
func (o *outbox) send(e entry) {
	var touched []*outbox
	o.answer(e, &touched)
	for _, t := range touched {
		t.start()
	}
}

// wait blocks while more than answerBytes of answers wait. It reports false once the outbox is closed.
func (o *outbox) wait() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.answers > answerBytes && !o.closed {
		o.room.Wait()
	}
	return !o.closed
}

// drain blocks until everything queued has been written, or the outbox is closed.
func (o *outbox) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for (o.running || o.marked) && !o.closed {
		o.room.Wait()
	}
}

// start sets off the writing of what was queued.
func (o *outbox) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.marked = false
	if o.running || o.closed || len(o.entries) == 0 {
		return
	}
	o.running = true
	o.conn.hub.writers.Go(o.run)
}

// close drops everything and ends the writing.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.entries, o.lag = nil, nil
	o.room.Broadcast()
}

// run writes until there is nothing left.
func (o *outbox) run() {
	defer func() {
		if p := recover(); p != nil {
			o.conn.hub.log.Error("writing to a socket panicked", zap.Any("panic", p), zap.Stack("stack"))
			o.conn.cut()
		}
	}()
	for {
		o.mu.Lock()
		entries := o.entries
		o.entries = nil
		if len(entries) == 0 && len(o.lag) == 0 || o.closed {
			o.running = false
			o.room.Broadcast()
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		if len(entries) == 0 {
			if o.conn.features.Has(wire.FeatureMissed) {
				o.report()
			} else {
				o.replay()
			}
			continue
		}
		for len(entries) > 0 {
			n := bundled(entries)
			if !o.write(entries[:n]) {
				break
			}
			clear(entries[:n])
			entries = entries[n:]
		}
	}
}

// bundled returns how many of the entries are written together.
func bundled(entries []entry) int {
	bytes := 0
	for i := range entries {
		if bytes += len(entries[i].frame); bytes > bundleBytes && i > 0 {
			return i
		}
	}
	return len(entries)
}

// write writes some entries together, those that may still be read. It reports false once the socket is broken.
func (o *outbox) write(entries []entry) bool {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return false
	}
	o.busy = true
	o.mu.Unlock()
	err := o.transmit(entries)
	o.mu.Lock()
	o.busy = false
	if o.written != nil {
		close(o.written)
		o.written = nil
	}
	for i := range entries {
		if e := &entries[i]; e.notice != nil {
			o.pushes -= len(e.frame)
		} else {
			o.answers -= len(e.frame)
		}
	}
	o.room.Broadcast()
	o.mu.Unlock()
	if err != nil {
		o.conn.cut()
		return false
	}
	return true
}

// writeUnit is what may be written within one Config.WriteTimeout.
const writeUnit = 64 << 10

func (o *outbox) transmit(entries []entry) error {
	c := o.conn
	bytes := 0
	for i := range entries {
		bytes += len(entries[i].frame)
	}
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.hub.config.WriteTimeout * time.Duration(1+bytes/writeUnit)))
	bundle, _ := c.ws.NetConn().(*bundle)
	if len(entries) > 1 && bundle != nil {
		bundle.hold()
	} else {
		bundle = nil
	}
	for i := range entries {
		if err := o.transmitOne(&entries[i]); err != nil {
			if bundle != nil {
				_ = bundle.release()
			}
			return err
		}
	}
	if bundle != nil {
		return bundle.release()
	}
	return nil
}

func (o *outbox) transmitOne(e *entry) error {
	c := o.conn
	if e.ping {
		return c.ws.WriteMessage(websocket.PingMessage, nil)
	}
	frame := e.frame
	if e.version != 0 && e.version != c.hub.directory.version.Load() {
		frame = o.authorizeAgain(e)
	}
	if frame == nil {
		c.hub.measured.denied.Add(1)
		return nil
	}
	return c.ws.WriteMessage(websocket.TextMessage, frame)
}

// authorizeAgain returns what may still be written of an entry, nil for nothing.
func (o *outbox) authorizeAgain(e *entry) []byte {
	h, s := o.conn.hub, o.conn.session
	if e.again != nil {
		return e.again()
	}
	kept := e.notice.allowed(h, s, e.which)
	switch len(kept) {
	case 0:
		return nil
	case len(e.which):
		return e.frame
	}
	return e.notice.frame(h, s, kept)
}

// quiesce returns once the entries that are being written, if any, are written; false where that takes until deadline.
func (o *outbox) quiesce(deadline time.Time) bool {
	o.mu.Lock()
	if !o.busy { // also a closed outbox may be in the middle of a write
		o.mu.Unlock()
		return true
	}
	if o.written == nil {
		o.written = make(chan struct{})
	}
	written := o.written
	o.mu.Unlock()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-written:
		return true
	case <-timer.C:
		return false
	}
}
