package actors

import (
	"slices"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// routerActor is the one place where windows change: it takes the hub's messages in order, has the windows append
// them, and gives each affected impulse its triggers. It never waits for an impulse. Everything it must not lose
// stands in its plan, which outlives it: when it fails, the next incarnation builds new windows from it.
type routerActor struct {
	s     *Session
	plan  *plan
	batch []*impulse.Message
	row   appendRow // reused for every append
}

func routerProps(s *Session, p *plan) *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return &routerActor{s: s, plan: p} },
		actor.WithMailbox(newMailbox),
		actor.WithDispatcher(s.lane),
		actor.WithSupervisor(&supervisor{clock: s.config.Clock, report: s.restarted}),
	)
}

// Receive implements actor.Actor.
func (a *routerActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		if a.plan.built {
			a.rebuild(c)
		}
		a.plan.built = true
	case *drainInbound:
		a.drain(c)
	case *giveTurn:
		if slot := a.plan.slot(m.id); slot != nil {
			c.Send(slot.pid, &takeTurn{})
		}
	case *bindImpulses:
		a.bind(c, m)
	case *unbindImpulses:
		a.unbind(c, m)
	case *reloading:
		a.holdAll()
	case *holdWindows:
		for _, id := range m.ids {
			if slot := a.plan.slot(id); slot != nil {
				a.hold(slot)
			}
		}
		close(m.held)
	case *startRefill:
		a.catchUp(c)
		if slot := a.plan.slot(m.id); slot != nil {
			a.on(c, slot, (*window.Window).StartRefill)
		}
	case *windowLoaded:
		a.loaded(c, m)
	case *windowAnew:
		a.anew(c, m)
	case *askStats:
		if m.last {
			a.plan.retire()
		}
		m.reply <- a.plan.figures()
	case *askWindow:
		if slot := a.plan.slot(m.id); slot != nil {
			m.reply <- slot.pid
		} else {
			m.reply <- nil
		}
	case *expireWindows:
		a.expire(c)
	case *failRouter:
		panic(m.reason)
	}
}

// drain handles what the reader has queued.
func (a *routerActor) drain(c actor.Context) {
	batch, more := a.s.inbound.take(a.batch[:0])
	a.routeAll(c, batch)
	if more {
		c.Send(c.Self(), drain)
	}
}

// catchUp handles what earlier connections have left, before a window begins to remember what is pushed while it is
// read again: an older value that came before must not pass for one that came since.
func (a *routerActor) catchUp(c actor.Context) {
	for more := true; more; {
		var batch []*impulse.Message
		batch, more = a.s.inbound.takeOld(a.batch[:0])
		a.routeAll(c, batch)
	}
}

// routeAll routes messages that were taken together.
func (a *routerActor) routeAll(c actor.Context, batch []*impulse.Message) {
	if len(batch) == 0 {
		return
	}
	now := a.s.ticks()
	for _, m := range batch {
		a.route(c, m, now)
	}
	a.flush()
	a.batch = batch
	clear(batch)
	if a.plan.used() > a.s.config.MemoryLimit {
		a.relieve(c)
	}
}

// route appends one message to the windows and notes whom it triggers.
func (a *routerActor) route(c actor.Context, m *impulse.Message, now metric.Ticks) {
	if !a.s.hubSendsVia.Load() {
		m.Via = a.s.ownOrigins(m, now)
	}
	a.row = appendRow{number: a.plan.router.Number() + 1, time: m.Time, now: now}
	for i := range m.Rows {
		slot := a.plan.slot(m.Rows[i].ID)
		if slot == nil {
			continue // unbound meanwhile
		}
		a.row.value, a.row.done = m.Rows[i].Value, false
		c.Send(slot.pid, &a.row)
		switch {
		case !a.row.done:
			a.failed(slot)
		case a.row.outcome != 0:
			a.s.noteOutcome(slot.uri, m.Rows[i].Value.Kind(), a.row.outcome)
		}
	}
	a.row.value = metric.Value{}
	a.plan.router.Route(m)
	if a.plan.queued.add(m.Number, sizeOf(m)) {
		a.plan.prune()
	}
	a.s.counts.messages.Add(1)
	a.s.counts.updates.Add(uint64(len(m.Rows)))
}

