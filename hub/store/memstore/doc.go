// Package memstore is a [store.Store] that forgets everything when it is closed: for tests, and for hubs whose data
// may die with the process.
package memstore
