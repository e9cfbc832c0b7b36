package router

import (
	"hash/maphash"
	"slices"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// Bounds of an [Echo].
const (
	// EchoEntries is the greatest number of samples that it remembers.
	EchoEntries = 4096
	// EchoAge is how long it remembers them.
	EchoAge = 15 * time.Minute
)

// Echo remembers the samples that the session's impulses sent, by metric, time and value, so as to know them when they
// come back from a hub that does not say whose they are. It remembers the newest [EchoEntries], for [EchoAge]. A sample
// that comes back stays known, since it may come to several subscriptions; one that the hub refused is forgotten. The
// zero value is empty and ready to use.
type Echo struct {
	seed  maphash.Seed
	byKey map[echoKey]int // places in slots
	slots []echoSlot      // a circle once it is full
	next  int             // the slot to be taken next: the oldest
}

// echoKey stands for a sample. Two values of one metric and time share a key with a probability of 2⁻⁶⁴.
type echoKey struct {
	uri   metric.URI
	time  metric.TimeUUID
	kind  metric.Kind
	value uint64 // hash of the canonical text
}

type echoSlot struct {
	key  echoKey
	used bool
	at   time.Time
	via  []metric.Origin
}

func (e *Echo) key(uri metric.URI, t metric.TimeUUID, v metric.Value) echoKey {
	k := echoKey{uri: uri, time: t, kind: v.Kind()}
	if v.Len() > 0 { // the text is there: no copy of a long one
		k.value = maphash.String(e.seed, v.String())
		return k
	}
	var buf [32]byte
	k.value = maphash.Bytes(e.seed, v.Append(buf[:0]))
	return k
}

// Sent remembers samples that are being sent, with the origins they descend from. URIs are the session's own, local.
// The same sample sent again, by another impulse perhaps, descends from both. It keeps via, which must not change.
func (e *Echo) Sent(samples []metric.Sample, via []metric.Origin, now time.Time) {
	if e.byKey == nil {
		e.seed, e.byKey = maphash.MakeSeed(), make(map[echoKey]int)
	}
	for _, s := range samples {
		k, via := e.key(s.URI, s.Time, s.Value), via
		if i, known := e.byKey[k]; known {
			if e.fresh(i, now) {
				via = unite(slices.Clip(e.slots[i].via), via)
			}
			e.slots[i] = echoSlot{}
		}
		e.put(echoSlot{key: k, used: true, at: now, via: via})
	}
}

// put takes the next slot, the oldest where there are as many as there may be.
func (e *Echo) put(s echoSlot) {
	if len(e.slots) < EchoEntries {
		e.slots = append(e.slots, s)
		e.byKey[s.key] = len(e.slots) - 1
		return
	}
	if old := e.slots[e.next]; old.used {
		delete(e.byKey, old.key)
	}
	e.slots[e.next] = s
	e.byKey[s.key] = e.next
	e.next = (e.next + 1) % EchoEntries
}

// Refused forgets a sample.
func (e *Echo) Refused(s metric.Sample) {
	if len(e.byKey) == 0 {
		return
	}
	k := e.key(s.URI, s.Time, s.Value)
	if i, known := e.byKey[k]; known {
		delete(e.byKey, k)
		e.slots[i] = echoSlot{}
	}
}

// AppendVia appends the origins that a sample which arrived descends from, as far as they are remembered and not in
// dst yet. What it is not sure of it does not know: a sample from elsewhere has none.
func (e *Echo) AppendVia(
	dst []metric.Origin, uri metric.URI, t metric.TimeUUID, v metric.Value, now time.Time,
) []metric.Origin {
	if len(e.byKey) == 0 {
		return dst
	}
	i, known := e.byKey[e.key(uri, t, v)]
	if !known || !e.fresh(i, now) {
		return dst
	}
	return unite(dst, e.slots[i].via)
}

// Len returns the number of samples that it remembers; some may be too old to count.
func (e *Echo) Len() int { return len(e.byKey) }

func (e *Echo) fresh(i int, now time.Time) bool { return now.Sub(e.slots[i].at) <= EchoAge }

// unite appends the origins that dst does not hold, as long as there is room in the list of a message.
func unite(dst, origins []metric.Origin) []metric.Origin {
	for _, o := range origins {
		if len(dst) < impulse.MaxVia && !slices.Contains(dst, o) {
			dst = append(dst, o)
		}
	}
	return dst
}
