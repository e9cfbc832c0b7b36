package router_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/router"
	"github.com/komstream/komstream/window"
)

// model is the router done slowly: it asks every impulse about every message.
type model struct {
	number   uint64
	impulses map[int32]*modelImpulse
}

type modelImpulse struct {
	router.Subscription
	waiting map[window.ID]bool
	loaded  bool // once
	changed bool
	held    []uint64   // messages
	ready   [][]uint64 // triggers: cut, 1 for a refill, how many it stands for, messages
	counts  impulse.Counters
}

func (m *model) route(via []metric.Origin, ids []window.ID) {
	m.number++
	for _, i := range m.impulses {
		if !slices.ContainsFunc(ids, func(id window.ID) bool { return slices.Contains(i.Windows, id) }) {
			continue
		}
		i.counts.Triggered++
		switch {
		case !i.AllowLoops && slices.Contains(via, i.Origin):
			i.counts.Skipped++
		case len(i.waiting) > 0 && !i.RunCold:
			i.held = append(i.held, m.number)
		default:
			i.ready = append(i.ready, []uint64{m.number, 0, 1, m.number})
		}
	}
}

func (m *model) hold(handle int32, id window.ID) {
	if i := m.impulses[handle]; i != nil {
		i.waiting[id] = true
	}
}

func (m *model) loaded(handle int32, id window.ID, changed bool) {
	i := m.impulses[handle]
	if i == nil || !i.waiting[id] {
		return
	}
	delete(i.waiting, id)
	i.changed = i.changed || changed
	if len(i.waiting) > 0 {
		return
	}
	count, cause := uint64(len(i.held)), uint64(0)
	if i.loaded && !i.LiveOnly {
		cause = 1
		if i.changed {
			count++
			i.counts.Triggered++
		}
	}
	if count > 0 {
		i.ready = append(i.ready, append([]uint64{m.number, cause, count}, i.held...))
	}
	i.loaded, i.changed, i.held = true, false, nil
}

// pending returns how many triggers the impulse's counters say to be in the router, merged or not.
func (i *modelImpulse) pending() (n uint64) {
	n = uint64(len(i.held))
	for _, t := range i.ready {
		n += t[2]
	}
	return n
}

func (m *model) flush() map[int32]string {
	given := map[int32]string{}
	for handle, i := range m.impulses {
		for _, t := range i.ready {
			given[handle] += fmt.Sprint(t) + " "
			i.counts.Triggered -= t[2]
		}
		i.ready = nil
	}
	return given
}

// asModel writes a trigger as the model does.
func asModel(t *impulse.Trigger) string {
	list := []uint64{t.Cut, uint64(t.Cause), uint64(t.Count())}
	for m := range t.Messages() {
		list = append(list, m.Number)
	}
	return fmt.Sprint(list) + " "
}

const (
	someHandles = 8
	someWindows = 6
)

// TestRouterAgainstModel routes, binds, unbinds, holds and loads at random and compares what each Flush gives, and the
// counters after each step, with the model's.
func TestRouterAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		w := walk{rng: rand.New(rand.NewPCG(seed, 5)), model: model{impulses: map[int32]*modelImpulse{}}, cuts: map[int32]uint64{}}
		for step := range 300 {
			if fault := w.step(); fault != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, fault)
			}
		}
	}
}

type walk struct {
	rng    *rand.Rand
	router router.Router
	model  model
	cuts   map[int32]uint64 // the newest given to each impulse
}

func (w *walk) step() (fault string) {
	handle, id := int32(w.rng.IntN(someHandles)), window.ID(w.rng.IntN(someWindows))
	switch op := w.rng.IntN(20); {
	case op < 2:
		w.add(handle)
	case op < 3:
		fault = w.remove(handle)
	case op < 5:
		if i := w.model.impulses[handle]; i != nil && slices.Contains(i.Windows, id) {
			w.router.Hold(handle, id)
			w.model.hold(handle, id)
		}
	case op < 8:
		w.load(handle, id)
	case op < 17:
		w.route()
	default:
		fault = w.flush()
	}
	if fault == "" {
		fault = w.counters()
	}
	return fault
}

