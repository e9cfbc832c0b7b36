package window

import "github.com/komstream/komstream/metric"

// span is a chunk's place in a window. Samples have positions, which grow with time; the span's begin at base and
// end where the next span's begin.
type span struct {
	first metric.Ticks // of the sample at base
	base  int
	c     *chunk
}

// spine lists the chunks of a window. Like a chunk it is only ever filled: slots that a state sees do not change,
// and any other change makes a new spine.
type spine struct {
	kind   metric.Kind
	spans  []span
	inline [2]span // the spans of a small window, to spare it an allocation
}

// newSpine returns a spine with the given spans and room for at least extra more. Large windows get some more room,
// since filling a slot costs nothing and a new spine a copy; small ones do not, since slots of chunks that retention
// has passed keep them from being freed.
func newSpine(kind metric.Kind, spans []span, extra int) *spine {
	sp := &spine{kind: kind}
	n := len(spans) + extra
	if extra > 0 {
		n += len(spans) / 32
	}
	if n <= len(sp.inline) {
		sp.spans = sp.inline[:]
	} else {
		sp.spans = make([]span, n)
	}
	copy(sp.spans, spans)
	return sp
}

// state is what a window shows at one moment: the samples at the positions [lo, hi), which lie in the spans
// [from, to) of sp. It is small and immutable, and so is everything that can be reached through it within these
// bounds. An empty state has from == to and lo == hi; its spine is nil while the kind is not known.
type state struct {
	sp       *spine
	lo, hi   int
	from, to int32
}

// holds returns the kind of the samples, 0 while it is not known.
func (s *state) holds() metric.Kind {
	if s.sp == nil {
		return 0
	}
	return s.sp.kind
}

func (s *state) len() int { return s.hi - s.lo }

// segment returns the chunk of span k and the visible part [i, j) of it.
func (s *state) segment(k int32) (c *chunk, i, j int) {
	sp := &s.sp.spans[k]
	end := s.hi
	if k+1 < s.to {
		end = s.sp.spans[k+1].base
	}
	return sp.c, max(s.lo, sp.base) - sp.base, min(end, s.hi) - sp.base
}

// find returns the span that holds a position of [lo, hi).
func (s *state) find(p int) int32 {
	spans := s.sp.spans
	a, b := s.from, s.to
	for b-a > 1 {
		if m := a + (b-a)/2; spans[m].base <= p {
			a = m
		} else {
			b = m
		}
	}
	return a
}

// at returns the sample at a position of [lo, hi).
func (s *state) at(p int) sample {
	sp := &s.sp.spans[s.find(p)]
	return sp.c.at(p - sp.base)
}

func (s *state) ticksAt(p int) metric.Ticks {
	sp := &s.sp.spans[s.find(p)]
	return sp.c.ticks[p-sp.base]
}

// search returns the position of the first sample at or after an instant, hi when there is none. The state is not
// empty.
func (s *state) search(ticks metric.Ticks) int {
	spans := s.sp.spans
	a, b := s.from, s.to
	for b-a > 1 {
		if m := a + (b-a)/2; spans[m].first <= ticks {
			a = m
		} else {
			b = m
		}
	}
	c, i, j := s.segment(a)
	for i < j {
		if m := int(uint(i+j) >> 1); c.ticks[m] < ticks {
			i = m + 1
		} else {
			j = m
		}
	}
	return spans[a].base + i
}

// slice returns the part of s at the positions [lo, hi).
func (s *state) slice(lo, hi int) state {
	if lo >= hi {
		return state{sp: s.sp}
	}
	return state{sp: s.sp, lo: lo, hi: hi, from: s.find(lo), to: s.find(hi-1) + 1}
}

// cursor walks a state from its oldest sample on.
type cursor struct {
	s    state
	k    int32
	c    *chunk
	i, j int
}

func newCursor(s state) cursor {
	cur := cursor{s: s, k: s.from}
	if s.from < s.to {
		cur.c, cur.i, cur.j = s.segment(s.from)
	}
	return cur
}

// peek returns the next sample, if there is one, without passing it.
func (cur *cursor) peek() (s sample, ok bool) {
	for cur.i == cur.j {
		if cur.k+1 >= cur.s.to {
			return sample{}, false
		}
		cur.k++
		cur.c, cur.i, cur.j = cur.s.segment(cur.k)
	}
	return cur.c.at(cur.i), true
}

func (cur *cursor) pass() { cur.i++ }

// same reports whether two states show the same samples, times to the last bit.
func same(a, b state) bool {
	if a.len() != b.len() || a.len() > 0 && a.holds() != b.holds() {
		return false
	}
	x, y := newCursor(a), newCursor(b)
	for {
		s, ok := x.peek()
		if !ok {
			return true
		}
		if t, _ := y.peek(); s != t {
			return false
		}
		x.pass()
		y.pass()
	}
}

// builder makes a state of samples added in order of time.
type builder struct {
	kind      metric.Kind
	capacity  int // of every chunk
	spans     []span
	n, filled int // samples added; slots filled of the last chunk
	textBytes int64
}

func (b *builder) add(s *sample) {
	if len(b.spans) == 0 || b.filled == len(b.spans[len(b.spans)-1].c.ticks) {
		b.spans = append(b.spans, span{first: s.ticks, base: b.n, c: newChunk(b.kind, b.capacity, false)})
		b.filled = 0
	}
	c := b.spans[len(b.spans)-1].c
	if s.low != metric.PlainLowOrder && c.low == nil {
		c.low = make([]uint64, len(c.ticks))
		fillPlain(c.low[:b.filled])
	}
	c.put(b.filled, s)
	b.filled++
	b.n++
	b.textBytes += int64(len(s.text))
}

func (b *builder) state() state {
	return state{sp: newSpine(b.kind, b.spans, 1), hi: b.n, to: int32(len(b.spans))}
}

// bytes returns the memory of the chunks built.
func (b *builder) bytes() (n int64) {
	for _, sp := range b.spans {
		n += sp.c.bytes()
	}
	return n
}
