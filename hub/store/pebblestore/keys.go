package pebblestore

import (
	"encoding/binary"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// The layout of keys, format 1. Numbers are big-endian, so that keys sort as what they mean.
//
//	f                                   → the format, one byte
//	r table key                         → a record
//	s series(8) ticks(8) low(8)         → the content of a sample
//	a owner(8) position(8)              → an arrival (store.AppendArrival)
//
// Ticks have their sign bit flipped; low is metric.TimeUUID.LowOrder. Both sort as unsigned numbers.
const (
	format = 1

	prefixFormat  = 'f'
	prefixRecord  = 'r'
	prefixSample  = 's'
	prefixArrival = 'a'
)

func appendRecordKey(b []byte, table store.Table, key string) []byte {
	return append(append(b, prefixRecord, byte(table)), key...)
}

func appendSampleKey(b []byte, series uint64, t metric.TimeUUID) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixSample), series)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Ticks())^1<<63)
	return binary.BigEndian.AppendUint64(b, t.LowOrder())
}

func sampleTime(key []byte) metric.TimeUUID {
	ticks := metric.Ticks(binary.BigEndian.Uint64(key[9:]) ^ 1<<63)
	return metric.TimeUUIDFromOrder(ticks, binary.BigEndian.Uint64(key[17:]))
}

func sampleSeries(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

func appendArrivalKey(b []byte, owner, position uint64) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefixArrival), owner)
	return binary.BigEndian.AppendUint64(b, position)
}

func arrivalOwner(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

func arrivalPosition(key []byte) uint64 { return binary.BigEndian.Uint64(key[9:]) }

// seriesBounds returns the half-open range of keys that holds all samples of a series.
func seriesBounds(series uint64) (low, high []byte) {
	low = binary.BigEndian.AppendUint64([]byte{prefixSample}, series)
	return low, successor(low)
}

// successor returns the least key that is greater than every key with the given prefix. The prefix must hold a byte
// other than 0xff.
func successor(prefix []byte) []byte {
	s := append([]byte(nil), prefix...)
	for i := len(s) - 1; ; i-- {
		if s[i]++; s[i] != 0 {
			return s[:i+1]
		}
	}
}
