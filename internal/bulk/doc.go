// Package bulk loads samples from lines of text: it reads them, sends them through a session in groups, says which
// lines were refused and why, and notes how far it came, so that an interrupted load is taken up again.
//
// A [Source] reads lines: [NDJSON] one JSON object each, [CSV] one record each. [Load] sends them. A line that cannot
// be read, and one that the hub refuses, is told by its number, and the others are sent. After each group that the hub
// has answered for, the [State] can be saved; with it a later Load of the same input passes over what was done.
package bulk
