package window

import (
	"fmt"
	"time"
)

// DefaultDelta and DefaultCount fill the fields of a [Past] that are left zero.
const (
	DefaultDelta = 10 * time.Minute
	DefaultCount = 2
)

// Past says how much of a metric's past a window keeps: every sample from now − Delta on, those with future times
// too, and the newest Count samples at or before now; whichever reaches further back. A zero field means its default.
type Past struct {
	// Delta is the span kept before now. Default [DefaultDelta].
	Delta time.Duration
	// Count is the least number of past samples kept, however old they are. Default [DefaultCount].
	Count int
}

// Check returns an error unless both fields are zero or positive.
func (p Past) Check() error {
	switch {
	case p.Delta < 0:
		return fmt.Errorf("window: past delta %v must not be negative", p.Delta)
	case p.Count < 0:
		return fmt.Errorf("window: past count %d must not be negative", p.Count)
	}
	return nil
}

// Max returns the greater of each field: what one window must keep to serve both.
func (p Past) Max(other Past) Past {
	return Past{Delta: max(p.Delta, other.Delta), Count: max(p.Count, other.Count)}
}

// WithDefaults returns p with each field that is not positive replaced by its default.
func (p Past) WithDefaults() Past {
	if p.Delta <= 0 {
		p.Delta = DefaultDelta
	}
	if p.Count <= 0 {
		p.Count = DefaultCount
	}
	return p
}
