package metric

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Origin identifies the impulse that wrote a sample: the first eight bytes of SHA-256 over "user:name", the user in
// lower case. Replicas of one program have the same Origin, so that they do not feed each other. It travels with
// the samples that the impulse emits, as 16 hex digits, and stops loops of derived metrics.
type Origin [8]byte

// OriginOf returns the Origin of a user's impulse.
func OriginOf(username, impulse string) (o Origin) {
	sum := sha256.Sum256([]byte(strings.ToLower(username) + ":" + impulse))
	copy(o[:], sum[:])
	return o
}

// String returns the wire form of o: 16 lower-case hex digits.
func (o Origin) String() string { return hex.EncodeToString(o[:]) }
