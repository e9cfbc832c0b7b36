package router

import (
	"fmt"
	"slices"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// Subscription is what the router knows of one impulse.
type Subscription struct {
	// Windows are the windows of the impulse's metrics. The router keeps the slice and does not change it.
	Windows []window.ID
	// Origin identifies the impulse in the Via of messages.
	Origin metric.Origin
	// AllowLoops, RunCold and LiveOnly are the impulse's.
	AllowLoops bool
	RunCold    bool
	LiveOnly   bool
	// Reload says that the impulse has run before, with another router: its first load counts as a reload.
	Reload bool
}

// Router is who is subscribed to what. The zero value has no subscriptions and numbers the first message 1. Impulses
// are known by handles, small dense numbers that the caller gives out and may use again once removed.
type Router struct {
	byWindow [][]int32 // handles by window, in the order they were added
	impulses []entry   // by handle
	cold     []*cold   // by handle; nil where the handle is free

	number    uint64 // of the newest message
	unflushed bool   // there is something to flush
	from      uint64 // its least cut
	messages  []*impulse.Message
	notes     []note // of the messages above
	affected  []int32
	triggers  []impulse.Trigger // scratch of Flush
	modest    int               // flushes in a row that used little of the memory
}

// entry is what routing touches for each impulse concerned, kept small: a thousand of them fit the nearest cache.
type entry struct {
	origin  metric.Origin
	head    int32 // first and last of the impulse's notes; none where head < 0
	tail    int32
	seen    int32 // index + 1 of the last message that concerned it
	looped  bool  // that message descends from the impulse
	guarded bool  // such messages are to be skipped
	listed  bool  // in affected
	special bool  // Flush has to look at cold: the impulse is held, or has triggers that are ready
}

// cold is what routing seldom touches.
type cold struct {
	Subscription
	skipped uint64
	hold
}

// note says that a message concerns an impulse: rows first to end−1 of it, at most.
type note struct {
	message    int32
	next       int32 // the impulse's next note, or -1
	first, end uint32
}

// Add subscribes an impulse. Messages routed before do not concern it. It panics when the handle is negative or in
// use, which is a mistake of the caller's.
func (r *Router) Add(handle int32, s Subscription) {
	if r.known(handle) {
		panic(fmt.Sprintf("router: Add of handle %d, which is in use", handle))
	}
	for int(handle) >= len(r.impulses) {
		r.impulses = append(r.impulses, entry{head: -1, tail: -1})
		r.cold = append(r.cold, nil)
	}
	listed := r.impulses[handle].listed // by an impulse that had the handle before
	r.impulses[handle] = entry{origin: s.Origin, head: -1, tail: -1, guarded: !s.AllowLoops, listed: listed}
	r.cold[handle] = &cold{Subscription: s, hold: hold{live: s.Reload}}
	for _, id := range s.Windows {
		for int(id) >= len(r.byWindow) {
			r.byWindow = append(r.byWindow, nil)
		}
		// A window named twice has the handle last in its list already.
		if list := r.byWindow[id]; len(list) == 0 || list[len(list)-1] != handle {
			r.byWindow[id] = append(list, handle)
		}
	}
}

// Remove ends a subscription. It returns the final counters of [Router.Counters], in which the triggers that were
// held or not yet flushed are Discarded.
func (r *Router) Remove(handle int32) impulse.Counters {
	if !r.known(handle) {
		return impulse.Counters{}
	}
	for _, id := range r.cold[handle].Windows {
		r.unsubscribe(id, handle)
	}
	counters := r.Counters(handle)
	counters.Discarded, counters.Pending = counters.Pending, 0
	r.cold[handle] = nil
	e := &r.impulses[handle]
	e.head, e.tail, e.special = -1, -1, false
	return counters
}

func (r *Router) unsubscribe(id window.ID, handle int32) {
	handles := r.byWindow[id]
	if i := slices.Index(handles, handle); i >= 0 {
		r.byWindow[id] = slices.Delete(handles, i, i+1)
	}
	if len(r.byWindow[id]) == 0 {
		r.byWindow[id] = nil
	}
}

func (r *Router) known(handle int32) bool {
	if handle < 0 {
		panic(fmt.Sprintf("router: handle %d, which must not be negative", handle))
	}
	return int(handle) < len(r.cold) && r.cold[handle] != nil
}

// Subscribers returns the handles subscribed to a window, in the order added. The slice is the router's own and
// valid until the next Add or Remove.
func (r *Router) Subscribers(id window.ID) []int32 {
	if int(id) >= len(r.byWindow) {
		return nil
	}
	return r.byWindow[id]
}

// Number returns the number of the newest message.
func (r *Router) Number() uint64 { return r.number }

// SetNumber makes the next message's number n + 1: for a router that continues another's work. It must come before
// the first message.
func (r *Router) SetNumber(n uint64) { r.number = n }

// Unflushed returns the least number that a trigger not yet given out may have as its cut, as every greater one
// may. While Flush runs it covers what Flush gives out; after that the receivers have to see to it.
func (r *Router) Unflushed() (from uint64) {
	if !r.unflushed {
		return r.number + 1
	}
	return r.from
}

// Advance takes the next number for a change of the windows that no message brings, a refill say, and returns it: the
// views of runs that answer earlier messages go on showing what was before.
func (r *Router) Advance() uint64 {
	r.number++
	return r.number
}

// Route gives the message the next number and notes the impulses it concerns. The message must not be changed
// afterwards; it is kept until Flush, and then as long as a trigger holds it.
func (r *Router) Route(m *impulse.Message) {
	r.number++
	m.Number = r.number
	r.owe(m.Number)
	index := int32(len(r.messages))
	r.messages = append(r.messages, m)
	for i := range m.Rows {
		id := m.Rows[i].ID
		if int(id) >= len(r.byWindow) {
			continue
		}
		for _, handle := range r.byWindow[id] {
			r.note(handle, index, uint32(i), m.Via)
		}
	}
}

// note notes that row i of a message concerns an impulse.
func (r *Router) note(handle, message int32, i uint32, via []metric.Origin) {
	e := &r.impulses[handle]
	if e.seen == message+1 {
		if !e.looped {
			r.notes[e.tail].end = i + 1
		}
		return
	}
	e.seen = message + 1
	if e.looped = e.guarded && len(via) > 0 && slices.Contains(via, e.origin); e.looped {
		r.cold[handle].skipped++
		r.list(handle) // Flush must forget seen
		return
	}
	at := int32(len(r.notes))
	r.notes = append(r.notes, note{message: message, next: -1, first: i, end: i + 1})
	if e.head < 0 {
		e.head = at
		r.list(handle)
	} else {
		r.notes[e.tail].next = at
	}
	e.tail = at
}

// list makes Flush visit an impulse.
func (r *Router) list(handle int32) {
	if e := &r.impulses[handle]; !e.listed {
		e.listed = true
		r.affected = append(r.affected, handle)
	}
}

// owe notes that a trigger with this cut may be given out.
func (r *Router) owe(cut uint64) {
	if !r.unflushed {
		r.unflushed, r.from = true, cut
	}
}

// Flush gives each impulse concerned by what was routed since the last Flush, or released from holding, its triggers,
// in order. The impulses come in the order in which they were first concerned. The slice is valid during the call;
// the triggers are the receiver's. give may call Number, Unflushed, Counters and Subscribers and nothing else of the
// router.
func (r *Router) Flush(give func(handle int32, triggers []impulse.Trigger)) {
	most := 0
	for _, handle := range r.affected {
		r.triggers = r.triggers[:0]
		r.collect(handle)
		most = max(most, len(r.triggers))
		if len(r.triggers) > 0 {
			give(handle, r.triggers)
		}
	}
	clear(r.triggers[:most]) // the receivers have them; they must not keep messages alive here
	clear(r.messages)
	r.shrink()
	r.affected, r.messages, r.notes = r.affected[:0], r.messages[:0], r.notes[:0]
	r.unflushed = false
}

// collect takes what is to be given to an impulse into r.triggers; what is held stays.
func (r *Router) collect(handle int32) {
	e := &r.impulses[handle]
	if e.special {
		c := r.cold[handle]
		r.triggers = append(r.triggers, c.ready...)
		c.ready = nil
		if e.special = c.holds(); e.special {
			r.park(handle)
		}
	}
	for at := e.head; at >= 0; at = r.notes[at].next {
		r.triggers = append(r.triggers, r.trigger(at))
	}
	e.head, e.tail, e.seen, e.listed = -1, -1, 0, false
}

// trigger returns the trigger of a note.
func (r *Router) trigger(at int32) impulse.Trigger {
	n := &r.notes[at]
	return impulse.NewTrigger(r.messages[n.message], int(n.first), int(n.end))
}

// A router whose memory has room for more than burst notes gives it back when it used less than a quarter of it in
// calm flushes in a row.
const (
	burst = 1 << 12
	calm  = 64
)

// shrink gives back the memory of a burst.
func (r *Router) shrink() {
	if cap(r.notes) <= burst || len(r.notes) > cap(r.notes)/4 {
		r.modest = 0
		return
	}
	if r.modest++; r.modest == calm {
		r.messages, r.notes, r.affected, r.triggers, r.modest = nil, nil, nil, nil, 0
	}
}

// Counters returns what became, in the router, of the triggers of an impulse: those Skipped because their message
// descends from the impulse, and those held (Pending one, the others Coalesced into it) or not yet flushed (Pending).
// What Flush has given out is no longer counted here, but by whom it was given to. [impulse.Counters.Add] of both is
// the whole.
func (r *Router) Counters(handle int32) impulse.Counters {
	if !r.known(handle) {
		return impulse.Counters{}
	}
	c := r.cold[handle]
	n := impulse.Counters{Skipped: c.skipped, Triggered: c.skipped}
	wait := func(t *impulse.Trigger) {
		n.Triggered += uint64(t.Count())
		n.Coalesced += uint64(t.Count()) - 1
		n.Shed += uint64(t.Shed())
		n.Pending++
	}
	for i := range c.ready {
		wait(&c.ready[i])
	}
	if c.has {
		wait(&c.held)
	}
	for at := r.impulses[handle].head; at >= 0; at = r.notes[at].next {
		n.Triggered++
		n.Pending++
	}
	return n
}
