package hub

import "sync/atomic"

// Stats is what a hub has done since its start, and what it holds now.
type Stats struct {
	Users    int // accounts
	Sessions int // logins with hooks or a socket, orphaned ones too
	Sockets  int // agents connected

	Messages uint64 // writes accepted, of one or more samples
	Samples  uint64 // samples accepted
	Queued   uint64 // notifications handed to the queues of sockets
	Replayed uint64 // notifications read from the arrival log, for sockets whose queue was full
	Missed   uint64 // samples that agents were told to read again, since their queues were full
	Lost     uint64 // messages that a socket could not be told of, since the log held them no more
}

type counters struct{ messages, samples, queued, replayed, missed, lost atomic.Uint64 }

// Stats returns the hub's counters. They are read one after the other while the hub works.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	sessions, sockets := len(h.sessions), len(h.conns)
	h.mu.Unlock()
	return Stats{
		Users: len(h.directory.allUsers()), Sessions: sessions, Sockets: sockets,
		Messages: h.stats.messages.Load(), Samples: h.stats.samples.Load(), Queued: h.stats.queued.Load(),
		Replayed: h.stats.replayed.Load(), Missed: h.stats.missed.Load(), Lost: h.stats.lost.Load(),
	}
}
