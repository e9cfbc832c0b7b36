// Package vectortest reads the golden vectors: what the original agents and the original hub did, recorded as JSON
// files in testdata/vectors. The tests named TestGolden… of all packages derive from them; docs/vectors.md says which
// file is tested where.
//
// The environment variable KOMSTREAM_VECTORS names another folder of the same format, absolute or relative to the
// root of the module. Rules for deliberate differences need not be used by foreign cases: see [Own].
package vectortest
