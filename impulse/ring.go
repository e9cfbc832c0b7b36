package impulse

// ring is a queue of triggers in a circle of memory that doubles when full. From keptRing on it halves when three
// quarters are empty, so that a burst does not leave its memory behind; below, it keeps what it has, since the router
// hands out what it has drained together and a queue that is emptied each time would grow anew each time. It starts
// without memory.
type ring struct {
	buf  []Trigger // its length is zero or a power of two
	head int       // index of the oldest
	n    int
}

// smallestRing is the first size of a ring, keptRing the one below which it does not shrink: 2.5 kB.
const (
	smallestRing = 4
	keptRing     = 64
)

// at returns the i-th oldest, in place.
func (r *ring) at(i int) *Trigger { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring) push(t Trigger) {
	if r.n == len(r.buf) {
		r.resize(max(smallestRing, 2*r.n))
	}
	r.n++
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
	r.n--
	if len(r.buf) > keptRing && r.n <= len(r.buf)/4 {
		r.resize(len(r.buf) / 2)
	}
}

func (r *ring) resize(size int) {
	buf := make([]Trigger, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}
