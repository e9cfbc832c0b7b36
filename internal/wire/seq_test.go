package wire

import (
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

func TestParseSeq(t *testing.T) {
	const long, short = "6f2b4c00d05a11e7a1b2030405060708", "6f2b4c00d05a11e7a1b2"
	for text, want := range map[string]string{
		long:                                     long,
		short:                                    short,
		"{6F2B4C00-D05A-11E7-A1B2-030405060708}": long,
		"":                                       "",
		"6F2B4C00D05A11E7A1B2":                   "", // what is echoed must be what came
		"6f2b4c00d05a41e7a1b2":                   "", // version 4
		"6f2b4c00d05a11e701b2":                   "", // no RFC variant
		"6f2b4c00d05a11e7a1b":                    "",
		"6f2b4c00-d05a11e7a1b":                   "",
	} {
		s, err := ParseSeq(text)
		if (err == nil) != (want != "") || err == nil && s.String() != want {
			t.Errorf("%q: got %q, %v, want %q", text, s, err, want)
		}
		if s.IsZero() != (err != nil) {
			t.Errorf("%q: zero %v with error %v", text, s.IsZero(), err)
		}
	}
	s, _ := ParseSeq(short)
	if _, ok := s.TimeUUID(); ok {
		t.Error("a short sequence has a TimeUUID")
	}
	l, _ := ParseSeq(long)
	if id, ok := l.TimeUUID(); !ok || id.String() != long || l != SeqOf(id) {
		t.Errorf("got %s, %v", id, ok)
	}
	if l == s {
		t.Error("a short sequence equals a long one")
	}
}

func TestSeqSourceStrictlyIncreases(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(-time.Second) // the clock runs backwards
		return now
	}
	source := NewSeqSource(clock)
	first, _ := source.Next().TimeUUID()
	const writers, each = 8, 500
	var wg sync.WaitGroup
	results := make([][]metric.TimeUUID, writers)
	for w := range writers {
		wg.Go(func() {
			for range each {
				id, ok := source.Next().TimeUUID()
				if !ok {
					t.Error("a source made no TimeUUID")
				}
				results[w] = append(results[w], id)
			}
		})
	}
	wg.Wait()
	seen := map[metric.TimeUUID]bool{}
	for _, ids := range results {
		last := first
		for _, id := range ids {
			if id.Compare(last) <= 0 || id.Low() != first.Low() || seen[id] {
				t.Fatalf("%s after %s, seen before: %v", id, last, seen[id])
			}
			seen[id], last = true, id
		}
	}
	other, _ := NewSeqSource(nil).Next().TimeUUID()
	if other.Low() == first.Low() {
		t.Error("two sources share their node")
	}
	if got := time.Since(other.Time()).Abs(); got > time.Minute {
		t.Errorf("a source without a clock is off by %v", got)
	}
}
