package connection

import (
	"hash/maphash"
	"math"

	"github.com/komstream/komstream/metric"
)

// recentSize is how many samples the detection of overwritten ones remembers, at most: a power of two.
const recentSize = 4096

// recent remembers the value of each (metric, time) sent lately, to tell a second, different one. It holds hashes
// only; a newer entry takes the place of an older one with the same index. It allocates when first used.
type recent struct {
	seed    maphash.Seed
	entries []recentEntry
}

type recentEntry struct{ key, value uint64 }

// note remembers s and reports whether a different value of its metric and time was remembered.
func (r *recent) note(s *metric.Sample) bool {
	if r.entries == nil {
		r.seed, r.entries = maphash.MakeSeed(), make([]recentEntry, recentSize)
	}
	key := maphash.String(r.seed, string(s.URI)) ^ mix(uint64(s.Time.Ticks())^mix(s.Time.Low()))
	if key == 0 {
		key = 1 // zero is an empty entry
	}
	value := uint64(0)
	if s.Kind() == metric.KindDatasource {
		value = maphash.String(r.seed, s.Value.String())
	} else {
		// By the number, not by its text: 1.5 and 1.50 are one value.
		value = math.Float64bits(s.Value.Float() + 0) // the zero takes the sign of a zero away
	}
	e := &r.entries[key%recentSize]
	differs := e.key == key && e.value != value
	*e = recentEntry{key, value}
	return differs
}

// mix spreads the bits of a number over all of it (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
