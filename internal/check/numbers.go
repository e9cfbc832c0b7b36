package check

import (
	"cmp"
	"math"
	"slices"
)

// The session gives numbers to the frames, in order, and now and then one to something else: the history of a window.
// So a frame's number is not known beforehand, but a run that answers it tells, and it bounds the numbers of the others.

// learn notes the number of a frame.
func (c *Checker) learn(f *frame, number uint64) {
	if f.number != 0 {
		return
	}
	f.number = number
	i, _ := slices.BinarySearchFunc(c.known, f, func(a, b *frame) int { return cmp.Compare(a.pos, b.pos) })
	c.known = slices.Insert(c.known, i, f)
}

// bounds returns between which numbers that of a frame lies.
func (c *Checker) bounds(f *frame) (least, most uint64) {
	if f.number != 0 {
		return f.number, f.number
	}
	i, _ := slices.BinarySearchFunc(c.known, f, func(a, b *frame) int { return cmp.Compare(a.pos, b.pos) })
	least, most = f.index+1, math.MaxUint64
	if i > 0 {
		before := c.known[i-1]
		least += before.number
		if before.conn == f.conn { // each frame between has taken one
			least -= before.index + 1
		}
	}
	if i < len(c.known) {
		after := c.known[i]
		most = after.number - 1
		if after.conn == f.conn {
			most = after.number - (after.index - f.index)
		}
	}
	return least, most
}

// forget drops the frames with known numbers that lie before a position, but for the last of them.
func (c *Checker) forget(pos int) {
	i, _ := slices.BinarySearchFunc(c.known, pos, func(f *frame, pos int) int { return cmp.Compare(f.pos, pos) })
	c.known = slices.Clone(c.known[max(0, i-1):])
}