func (w *walk) flag() bool { return w.rng.IntN(3) == 0 }

func (w *walk) add(handle int32) {
	if w.model.impulses[handle] != nil {
		return
	}
	s := router.Subscription{Origin: origin(int(handle) / 2), AllowLoops: w.flag(), RunCold: w.flag(), LiveOnly: w.flag(), Reload: w.flag()}
	for range 1 + w.rng.IntN(4) {
		s.Windows = append(s.Windows, window.ID(w.rng.IntN(someWindows)))
	}
	w.router.Add(handle, s)
	w.model.impulses[handle] = &modelImpulse{Subscription: s, waiting: map[window.ID]bool{}, loaded: s.Reload}
	w.cuts[handle] = w.model.number
}

func (w *walk) remove(handle int32) string {
	got := w.router.Remove(handle)
	i := w.model.impulses[handle]
	delete(w.model.impulses, handle)
	if i == nil {
		if got != (impulse.Counters{}) {
			return fmt.Sprintf("removing nothing counted %+v", got)
		}
		return ""
	}
	if !got.Balanced() || got.Pending != 0 || got.Triggered != i.counts.Triggered || got.Discarded+got.Coalesced != i.pending() {
		return fmt.Sprintf("removing counted %+v, want %d triggers, %d of them gone", got, i.counts.Triggered, i.pending())
	}
	return ""
}

func (w *walk) load(handle int32, id window.ID) {
	changed := w.flag()
	if w.flag() {
		w.router.LoadedFor(handle, id, changed)
		w.model.loaded(handle, id, changed)
		return
	}
	w.router.Loaded(id, changed)
	for handle := range w.model.impulses {
		w.model.loaded(handle, id, changed)
	}
}

func (w *walk) route() {
	var via []metric.Origin
	for range max(0, w.rng.IntN(6)-3) {
		via = append(via, origin(w.rng.IntN(someHandles)))
	}
	var ids []window.ID
	for range 1 + w.rng.IntN(4) {
		ids = append(ids, window.ID(w.rng.IntN(someWindows+2)))
	}
	w.router.Route(message(via, ids...))
	w.model.route(via, ids)
}

func (w *walk) flush() (fault string) {
	from := w.router.Unflushed()
	got := map[int32]string{}
	w.router.Flush(func(handle int32, triggers []impulse.Trigger) {
		if _, twice := got[handle]; twice {
			fault = fmt.Sprintf("handle %d was given triggers twice", handle)
		}
		for i := range triggers {
			got[handle] += asModel(&triggers[i])
			if cut := triggers[i].Cut; cut < w.cuts[handle] || cut < from {
				fault = fmt.Sprintf("handle %d: cut %d after %d, unflushed from %d", handle, cut, w.cuts[handle], from)
			}
			w.cuts[handle] = triggers[i].Cut
		}
	})
	if want := w.model.flush(); !maps.Equal(got, want) {
		return fmt.Sprintf("flush gave\n%v, want\n%v", got, want)
	}
	if from := w.router.Unflushed(); from != w.model.number+1 {
		return fmt.Sprintf("unflushed from %d after a flush at %d", from, w.model.number)
	}
	return fault
}

func (w *walk) counters() string {
	var faults []string
	for handle, i := range w.model.impulses {
		got := w.router.Counters(handle)
		if !got.Balanced() || got.Triggered != i.counts.Triggered || got.Skipped != i.counts.Skipped || got.Pending+got.Coalesced != i.pending() {
			faults = append(faults, fmt.Sprintf("handle %d: %+v, want %d triggers, %d skipped, %d here",
				handle, got, i.counts.Triggered, i.counts.Skipped, i.pending()))
		}
		if got, want := w.router.Holding(handle), len(i.waiting) > 0; got != want {
			faults = append(faults, fmt.Sprintf("handle %d: holding %v, want %v", handle, got, want))
		}
	}
	return strings.Join(faults, "\n")
}
