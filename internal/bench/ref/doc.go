// Package ref is the yardstick of the benchmarks: it reads notifications from a websocket and decodes them, and does
// nothing else. What the shipped path costs is told as a multiple of it.
//
// It is FROZEN. It shares no code with the library and must not follow the library's decoder: if both became faster
// together, a faster decoder would make everything around it look slower, because the ratio of the whole path to the
// yardstick would grow. As it is, every gain of the library lowers that ratio, and figures of different commits can
// be compared. Change it only when it is wrong, and then start all records anew.
//
// It was written once, to the quality that a good programmer reaches in an afternoon: [Reader] takes frames from
// NextReader into one buffer, [Scanner] goes over a frame once without allocating. It reads objects as JSON has them,
// keys in any order and any blanks between them, validates URIs, times and numbers, and parses the numbers. It knows
// no tricks: it does not guess the order of keys, nor compare more than a byte at a time. Texts, escapes and whatever
// else the benchmarks never send are errors.
package ref
