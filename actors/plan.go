package actors

import (
	"cmp"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"github.com/komstream/komstream/window"
)

// plan is what the router works on: which windows there are and who uses them. Only the router's turn touches it;
// it outlives the router actor's incarnations.
type plan struct {
	s      *Session
	built  bool // an incarnation has started before
	router *router.Router
	budget *window.Budget
	slots  []*slot  // by window.ID; nil: not subscribed
	boxes  []*inbox // by handle; nil: free
	free   []int32  // handles to use again
	turns  []func() // of impulses to be woken, while triggers are given out
	queued backlog  // messages that triggers may hold
}

// slot is one subscribed metric.
type slot struct {
	id     window.ID
	uri    metric.URI
	past   window.Past // the maximum over its users
	users  []int32     // handles of the impulses, in the order they were bound
	pid    *actor.PID
	window *window.Window
	failed bool // it has panicked and is not yet back
}

func newPlan(s *Session) *plan {
	return &plan{s: s, router: &router.Router{}, budget: window.NewBudget(s.config.MemoryLimit)}
}

// slot returns the slot of a window, or nil when the metric is not subscribed.
func (p *plan) slot(id window.ID) *slot {
	if int(id) >= len(p.slots) {
		return nil
	}
	return p.slots[id]
}

func (p *plan) add(id window.ID, uri metric.URI, past window.Past) *slot {
	for int(id) >= len(p.slots) {
		p.slots = append(p.slots, nil)
	}
	p.slots[id] = &slot{id: id, uri: uri, past: past}
	return p.slots[id]
}

// newWindow makes the window of a slot. Its cuts are asked for in the router's turn only, like everything else.
func (p *plan) newWindow(slot *slot, past window.Past) *window.Window {
	return window.New(window.Config{
		Past:       past,
		MaxSamples: p.s.config.MaxSamples,
		Budget:     p.budget,
		Cuts: func(dst []uint64) ([]uint64, uint64) {
			for _, handle := range slot.users {
				dst = p.boxes[handle].cuts(dst)
			}
			slices.Sort(dst)
			return slices.Compact(dst), p.router.Unflushed()
		},
	})
}

// claim returns a handle for a box.
func (p *plan) claim(box *inbox) int32 {
	if n := len(p.free); n > 0 {
		handle := p.free[n-1]
		p.free = p.free[:n-1]
		p.boxes[handle] = box
		return handle
	}
	p.boxes = append(p.boxes, box)
	return int32(len(p.boxes) - 1)
}

func (p *plan) release(box *inbox) {
	p.boxes[box.handle] = nil
	p.free = append(p.free, box.handle)
	box.handle = -1
}

// subscribe tells the router of a box, and holds it until its windows are loaded: for the first time, or again.
func (p *plan) subscribe(box *inbox, again bool) {
	p.router.Add(box.handle, router.Subscription{
		Windows:    box.ids,
		Origin:     metric.OriginOf(p.s.config.Username, box.impulse.Name),
		AllowLoops: box.impulse.AllowLoops,
		RunCold:    box.impulse.RunCold,
		LiveOnly:   box.impulse.LiveOnly,
		Reload:     again,
	})
	p.router.Hold(box.handle, box.ids...)
}

// windowsOf returns the present windows of a box's inputs.
func (p *plan) windowsOf(box *inbox) []*window.Window {
	windows := make([]*window.Window, len(box.ids))
	for n, id := range box.ids {
		windows[n] = p.slots[id].window
	}
	return windows
}

// pastsOf returns what the windows of a binding are to hold.
func (p *plan) pastsOf(b *Binding) map[window.ID]window.Past {
	pasts := make(map[window.ID]window.Past)
	for _, box := range b.boxes {
		for _, id := range box.ids {
			pasts[id] = p.slots[id].past
		}
	}
	return pasts
}

// deliver hands triggers to the inbox of a handle and notes the turn that wakes its actor.
func (p *plan) deliver(handle int32, triggers []impulse.Trigger) {
	if turn := p.boxes[handle].push(triggers); turn != nil {
		p.turns = append(p.turns, turn)
	}
}

// retire discards what the router still holds for impulses.
func (p *plan) retire() {
	for handle, box := range p.boxes {
		if box != nil {
			box.noteRouter(p.router.Remove(int32(handle)))
		}
	}
}

// renew replaces the router by a new one that goes on counting messages. What the old one held is reported as
// discarded: the windows show it once they are loaded again, but no trigger does.
func (p *plan) renew() {
	p.retire()
	number := p.router.Number()
	p.router = &router.Router{}
	p.router.SetNumber(number)
}

// prune brings the account of queued messages up to date. It returns the inbox with the oldest outstanding cut, or
// nil when no trigger waits or runs.
func (p *plan) prune() (oldest *inbox) {
	least := p.router.Unflushed()
	for _, box := range p.boxes {
		if box == nil {
			continue
		}
		if cut, ok := box.oldest(); ok && cut < least {
			least, oldest = cut, box
		}
	}
	p.queued.prune(least)
	return oldest
}

// used returns the bytes of windows and queued messages.
func (p *plan) used() int64 { return p.budget.Used() + p.queued.bytes }

// oldestFirst returns the slots by the time of their oldest sample; empty windows are left out.
func (p *plan) oldestFirst() []*slot {
	type aged struct {
		first metric.Ticks
		slot  *slot
	}
	var all []aged
	for _, slot := range p.slots {
		if slot == nil {
			continue
		}
		if first, ok := slot.window.View().First(); ok {
			all = append(all, aged{first.Time.Ticks(), slot})
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.first, b.first) })
	slots := make([]*slot, len(all))
	for i, a := range all {
		slots[i] = a.slot
	}
	return slots
}
