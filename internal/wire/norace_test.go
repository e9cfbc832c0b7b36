//go:build !race

package wire

// hostileSize is the size of the largest hostile frames: the most that a hub reads.
const hostileSize = 10 << 20
