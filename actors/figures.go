package actors

import (
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
	"go.uber.org/zap"
)

// routerStats are the figures that only the router's turn can see.
type routerStats struct {
	counters map[*inbox]impulse.Counters // what the router holds or has skipped
	windows  int
	samples  int
	bytes    int64
}

// figures gathers them; the router's turn calls it.
func (p *plan) figures() routerStats {
	f := routerStats{counters: make(map[*inbox]impulse.Counters), bytes: p.budget.Used()}
	for handle, box := range p.boxes {
		if box != nil {
			f.counters[box] = p.router.Counters(int32(handle))
		}
	}
	for _, slot := range p.slots {
		if slot != nil {
			f.windows++
			f.samples += slot.window.View().Len()
		}
	}
	return f
}

// askRouter returns the router's figures, its last ones when it is gone. With last it makes them so.
func (s *Session) askRouter(last bool) routerStats {
	reply := make(chan routerStats, 1)
	s.mu.Lock()
	final := s.final
	s.mu.Unlock()
	if final != nil {
		return *final
	}
	s.root.Send(s.routerPID, &askStats{reply: reply, last: last})
	select {
	case f := <-reply:
		return f
	case <-s.stopped:
		return routerStats{}
	}
}

// Stats returns the session's figures. It waits for the router to come to it, which takes microseconds.
func (s *Session) Stats() Stats {
	f := s.askRouter(false)
	s.mu.Lock()
	stats := Stats{State: s.state, Since: s.since, LastErr: s.lastErr}
	bindings := append([]*Binding(nil), s.bindings...)
	s.mu.Unlock()
	stats.Connects = s.counts.connects.Load()
	stats.Messages, stats.Updates = s.counts.messages.Load(), s.counts.updates.Load()
	stats.Unknown, stats.Missed = s.counts.unknown.Load(), s.counts.missed.Load()
	stats.Malformed = s.counts.malformed.Load()
	stats.Restarts, stats.EventsDropped = s.counts.restarts.Load(), s.events.droppedEvents()
	stats.Windows, stats.WindowSamples, stats.WindowBytes = f.windows, f.samples, f.bytes
	stats.Outbound = s.outbox.Stats()
	for _, b := range bindings {
		for _, box := range b.boxes {
			stats.Impulses = append(stats.Impulses, box.stats(f.counters[box]))
		}
	}
	return stats
}

// noteOutcome reports what an append says beside success.
func (s *Session) noteOutcome(uri metric.URI, kind metric.Kind, outcome window.Outcome) {
	if outcome.Has(window.KindChanged) {
		post(s.events, zap.InfoLevel, s.config.Events.KindChanged, KindChange{URI: uri, To: kind})
	}
	if outcome.Has(window.Limited) {
		s.notePressure(MemoryPressure{URI: uri})
	}
}

// notePressure reports a limit of memory, at most once a second: at its limit a window loses a sample an update.
func (s *Session) notePressure(p MemoryPressure) {
	now := s.config.Clock.Now()
	s.mu.Lock()
	due := now.Sub(s.pressed) >= pressureEvery || now.Before(s.pressed)
	if due {
		s.pressed = now
	}
	s.mu.Unlock()
	if due {
		post(s.events, zap.WarnLevel, s.config.Events.Memory, p)
	}
}
