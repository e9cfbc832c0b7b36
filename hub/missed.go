package hub

import (
	"cmp"
	"slices"

	"github.com/komstream/komstream/internal/wire"
)

// note notes a notification that did not fit, for an agent that reads again what it has missed.
func (l *lag) note(n *notice, which []int) {
	if l.missed == nil {
		return
	}
	for _, i := range which {
		uri := n.items[i].URI
		m := l.missed[uri]
		if m == nil {
			m = &wire.Missed{URI: uri, First: n.time, Last: n.time, From: n.position}
			l.missed[uri] = m
		}
		if n.time.Compare(m.First) < 0 {
			m.First = n.time
		}
		if n.time.Compare(m.Last) > 0 {
			m.Last = n.time
		}
		m.To = n.position
		m.Count++
	}
}

// missing is what an agent has missed of one owner.
type missing struct {
	owner *user
	all   []*wire.Missed // with uris local to the owner, sorted by them
}

// report tells the agent what did not fit into the queue. What comes from now on is queued behind it. It belongs to
// run.
func (o *outbox) report() {
	// The version first: rights that change from now on are looked at again when the frames are written.
	version := o.conn.hub.directory.version.Load()
	o.mu.Lock()
	defer o.mu.Unlock()
	lag := o.lag
	o.lag = nil
	if o.closed || o.conn.session.conn.Load() != o.conn {
		return // a newer socket has taken over
	}
	for owner, l := range lag {
		x := missing{owner: owner}
		for _, m := range l.missed {
			x.all = append(x.all, m)
			o.conn.hub.stats.missed.Add(m.Count)
		}
		slices.SortFunc(x.all, func(a, b *wire.Missed) int { return cmp.Compare(a.URI, b.URI) })
		for len(x.all) > 0 {
			frame, n := o.missedFrame(x)
			part := missing{owner, x.all[:n]}
			again := func() []byte {
				frame, _ := o.missedFrame(part) // with fewer of them, it holds all
				return frame
			}
			o.answers += len(frame)
			o.entries = append(o.entries, entry{frame: frame, version: version, again: again})
			x.all = x.all[n:]
		}
	}
}

// missedFrame returns missed_data about as many metrics as fit, those left out that may not be read, and their number.
// The frame is nil where there is none.
func (o *outbox) missedFrame(x missing) (frame []byte, n int) {
	h, a := o.conn.hub, o.conn.session.agent
	l := wire.BeginList(nil, wire.ActionMissedData, h.seqs.Next(), wire.Seq{}, pageBytes)
	for _, m := range x.all {
		if h.directory.authorize(a.user, a, x.owner, m.URI) {
			told := *m
			if a.user != x.owner {
				told.URI = m.URI.Global(x.owner.name)
			}
			if !l.Missed(&told) {
				break
			}
		}
		n++
	}
	if l.Len() == 0 {
		return nil, n
	}
	return l.End(), n
}
