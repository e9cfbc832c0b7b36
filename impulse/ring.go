package impulse

// ring is a queue in a circle of memory that doubles when full and halves when three quarters are empty, so that a
// burst does not leave its memory behind. It starts without memory.
type ring[T any] struct {
	buf  []T // its length is zero or a power of two
	head int // index of the oldest
	n    int
}

// smallestRing is the size below which a ring does not shrink.
const smallestRing = 4

// at returns the i-th oldest, in place.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		r.resize(max(smallestRing, 2*r.n))
	}
	r.n++
	*r.at(r.n - 1) = v
}

// pop removes the oldest. There must be one.
func (r *ring[T]) pop() T {
	var zero T
	slot := r.at(0)
	v := *slot
	*slot = zero // it may hold pointers
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if len(r.buf) > smallestRing && r.n <= len(r.buf)/4 {
		r.resize(len(r.buf) / 2)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	buf := make([]T, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}
