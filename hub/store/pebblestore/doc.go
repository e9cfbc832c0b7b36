// Package pebblestore is a [store.Store] in one directory, on the embedded database Pebble. Commits that overlap
// share one write to the disk, and none returns before it.
package pebblestore
