package check

import (
	"fmt"

	"github.com/komstream/komstream/impulse"
)

// Finish checks the counters of an impulse, at a moment when the session is connected and rests: everything that the
// hub has sent was read. Call it once for each impulse.
func (c *Checker) Finish(name string, n impulse.Counters) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.impulses[name]
	if w == nil {
		c.note(fmt.Sprintf("impulse %q has counters and is not watched", name))
		return
	}
	fault := func(format string, args ...any) {
		c.note(fmt.Sprintf("impulse %s: ", name) + fmt.Sprintf(format, args...) + fmt.Sprintf(" (%+v)", n))
	}
	switch sum := n.Ran + n.Running + n.Coalesced + n.Throttled + n.Skipped + n.Dropped + n.Discarded + n.Pending; {
	case n.Triggered != sum || n.Failed > n.Ran:
		fault("%d triggers, but what became of them makes %d", n.Triggered, sum)
		return
	case n.Ran+n.Running != w.runs:
		fault("%d runs were seen", w.runs)
		return
	case n.Skipped > w.looped, len(c.conns) == 1 && n.Skipped != w.looped:
		fault("%d frames descend from it", w.looped)
		return
	}
	if n.Pending+n.Running+n.Discarded+n.Dropped > 0 {
		return // not everything has run
	}
	if ran := n.Triggered - n.Skipped; ran != w.triggers {
		fault("its runs answered %d triggers", w.triggers)
	}
	for f := c.next(w, w.cursor); f != nil; f = c.next(w, f.pos+1) {
		if !c.lost(f.conn) {
			fault("frame %d of connection %d was never answered", f.index, f.conn)
			return
		}
	}
}