// flush gives every affected impulse its triggers and wakes those that sleep.
func (a *routerActor) flush() {
	p := a.plan
	p.router.Flush(p.deliver)
	a.s.pool.scheduleAll(p.turns)
	clear(p.turns)
	p.turns = p.turns[:0]
}

// failed holds the impulses of a window that did not answer: it has panicked and will be restarted and refilled.
func (a *routerActor) failed(slot *slot) {
	if !slot.failed {
		slot.failed = true
		a.hold(slot)
	}
}

// hold has every impulse of a window wait until the window is loaded again.
func (a *routerActor) hold(slot *slot) {
	for _, handle := range slot.users {
		a.plan.router.Hold(handle, slot.id)
	}
}

// on runs do in the window's actor, so that a fault of the window is the window's. It reports whether it ran.
func (a *routerActor) on(c actor.Context, slot *slot, do func(*window.Window)) bool {
	m := &onWindow{do: do}
	c.Send(slot.pid, m)
	if !m.done {
		a.failed(slot)
	}
	return m.done
}

// bind makes windows for the impulses and subscribes them. Their triggers are held until the connection has
// answered for every window.
func (a *routerActor) bind(c actor.Context, m *bindImpulses) {
	for _, box := range m.binding.boxes {
		box.handle = a.plan.claim(box)
		for n, id := range box.ids {
			past := box.impulse.PastOf(n).WithDefaults()
			slot := a.slotFor(c, id, past)
			slot.users = append(slot.users, box.handle)
		}
		box.setWindows(0, a.plan.windowsOf(box))
		a.plan.subscribe(box, false)
	}
	c.Send(a.s.connectionPID, &wantWindows{binding: m.binding, pasts: a.plan.pastsOf(m.binding)})
}

// slotFor returns the slot of a window, widened to past; it spawns the window's actor where there is none.
func (a *routerActor) slotFor(c actor.Context, id window.ID, past window.Past) *slot {
	slot := a.plan.slot(id)
	if slot == nil {
		slot = a.plan.add(id, a.s.names.uri(id), past)
		a.spawn(c, slot)
		return slot
	}
	if wider := slot.past.Max(past); wider != slot.past {
		slot.past = wider
		// Raise the retention before anything is asked for, so that no row of the answer is evicted again.
		a.on(c, slot, func(w *window.Window) { w.SetPast(wider) })
	}
	return slot
}

// spawn makes the window and the actor of a slot.
func (a *routerActor) spawn(c actor.Context, slot *slot) {
	id, self, first := slot.id, c.Self(), true
	turn := func() { a.s.root.Send(self, &giveTurn{id: id}) }
	past := slot.past
	fresh := func() *window.Window {
		w := a.plan.newWindow(slot, past)
		if first {
			first = false // in the router's turn
			slot.window = w
			return w
		}
		a.s.root.Send(self, &windowAnew{id: id, window: w})
		return w
	}
	slot.pid = c.Spawn(windowProps(slot.uri, turn, fresh))
}

// anew takes over the window of an actor that was restarted and has it refilled.
func (a *routerActor) anew(c actor.Context, m *windowAnew) {
	slot := a.plan.slot(m.id)
	if slot == nil {
		return
	}
	a.failed(slot)
	slot.window, slot.failed = m.window, false
	a.on(c, slot, func(w *window.Window) { w.SetPast(slot.past) })
	number := a.plan.router.Advance()
	for _, handle := range slot.users {
		box := a.plan.boxes[handle]
		box.setWindows(number, a.plan.windowsOf(box))
	}
	c.Send(a.s.connectionPID, &resyncWindows{ids: []window.ID{m.id}})
}

// holdAll is a reconnect: every window is to be read again.
func (a *routerActor) holdAll() {
	for _, slot := range a.plan.slots {
		if slot != nil {
			a.hold(slot)
		}
	}
}

