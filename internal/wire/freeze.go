package wire

import "unsafe"

// freeze returns b as a string without a copy. The caller must never write to b again.
func freeze(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
