package impulse

import (
	"fmt"
	"math"
)

// Overload says what becomes of triggers that arrive while the impulse runs and its queue is full. It is a plain
// comparable value: [Queue], [Coalesce] or [DropOldest]. The zero value is Queue([DefaultQueue]). No policy blocks
// whoever delivers the triggers.
type Overload int64

// Bounds of the queue of triggers.
const (
	// DefaultQueue is the length of the queue of an impulse that names no policy.
	DefaultQueue = 1024
	// MaxQueue is the greatest length that a policy may ask for.
	MaxQueue = 1_000_000
)

// An Overload is the policy in the upper half and the length, an int32, in the lower.
const (
	queueing = 1 << 32
	dropping = 2 << 32
)

// Coalesce keeps at most one trigger waiting: whatever arrives during a run is merged into one, which shows the
// newest cut and yields every sample. It is Queue(1).
const Coalesce Overload = queueing | 1

// Queue keeps up to n triggers waiting, each of which is a run of its own. When n wait and another comes, the two
// oldest merge into one, so nothing is lost but the cuts between. n must be 1 to [MaxQueue]; [Impulse.Check]
// refuses others.
func Queue(n int) Overload { return queueing | length(n) }

// DropOldest keeps up to n triggers waiting and drops the oldest when another comes: the only policy that loses
// samples, and it counts them. n must be 1 to [MaxQueue]; [Impulse.Check] refuses others.
func DropOldest(n int) Overload { return dropping | length(n) }

// length fits n into the lower half; what does not fit is no valid length either way.
func length(n int) Overload {
	return Overload(uint32(int32(max(math.MinInt32, min(n, math.MaxInt32)))))
}

// limit returns the length of the queue.
func (o Overload) limit() int {
	if o == 0 {
		return DefaultQueue
	}
	return int(int32(uint32(o)))
}

// drops reports whether the policy drops instead of merging.
func (o Overload) drops() bool { return o&^math.MaxUint32 == dropping }

// valid reports whether o was made by one of the constructors with a length in bounds, or is zero.
func (o Overload) valid() bool {
	policy := o &^ math.MaxUint32
	return o == 0 || (policy == queueing || policy == dropping) && o.limit() >= 1 && o.limit() <= MaxQueue
}

// String returns the policy as it is written in Go: "Queue(1024)", "Coalesce", "DropOldest(10)".
func (o Overload) String() string {
	switch {
	case o == Coalesce:
		return "Coalesce"
	case o.drops():
		return fmt.Sprintf("DropOldest(%d)", o.limit())
	case o == 0 || o&^math.MaxUint32 == queueing:
		return fmt.Sprintf("Queue(%d)", o.limit())
	}
	return fmt.Sprintf("Overload(%d)", int64(o))
}
