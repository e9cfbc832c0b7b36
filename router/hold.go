package router

import (
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/window"
)

// hold is what an impulse waits for, and the triggers that wait with it.
type hold struct {
	waiting map[window.ID]struct{} // windows that are loading
	live    bool                   // its windows were loaded once; loading them again is a reload
	changed bool                   // some window was, by this load
	has     bool                   // there is a held trigger
	held    impulse.Trigger        // everything since loading began, merged
	ready   []impulse.Trigger      // what the next Flush gives before what is noted
}

// holds reports whether triggers have to wait.
func (c *cold) holds() bool { return len(c.waiting) > 0 && !c.RunCold }

// Hold makes an impulse wait until the given windows, which must be among its own, are loaded; it may wait for others
// already. Its triggers by messages routed from now on are merged into one, which is given out when the last window is
// loaded; those before are not held. Only this impulse waits, whoever else is subscribed to the windows. An impulse
// with RunCold does not wait, but is told of a reload all the same. A free handle is ignored.
func (r *Router) Hold(handle int32, ids ...window.ID) {
	if !r.known(handle) || len(ids) == 0 {
		return
	}
	c := r.cold[handle]
	if c.waiting == nil {
		c.waiting = make(map[window.ID]struct{}, len(ids))
	}
	if len(c.waiting) == 0 && !c.RunCold {
		r.makeReady(handle)
	}
	for _, id := range ids {
		c.waiting[id] = struct{}{}
	}
	r.impulses[handle].special = true
}

// Holding reports whether an impulse waits for windows, and so its triggers with it unless it has RunCold.
func (r *Router) Holding(handle int32) bool {
	return r.known(handle) && len(r.cold[handle].waiting) > 0
}

// Loaded says that a window holds its history, for every impulse that waits for it; changed, whether loading changed
// what the window showed. A window that nobody will load, since its metric does not exist or its hook was denied, is
// loaded and unchanged.
func (r *Router) Loaded(id window.ID, changed bool) {
	for _, handle := range r.Subscribers(id) {
		r.LoadedFor(handle, id, changed)
	}
}

// LoadedFor is [Router.Loaded] for one impulse. The next Flush gives out what was held. It is a trigger with cause
// Refilled where the impulse had its windows loaded before and a window changed or something was held; at the first
// load, and for an impulse with LiveOnly, it is a trigger with cause Updated where something was held. Its views show
// everything routed so far.
func (r *Router) LoadedFor(handle int32, id window.ID, changed bool) {
	if !r.known(handle) {
		return
	}
	c := r.cold[handle]
	if _, waits := c.waiting[id]; !waits {
		return
	}
	c.changed = c.changed || changed
	if delete(c.waiting, id); len(c.waiting) == 0 {
		c.waiting = nil
		r.release(handle)
	}
}

// release ends an impulse's waiting.
func (r *Router) release(handle int32) {
	c := r.cold[handle]
	if !c.RunCold {
		r.park(handle)
	}
	if c.live && !c.LiveOnly {
		if c.changed {
			c.add(impulse.Refill(r.number))
		}
		c.held.Cause = impulse.Refilled
	}
	c.live, c.changed = true, false
	if !c.has {
		c.held = impulse.Trigger{}
		r.impulses[handle].special = len(c.ready) > 0
		return
	}
	// The windows were loaded as of now, whatever the newest message that was held.
	c.held.Cut = r.number
	r.makeReady(handle)
	c.ready = append(c.ready, c.held)
	c.held, c.has = impulse.Trigger{}, false
	r.impulses[handle].special = true
	r.list(handle)
	r.owe(r.number)
}

// makeReady turns what is noted for an impulse into triggers that nothing holds any more.
func (r *Router) makeReady(handle int32) {
	e, c := &r.impulses[handle], r.cold[handle]
	for at := e.head; at >= 0; at = r.notes[at].next {
		c.ready = append(c.ready, r.trigger(at))
	}
	e.head, e.tail = -1, -1
	e.special = e.special || len(c.ready) > 0
}

// park merges what is noted for an impulse into what is held.
func (r *Router) park(handle int32) {
	e, c := &r.impulses[handle], r.cold[handle]
	for at := e.head; at >= 0; at = r.notes[at].next {
		c.add(r.trigger(at))
	}
	e.head, e.tail = -1, -1
}

// add merges a trigger into what is held.
func (h *hold) add(t impulse.Trigger) {
	if !h.has {
		h.held, h.has = t, true
		return
	}
	h.held.Merge(t)
}