// loaded takes the answer for one window and releases the impulses that waited for nothing else.
func (a *routerActor) loaded(c actor.Context, m *windowLoaded) {
	slot := a.plan.slot(m.id)
	if slot == nil {
		return
	}
	changed := false
	if m.refill {
		number := a.plan.router.Advance()
		ok := a.on(c, slot, func(w *window.Window) {
			changed = w.Refill(number, metric.MinTime, metric.MaxTime, m.rows, a.s.ticks())
		})
		if !ok {
			return // it has failed and will be read again
		}
	} else {
		a.on(c, slot, (*window.Window).AbandonRefill)
	}
	a.plan.router.Loaded(m.id, changed)
	a.flush()
	for _, b := range m.waiting {
		b.loaded(m.id)
	}
}

// unbind takes the impulses of a binding out, and the windows that nobody else uses.
func (a *routerActor) unbind(c actor.Context, m *unbindImpulses) {
	var unused []window.ID
	for _, box := range m.binding.boxes {
		if box.handle < 0 {
			continue // never bound, or unbound already
		}
		box.noteRouter(a.plan.router.Remove(box.handle))
		for _, id := range box.ids {
			slot := a.plan.slot(id)
			slot.users = slices.DeleteFunc(slot.users, func(h int32) bool { return h == box.handle })
			if len(slot.users) == 0 {
				c.Stop(slot.pid)
				a.plan.slots[id] = nil
				slot.window.Release()
				unused = append(unused, id)
			}
		}
		a.plan.release(box)
	}
	c.Send(a.s.connectionPID, &dropWindows{ids: unused})
	close(m.done)
}

// expire applies retention to windows that nothing is appended to, and lets impulses that nothing triggers give the
// memory of a burst back.
func (a *routerActor) expire(c actor.Context) {
	for _, box := range a.plan.boxes {
		if box != nil {
			box.trim()
		}
	}
	now := a.s.ticks()
	for _, slot := range a.plan.slots {
		if slot != nil {
			a.on(c, slot, func(w *window.Window) { w.Expire(now) })
		}
	}
}

// relieve frees memory where the session's limit is passed, down to a twentieth below it, so that this need not happen
// at every message. First the triggers of impulses that hang are merged, those that hold the oldest messages first,
// since merging loses the fewest; then the oldest samples of all windows go.
func (a *routerActor) relieve(c actor.Context) {
	p, limit := a.plan, a.s.config.MemoryLimit
	for squeezed := map[*inbox]bool{}; ; {
		oldest := p.prune()
		if p.used() <= limit {
			return
		}
		if oldest == nil || squeezed[oldest] {
			break
		}
		oldest.squeeze()
		squeezed[oldest] = true
	}
	a.s.notePressure(MemoryPressure{Used: p.used(), Limit: limit})
	need := p.used() - limit + limit/20
	for _, slot := range p.oldestFirst() {
		before := p.budget.Used()
		a.on(c, slot, func(w *window.Window) { w.DropOldest(need) })
		if need -= before - p.budget.Used(); need <= 0 {
			return
		}
	}
}

// sizeOf returns about how many bytes a message holds.
func sizeOf(m *impulse.Message) (bytes int64) {
	bytes = messageBytes + rowBytes*int64(len(m.Rows))
	for i := range m.Rows {
		bytes += int64(m.Rows[i].Value.Len())
	}
	return bytes
}

const (
	messageBytes = int64(unsafe.Sizeof(impulse.Message{}))
	rowBytes     = int64(unsafe.Sizeof(impulse.Row{}))
)

// rebuild is a new incarnation's start: new windows in new actors, everything held until it is loaded again.
func (a *routerActor) rebuild(c actor.Context) {
	a.plan.renew()
	var ids []window.ID
	for _, slot := range a.plan.slots {
		if slot == nil {
			continue
		}
		slot.window.Release()
		slot.failed = false
		a.spawn(c, slot)
		ids = append(ids, slot.id)
	}
	number := a.plan.router.Advance()
	for _, box := range a.plan.boxes {
		if box != nil {
			box.setWindows(number, a.plan.windowsOf(box))
			a.plan.subscribe(box, true)
		}
	}
	if len(ids) > 0 {
		c.Send(a.s.connectionPID, &resyncWindows{ids: ids})
	}
	c.Send(c.Self(), drain)
}
