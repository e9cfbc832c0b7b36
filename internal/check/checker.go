package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Checker checks the impulses of one session. Make it with [New]; it is safe for concurrent use.
type Checker struct {
	username string

	mu       sync.Mutex
	impulses map[string]*watched
	series   map[metric.URI]*series // of the metrics that impulses subscribe
	conns    []*conn                // connection n is conns[n-1]
	sockets  []int                  // socket n carries connection sockets[n-1]
	frames   []*frame               // those that some impulse may still answer
	pruned   int                    // how many came before them
	known    []*frame               // those whose number is known, in order
	feed     uint64                 // frames and pages received
	foreign  uint64                 // samples of other users' metrics
	runs     uint64
	faulty   uint64
	texts    []string
}

// conn is what is known of one connection: of a socket, until it ends or the hub says that it left out frames, since
// what follows from that is the same.
type conn struct {
	frames    uint64 // received, of those that have a metric of some impulse
	confirmed int64  // the greatest index of a frame that some run answered, -1 for none
}

// watched is an impulse and how far it has come.
type watched struct {
	impulse impulse.Impulse
	uris    []metric.URI
	pasts   []impulse.Past
	origin  string

	cursor   int    // position of the first frame that may be answered next
	last     *frame // the last frame that was answered
	number   uint64
	inside   int // runs going on
	runs     uint64
	triggers uint64 // that these runs answered
	refills  uint64 // among the triggers
	looped   uint64 // frames that descend from the impulse
}

// maxTexts is how many faults are kept with their text.
const maxTexts = 20

// New returns a checker for a session of the given user.
func New(username string) *Checker {
	return &Checker{
		username: strings.ToLower(username),
		impulses: map[string]*watched{}, series: map[metric.URI]*series{},
	}
}

// add notes an impulse before the session is opened.
func (c *Checker) add(imp impulse.Impulse) *watched {
	sum := sha256.Sum256([]byte(c.username + ":" + imp.Name))
	w := &watched{impulse: imp, origin: hex.EncodeToString(sum[:8])}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, in := range imp.On {
		uri := in.URI.For(c.username)
		past := imp.PastOf(n)
		if past.Delta == 0 {
			past.Delta = 10 * time.Minute
		}
		if past.Count == 0 {
			past.Count = 2
		}
		w.uris, w.pasts = append(w.uris, uri), append(w.pasts, past)
		s := c.series[uri]
		if s == nil {
			s = &series{}
			c.series[uri] = s
		}
		s.delta, s.count = max(s.delta, past.Delta), max(s.count, past.Count)
	}
	w.cursor = c.pruned + len(c.frames)
	c.impulses[imp.Name] = w
	return w
}

// connected notes a new socket and returns its number, from 1.
func (c *Checker) connected() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = append(c.sockets, c.begin())
	return len(c.sockets)
}

// begin begins a connection and returns its number, from 1.
func (c *Checker) begin() int {
	c.conns = append(c.conns, &conn{confirmed: -1})
	return len(c.conns)
}

// received takes a message of the hub's.
func (c *Checker) received(socket int, text []byte) {
	m, err := decode(text)
	if err != nil {
		c.fault("socket %d: message %.200q: %v", socket, text, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feed++
	switch {
	case m.frame != nil:
		c.receivedFrame(c.sockets[socket-1], m.frame)
	case m.missed:
		c.sockets[socket-1] = c.begin()
	case m.rows != nil:
		if s := c.series[m.rows.uri.For(c.username)]; s != nil {
			for _, r := range m.rows.rows {
				s.add(arrival{seq: c.feed, id: r.time, content: r.content, kind: m.rows.kind})
			}
		}
	}
}

func (c *Checker) receivedFrame(conn int, f *frame) {
	known := false
	for i := range f.items {
		it := &f.items[i]
		if it.uri = it.uri.For(c.username); !it.uri.IsLocal() {
			c.foreign++
		}
		if s := c.series[it.uri]; s != nil {
			known = true
			s.add(arrival{frame: f, seq: c.feed, id: f.time, content: it.content, kind: it.kind})
		}
	}
	if !known {
		return // the session gives it no number
	}
	k := c.conns[conn-1]
	f.conn, f.index = conn, k.frames
	f.pos = c.pruned + len(c.frames)
	k.frames++
	c.frames = append(c.frames, f)
	for _, w := range c.impulses {
		if w.loops(f) {
			w.looped++
		}
	}
	if len(c.frames) >= 2048 && len(c.frames)&1023 == 0 {
		c.prune()
	}
}

// prune forgets the frames that every impulse is past.
func (c *Checker) prune() {
	least := c.pruned + len(c.frames)
	for _, w := range c.impulses {
		if f := c.next(w, w.cursor); f != nil {
			w.cursor = f.pos
			least = min(least, f.pos)
		} else {
			w.cursor = c.pruned + len(c.frames)
		}
	}
	c.frames = slices.Clone(c.frames[least-c.pruned:])
	c.pruned = least
	c.forget(least)
}

// has reports whether the impulse subscribes a metric.
func (w *watched) has(uri metric.URI) bool { return slices.Contains(w.uris, uri) }

// drops reports whether the impulse's policy is to drop triggers.
func (w *watched) drops() bool { return strings.HasPrefix(w.impulse.Overload.String(), "DropOldest") }

// loops reports whether a frame has a metric of the impulse and descends from it, so that it must not run.
func (w *watched) loops(f *frame) bool {
	return !w.impulse.AllowLoops && slices.Contains(f.via, w.origin) &&
		slices.ContainsFunc(f.items, func(i item) bool { return w.has(i.uri) })
}

// itemsOf returns what of a frame makes the impulse run: nothing when the frame descends from it.
func (w *watched) itemsOf(f *frame) (items []item) {
	if !w.impulse.AllowLoops && slices.Contains(f.via, w.origin) {
		return nil
	}
	for _, i := range f.items {
		if w.has(i.uri) {
			items = append(items, i)
		}
	}
	return items
}

// next returns the first frame from a position on that makes the impulse run, or nil.
func (c *Checker) next(w *watched, pos int) *frame {
	for ; pos < c.pruned+len(c.frames); pos++ {
		if f := c.frames[pos-c.pruned]; len(w.itemsOf(f)) > 0 {
			return f
		}
	}
	return nil
}

// lost reports whether a connection was followed by another.
func (c *Checker) lost(conn int) bool { return conn < len(c.conns) }

// fault notes what is wrong and belongs to no run.
func (c *Checker) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(fmt.Sprintf(format, args...))
}

// note counts a fault; c.mu is held.
func (c *Checker) note(text string) {
	c.faulty++
	if len(c.texts) < maxTexts {
		c.texts = append(c.texts, text)
	}
}

// Wrong returns how many runs broke a rule. What else was wrong, an unreadable frame or counters that do not balance,
// counts as one each.
func (c *Checker) Wrong() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faulty
}

// Faults returns what was wrong, the first twenty.
func (c *Checker) Faults() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// Runs returns how many runs were checked.
func (c *Checker) Runs() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs
}

// Foreign returns how many samples of other users' metrics the hub has sent in notifications.
func (c *Checker) Foreign() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.foreign
}

// numberOf returns the float64 that a datapoint's text stands for: ±Inf beyond its range, NaN for no number.
func numberOf(content string) float64 {
	v, err := parseFloat(content)
	if err != nil {
		return math.NaN()
	}
	return v
}
