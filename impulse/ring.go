package impulse

// ring is a queue of triggers in a circle of memory that doubles when full. When it has been emptied, and held less
// than a quarter of its memory since it was last empty, it halves: a burst does not leave its memory behind, and a
// queue that is filled and emptied in turns does not grow anew each time. It starts without memory.
type ring struct {
	buf  []Trigger // its length is zero or a power of two
	head int       // index of the oldest
	n    int
	peak int // the greatest n since it was last empty
}

// smallestRing is the size below which a ring does not shrink.
const smallestRing = 4

// at returns the i-th oldest, in place.
func (r *ring) at(i int) *Trigger { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring) push(t Trigger) {
	if r.n == len(r.buf) {
		r.resize(max(smallestRing, 2*r.n))
	}
	r.n++
	r.peak = max(r.peak, r.n)
	*r.at(r.n - 1) = t
}

// pop removes the oldest. There must be one.
func (r *ring) pop() (t Trigger) {
	r.popTo(&t)
	return t
}

// popTo is pop into memory of the caller's.
func (r *ring) popTo(t *Trigger) {
	slot := r.at(0)
	*t = *slot
	*slot = Trigger{} // it holds pointers
	r.head = (r.head + 1) & (len(r.buf) - 1)
	if r.n--; r.n > 0 {
		return
	}
	if len(r.buf) > smallestRing && r.peak <= len(r.buf)/4 {
		r.resize(len(r.buf) / 2)
	}
	r.peak = 0
}

func (r *ring) resize(size int) {
	buf := make([]Trigger, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}
