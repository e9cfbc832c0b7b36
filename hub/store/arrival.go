package store

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/komstream/komstream/metric"
)

// arrivalFormat is the first byte of an encoded arrival. Decoders keep reading every format ever written.
const arrivalFormat = 1

// errArrival is an encoded arrival that is cut short or of an unknown format.
var errArrival = errors.New("store: arrival is damaged or of a newer format")

// AppendArrival appends the encoding of a without owner and position, which are its key.
func AppendArrival(b []byte, a *Arrival) []byte {
	b = append(b, arrivalFormat)
	b = binary.AppendVarint(b, a.At.UnixMicro())
	b = append(b, a.Seq[:]...)
	b = append(b, a.Time[:]...)
	b = binary.AppendUvarint(b, uint64(len(a.Via)))
	for _, o := range a.Via {
		b = append(b, o[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Items)))
	for i := range a.Items {
		item := &a.Items[i]
		b = binary.AppendUvarint(b, item.Series)
		b = append(b, byte(item.Kind))
		b = appendText(b, string(item.URI))
		b = appendText(b, item.Content)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// DecodeArrival is the inverse of [AppendArrival]. The result shares no memory with b.
func DecodeArrival(owner, position uint64, b []byte) (Arrival, error) {
	a := Arrival{Owner: owner, Position: position}
	r := reader{rest: b}
	if r.byte() != arrivalFormat {
		return a, errArrival
	}
	a.At = time.UnixMicro(r.varint()).UTC()
	copy(a.Seq[:], r.bytes(16))
	copy(a.Time[:], r.bytes(16))
	if n := r.count(8); n > 0 {
		a.Via = make([]metric.Origin, n)
		for i := range a.Via {
			copy(a.Via[i][:], r.bytes(8))
		}
	}
	if n := r.count(4); n > 0 {
		a.Items = make([]Item, n)
		for i := range a.Items {
			a.Items[i] = Item{Series: r.uvarint(), Kind: metric.Kind(r.byte()), URI: metric.URI(r.text()), Content: r.text()}
		}
	}
	if r.failed || len(r.rest) > 0 {
		return a, errArrival
	}
	return a, nil
}

// reader takes an encoding apart. A read beyond the end returns zero and sets failed.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads a number of things of at least size bytes each, so that a damaged count cannot take all memory.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.failed, r.rest = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.bytes(r.count(1))) }
