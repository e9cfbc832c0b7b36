package window

import "github.com/komstream/komstream/metric"

// Capacities of chunks. They grow with the window, so that a window of two samples is small and one of thousands
// wastes little; 256 makes a column exactly one of the allocator's size classes.
const (
	smallChunk = 8
	maxChunk   = 256
	// tailChunk is the capacity of the chunk that the end of another is copied to when a late sample falls there.
	tailChunk = 64
	// maxSplice is the length at which a chunk that late samples were put into is cut in two.
	maxSplice = 2 * maxChunk
	// maxChunkText bounds the texts that one chunk holds, about, since texts are freed by whole chunks.
	maxChunkText = 64 << 10
)

// sample is a sample as the columns hold it.
type sample struct {
	ticks metric.Ticks
	low   uint64 // metric.TimeUUID.LowOrder
	value float64
	text  string
}

// compare orders by the full time.
func (s *sample) compare(ticks metric.Ticks, low uint64) int {
	switch {
	case s.ticks != ticks:
		if s.ticks < ticks {
			return -1
		}
		return 1
	case s.low != low:
		if s.low < low {
			return -1
		}
		return 1
	}
	return 0
}

// chunk is a run of samples as columns of one length. The writer fills slots that no view sees yet; a filled slot
// and the header itself never change, so readers need no lock.
type chunk struct {
	ticks  []metric.Ticks
	values []float64 // of a datapoint
	texts  []string  // of a datasource
	low    []uint64  // nil while every sample has metric.PlainLowOrder
}

// smallest is a chunk with its columns in one allocation.
type smallest struct {
	chunk
	t [smallChunk]metric.Ticks
	v [smallChunk]float64
}

func newChunk(kind metric.Kind, capacity int, withLow bool) *chunk {
	var c *chunk
	switch {
	case kind == metric.KindDatasource:
		c = &chunk{ticks: make([]metric.Ticks, capacity), texts: make([]string, capacity)}
	case capacity <= smallChunk:
		s := new(smallest)
		s.ticks, s.values = s.t[:], s.v[:]
		c = &s.chunk
	default:
		c = &chunk{ticks: make([]metric.Ticks, capacity), values: make([]float64, capacity)}
	}
	if withLow {
		c.low = make([]uint64, len(c.ticks))
	}
	return c
}

// bytes returns the memory that c holds, its texts not counted.
func (c *chunk) bytes() int64 {
	const header = 104 // the struct, rounded up
	return header + 8*int64(len(c.ticks)+len(c.values)+2*len(c.texts)+len(c.low))
}

func (c *chunk) lowAt(i int) uint64 {
	if c.low == nil {
		return metric.PlainLowOrder
	}
	return c.low[i]
}

func (c *chunk) at(i int) sample {
	s := sample{ticks: c.ticks[i], low: c.lowAt(i)}
	if c.texts != nil {
		s.text = c.texts[i]
	} else {
		s.value = c.values[i]
	}
	return s
}

// put fills slot i. A low that is not plain needs the column.
func (c *chunk) put(i int, s *sample) {
	c.ticks[i] = s.ticks
	if c.texts != nil {
		c.texts[i] = s.text
	} else {
		c.values[i] = s.value
	}
	if c.low != nil {
		c.low[i] = s.low
	}
}

// copyFrom fills the slots from i on with those of src in [from, to).
func (c *chunk) copyFrom(i int, src *chunk, from, to int) {
	copy(c.ticks[i:], src.ticks[from:to])
	if c.texts != nil {
		copy(c.texts[i:], src.texts[from:to])
	} else {
		copy(c.values[i:], src.values[from:to])
	}
	switch {
	case c.low == nil:
	case src.low != nil:
		copy(c.low[i:], src.low[from:to])
	default:
		fillPlain(c.low[i : i+to-from])
	}
}

// withLow returns a new header for the same columns and a column of lows, whose first n slots are plain. A header
// is never changed in place: views read it.
func (c *chunk) withLow(n int) *chunk {
	other := *c
	other.low = make([]uint64, len(c.ticks))
	fillPlain(other.low[:n])
	return &other
}

func fillPlain(low []uint64) {
	for i := range low {
		low[i] = metric.PlainLowOrder
	}
}

// capacityFor returns the capacity of the next chunk of a window that holds n samples, and their texts' bytes.
func capacityFor(n int, textBytes int64) int {
	capacity := maxChunk
	switch {
	case n < 8:
		capacity = smallChunk
	case n < 40:
		capacity = 32
	case n < 168:
		capacity = 128
	}
	for capacity > smallChunk && textBytes/int64(n)*int64(capacity) > maxChunkText {
		capacity /= 2
	}
	return capacity
}
