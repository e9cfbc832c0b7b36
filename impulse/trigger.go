package impulse

import (
	"iter"
	"slices"

	"github.com/komstream/komstream/metric"
)

// Bounds of a merged trigger. When one holds more, its oldest messages leave it until it does not: they no longer
// appear in [Update.Updated], though the windows still show them as far as their retention goes, and they are
// counted ([Trigger.Shed]). The newest message always stays.
const (
	// MaxMergedRows is the greatest number of rows in the messages of a merged trigger.
	MaxMergedRows = 65_536
	// MaxMergedBytes is the greatest number of bytes that the texts in them have together.
	MaxMergedBytes = 16 << 20
)

// Cause says why an impulse runs.
type Cause uint8

// The causes of a run.
const (
	// Updated: a message with one of its metrics came.
	Updated Cause = iota
	// Refilled: after a reconnect the history was read again and changed its windows, or messages came meanwhile.
	Refilled
)

// String returns "updated" or "refilled".
func (c Cause) String() string {
	switch c {
	case Updated:
		return "updated"
	case Refilled:
		return "refilled"
	}
	return "unknown"
}

// Trigger makes an impulse run once. It stands for one message, or for several merged, or for a refill. It is
// handed on, not shared: who merged it into another or pushed it into a [Pending] must not use it any more.
type Trigger struct {
	// Cut is the number of the message up to which the run's views show.
	Cut uint64
	// Cause says why. A merged trigger is Refilled if one of those merged was.
	Cause Cause

	one  [1]part // the message of an unmerged trigger; its msg is nil for a refill
	many *merged // of a merged one, instead of one
}

// part is a message and the span of its rows outside which no row concerns the impulse.
type part struct {
	msg        *Message
	first, end uint32
}

// merged is what a merged trigger holds: apart, so that the many that are never merged stay small.
type merged struct {
	parts []part // those from skip on are live, in order of arrival
	skip  int
	count int // triggers merged
	rows  int
	bytes int
	shed  int
	via   []metric.Origin // of the messages that were shed
}

// NewTrigger returns the trigger of an impulse by one message. Rows before first and from end on do not concern the
// impulse; 0 and len(m.Rows) are always right, closer bounds spare it a search.
func NewTrigger(m *Message, first, end int) Trigger {
	return Trigger{Cut: m.Number, one: [1]part{{msg: m, first: uint32(first), end: uint32(end)}}}
}

// Refill returns a trigger with cause [Refilled] and no message.
func Refill(cut uint64) Trigger { return Trigger{Cut: cut, Cause: Refilled} }

// Merge adds a trigger that came later: the run shows its cut and yields the samples of both, in order. It
// allocates the first time; then its cost is amortised over the messages added.
func (t *Trigger) Merge(newer Trigger) { t.merge(newer, nil) }

// merge is Merge with memory to reuse, or nil.
func (t *Trigger) merge(newer Trigger, spare *merged) {
	if t.many == nil {
		if spare == nil {
			spare = &merged{parts: make([]part, 0, 4)}
		}
		t.many = spare
		t.many.count = 1
		t.many.add(t.one[0])
		t.one[0] = part{}
	}
	t.Cut = max(t.Cut, newer.Cut)
	t.Cause = max(t.Cause, newer.Cause)
	if newer.many == nil {
		t.many.count++
		t.many.add(newer.one[0])
	} else {
		t.many.join(newer.many)
	}
	t.many.bound(MaxMergedRows, MaxMergedBytes)
}

// Count returns how many triggers were merged into t, at least 1.
func (t *Trigger) Count() int {
	if t.many == nil {
		return 1
	}
	return t.many.count
}

// Shed returns how many messages left t because it would have held more than [MaxMergedRows] or [MaxMergedBytes].
func (t *Trigger) Shed() int {
	if t.many == nil {
		return 0
	}
	return t.many.shed
}

// Messages yields the messages that t holds, oldest first. A message of which few rows concern the impulse may be a
// copy without the others.
func (t *Trigger) Messages() iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		for _, p := range t.parts() {
			if !yield(p.msg) {
				return
			}
		}
	}
}

