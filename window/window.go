package window

import (
	"sync"

	"github.com/komstream/komstream/metric"
)

// Bounds of a window that its configuration leaves open.
const (
	DefaultMaxSamples   = 1_000_000
	DefaultMaxTextBytes = 16 << 20
)

// ID is the index of a window in its session: a small dense number that stands for a metric's URI.
type ID uint32

// Row is a sample of a known metric: its full time and its value.
type Row struct {
	Time  metric.TimeUUID
	Value metric.Value
}

// Config is what a window is made with. The zero Config is usable.
type Config struct {
	// Past says how much is kept; zero fields mean the defaults.
	Past Past
	// MaxSamples bounds the samples kept; the oldest go. Default [DefaultMaxSamples].
	MaxSamples int
	// MaxTextBytes bounds the texts kept, in bytes; the oldest go, the newest stays. Default [DefaultMaxTextBytes].
	MaxTextBytes int
	// Budget, if any, is where the window books its memory.
	Budget *Budget
	// Cuts says for which earlier message numbers a view of this window may still be asked. It appends them to dst in
	// ascending order and returns the result; every number at or above from counts as well. The window calls it, with
	// its lock held, on the writer's goroutine once in a while: it must not call the window and must not block.
	// Without it no earlier state is kept, and [Window.ViewAt] always shows the newest.
	Cuts func(dst []uint64) (cuts []uint64, from uint64)
}

// Window is the recent past of one metric. One goroutine at a time writes: Append, Expire, SetPast, StartRefill,
// Refill, AbandonRefill, DropOldest, Release. [Window.View], [Window.ViewAt], [Window.Past] and [Window.Stats] may
// be called from any goroutine at any time. Nothing blocks for longer than a copy of some chunks takes.
type Window struct {
	// What every append touches comes first and lies close together, and so do copies of what it would have to follow
	// pointers for: of ten thousand windows none is in the processor's caches, and each pointer costs a wait.
	mu        sync.Mutex
	number    uint64 // the first message that the newest state belongs to
	message   uint64 // the last message
	state            // the newest
	oldest    metric.Ticks
	newest    metric.Ticks
	delta     metric.Ticks   // past.Delta
	count     int            // past.Count
	head      []metric.Ticks // the first chunk's column from position lo on
	headEnd   int            // where the first span ends, far away while it is the last
	kind      metric.Kind    // of the spine
	refilling bool
	changed   bool           // what the budget does not know yet
	ticks     []metric.Ticks // the free slots of the last chunk, while it holds plain numbers
	values    []float64
	marks     []mark // earlier states, by number
	cuts      func([]uint64) ([]uint64, uint64)
	threshold int // marks at which cuts is asked
	counts    Counts

	maxSamples   int
	maxTextBytes int
	textBytes    int64 // of the newest state's texts

	past    Past  // complete
	held    int64 // bytes of the newest state's chunks
	pinned  int64 // bytes, at most, of chunks that only marks hold
	dead    int64 // bytes of chunks before the first span that the spine still pins
	booked  int64 // at the budget
	budget  *Budget
	scratch []uint64

	pushes   []sample // appended since StartRefill, in order of arrival
	pushText int64    // bytes of their texts
}

// New returns an empty window. It cannot fail: bounds that are not positive mean the defaults.
func New(c Config) *Window {
	w := &Window{
		cuts: c.Cuts, budget: c.Budget, threshold: minMarks,
		maxSamples: c.MaxSamples, maxTextBytes: c.MaxTextBytes,
	}
	w.setPast(c.Past)
	if w.maxSamples <= 0 {
		w.maxSamples = DefaultMaxSamples
	}
	if w.maxTextBytes <= 0 {
		w.maxTextBytes = DefaultMaxTextBytes
	}
	return w
}

// Past returns how much the window keeps, defaults filled in.
func (w *Window) Past() Past {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.past
}

// SetPast changes how much is kept, from the next Append, Expire or Refill on; zero fields mean the defaults. A wider
// window does not get back what is gone: refill it.
func (w *Window) SetPast(p Past) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setPast(p)
}

func (w *Window) setPast(p Past) {
	w.past = p.WithDefaults()
	w.delta, w.count = metric.SpanOf(w.past.Delta), w.past.Count
}

// View returns what the window shows now.
func (w *Window) View() View {
	w.mu.Lock()
	v := View{w.state}
	w.mu.Unlock()
	return v
}

// Number returns the number of the last message appended, or refilled with.
func (w *Window) Number() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.message
}

// Stats are figures of one window.
type Stats struct {
	// Kind is what the window holds, 0 while nothing has told.
	Kind metric.Kind
	// Samples are in the window now.
	Samples int
	// Bytes is its memory: columns, texts, and what is kept for outstanding cuts. It is an upper bound but for texts
	// that retention has passed and whose chunk is not yet free, about 64 KiB at most.
	Bytes int64
	// States is the number of earlier states kept for outstanding cuts.
	States int
	Counts
}

// Counts tell what happened to a window from its beginning.
type Counts struct {
	// Appended counts all samples appended, whatever came of them; rows of refills are not counted.
	Appended uint64
	// Late counts samples that came after a newer one and were taken.
	Late uint64
	// Overwrote counts samples that took the place of another of the same instant.
	Overwrote uint64
	// Ignored counts samples that another of the same instant, with a greater TimeUUID, kept out.
	Ignored uint64
	// Infinite counts numbers outside float64, which the window shows as ±Inf.
	Infinite uint64
	// Limited counts samples that MaxSamples, MaxTextBytes or DropOldest removed.
	Limited uint64
	// KindChanges counts how often samples of another kind emptied the window.
	KindChanges uint64
}

// Stats returns the window's figures.
func (w *Window) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Stats{Kind: w.kind, Samples: w.len(), Bytes: w.bytes(), States: len(w.marks), Counts: w.counts}
}

// Release returns the window's bytes to the budget and books no more. Call it when the window is given up: whoever is
// still to look at it, at an earlier state even, sees what it showed.
func (w *Window) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget.Add(-w.booked)
	w.budget, w.booked = nil, 0
}

// bytes returns the memory to account for.
func (w *Window) bytes() int64 {
	return w.held + w.pinned + w.textBytes + w.dead + w.pushText +
		markSize*int64(cap(w.marks)) + sampleSize*int64(cap(w.pushes))
}

const sampleSize = 40

// book tells the budget what changed.
func (w *Window) book() {
	w.changed = false
	if n := w.bytes(); n != w.booked {
		w.budget.Add(n - w.booked)
		w.booked = n
	}
}
