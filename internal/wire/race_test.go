//go:build race

package wire

// hostileSize is the size of the largest hostile frames; the race detector makes them ten times dearer.
const hostileSize = 1 << 20