// Newest returns the newest message of t, or nil where it has none.
func (t *Trigger) Newest() *Message {
	if t.many == nil {
		return t.one[0].msg
	}
	if n := len(t.many.parts); n > t.many.skip {
		return t.many.parts[n-1].msg
	}
	return nil
}

// parts returns what t holds, oldest first; t owns the memory.
func (t *Trigger) parts() []part {
	switch {
	case t.many != nil:
		return t.many.parts[t.many.skip:]
	case t.one[0].msg == nil:
		return nil
	}
	return t.one[:]
}

// appendVia appends to dst the origins of everything that t stands for, by first appearance, each once.
func (t *Trigger) appendVia(dst []metric.Origin) []metric.Origin {
	if t.many == nil {
		if m := t.one[0].msg; m != nil {
			dst = unite(dst, m.Via)
		}
		return dst
	}
	dst = unite(dst, t.many.via)
	for _, p := range t.parts() {
		dst = unite(dst, p.msg.Via)
	}
	return dst
}

// unite appends the origins that dst does not hold, until it holds so many that nothing may be sent anyway.
func unite(dst, origins []metric.Origin) []metric.Origin {
	for _, o := range origins {
		if len(dst) <= MaxVia && !slices.Contains(dst, o) {
			dst = append(dst, o)
		}
	}
	return dst
}

func (m *merged) add(p part) {
	if p.msg == nil {
		return
	}
	p = p.compact()
	m.parts = append(m.parts, p)
	rows, bytes := p.size()
	m.rows += rows
	m.bytes += bytes
}

// join adds all of a later one.
func (m *merged) join(newer *merged) {
	for newer.shed > 0 && len(m.parts) > m.skip {
		m.shedOldest() // what goes is always older than what stays
	}
	m.count += newer.count
	m.shed += newer.shed
	m.via = unite(m.via, newer.via)
	m.parts = append(m.parts, newer.parts[newer.skip:]...)
	m.rows += newer.rows
	m.bytes += newer.bytes
}

// bound sheds the oldest messages until the rest keeps within the limits.
func (m *merged) bound(rows, bytes int) {
	for (m.rows > rows || m.bytes > bytes) && len(m.parts)-m.skip > 1 {
		m.shedOldest()
	}
	if m.skip > 64 && m.skip > len(m.parts)/2 {
		n := copy(m.parts, m.parts[m.skip:])
		clear(m.parts[n:])
		m.parts, m.skip = m.parts[:n], 0
	}
}

// shedOldest lets the oldest message go, but for its origins: what the run sends descends from it all the same.
func (m *merged) shedOldest() {
	p := m.parts[m.skip]
	rows, bytes := p.size()
	m.rows, m.bytes = m.rows-rows, m.bytes-bytes
	m.via = unite(m.via, p.msg.Via)
	m.parts[m.skip] = part{}
	m.skip++
	m.shed++
}

// reset empties m for another use. It reports false where m has grown too much to be kept.
func (m *merged) reset() bool {
	if cap(m.parts) > 64 { // an idle impulse should be small
		return false
	}
	clear(m.parts)
	*m = merged{parts: m.parts[:0], via: m.via[:0]}
	return true
}

// compact returns p with a message of its own where most rows do not concern the impulse, so that a trigger which
// waits long does not keep large messages for the sake of a few rows.
func (p part) compact() part {
	span := int(p.end - p.first)
	if len(p.msg.Rows) < 16 || span > len(p.msg.Rows)/4 {
		return p
	}
	small := *p.msg
	small.Rows = slices.Clone(p.msg.Rows[p.first:p.end])
	return part{msg: &small, end: uint32(span)}
}

// size returns what the message of p weighs against the bounds.
func (p part) size() (rows, bytes int) {
	for _, r := range p.msg.Rows {
		bytes += r.Value.Len()
	}
	return len(p.msg.Rows), bytes
}
