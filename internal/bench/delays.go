package bench

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// delays counts durations in buckets that are 3 % wide. It is safe for concurrent use and does not allocate.
type delays struct {
	counts [64 * subBuckets]atomic.Int64
}

// subBuckets divide each power of two.
const subBuckets = 32

func (d *delays) add(delay time.Duration) { d.counts[bucket(delay)].Add(1) }

func bucket(delay time.Duration) int {
	n := uint64(max(delay, 0))
	if n < subBuckets {
		return int(n)
	}
	shift := bits.Len64(n) - bits.Len64(subBuckets)
	return shift*subBuckets + int(n>>shift)
}

// upper returns the upper end of a bucket.
func upper(b int) time.Duration {
	if b < 2*subBuckets {
		return time.Duration(b)
	}
	shift := b/subBuckets - 1
	return time.Duration((b-shift*subBuckets+1)<<shift - 1)
}

// micros returns the quantile q in microseconds, 0 when there is nothing.
func (d *delays) micros(q float64) float64 {
	total := int64(0)
	for i := range d.counts {
		total += d.counts[i].Load()
	}
	rank := int64(math.Ceil(q * float64(total)))
	for i := range d.counts {
		if rank -= d.counts[i].Load(); rank <= 0 && total > 0 {
			return float64(upper(i).Nanoseconds()) / 1000
		}
	}
	return 0
}
