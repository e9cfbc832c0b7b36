package window

import "sync/atomic"

// Budget is an account of the bytes that many windows, and whatever else its owner books, hold together. It only
// counts: its owner looks at [Budget.Over] now and then and calls [Window.DropOldest]. Safe for concurrent use. A nil
// *Budget counts nothing.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns an account with a limit in bytes; 0 or less means none.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Add books n bytes, or returns -n. Windows book their own.
func (b *Budget) Add(n int64) {
	if b != nil {
		b.used.Add(n)
	}
}

// Used returns the bytes booked.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Over returns how many bytes are booked above the limit, 0 when there are none or there is no limit.
func (b *Budget) Over() int64 {
	if b == nil || b.limit <= 0 {
		return 0
	}
	return max(0, b.used.Load()-b.limit)
}
