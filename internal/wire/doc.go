// Package wire is the agent protocol's frames: one decoder and one encoder that agents and hubs share.
//
// A frame is one JSON object in one websocket message. [Decoder.Decode] reads what a hub sends to an agent,
// [Decoder.DecodeRequest] what an agent asks of a hub; the Append functions write both directions.
//
// # Reading
//
// Nearly everything that an agent reads is send_multi_data, written by a program in a fixed order of keys. A scanner
// written by hand reads that shape without allocating (fast.go). It never refuses a frame: whatever is unusual in
// the least it hands to the general way, where jsontext decides what is JSON and a walker picks the members out of
// what jsontext has accepted (json.go). A fuzz test holds the two to the same result.
//
// The cost of a hostile frame is linear in its length: nesting is bounded by jsontext (10,000 levels), numbers by
// metric.ParseNumber, and what an error repeats of its input by a few dozen bytes. The length itself is bounded by
// whoever reads the socket.
//
// # Refusing
//
// An agent gets an [*InvalidError] that names field, value and rule. A hub gets a [*Refusal], the answer that the
// protocol prescribes, with the checks made in the protocol's order; what depends on the state of the hub, such as
// whether a metric exists, is not decided here.
//
// # Writing
//
// Frames are appended to the caller's buffer, as Python's json.dumps writes them (", " and ": " as separators,
// everything outside ASCII escaped), since that is what peers have been tested with.
//
// # Additions
//
// The envelope keys "via" (which impulses a sample comes from) and "pos" (a message's place in the owner's order of
// arrival) go to everybody, since peers ignore keys they do not know. Further actions go only to peers that named
// the feature in the handshake's header; see [Features].
package wire
