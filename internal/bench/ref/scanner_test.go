package ref

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

func frame(n int, values ...string) []byte {
	at := metric.NewTimeUUID(metric.TicksOf(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)), metric.PlainLow)
	items := make([]wire.RequestItem, n)
	for i := range items {
		v, err := metric.ParseNumber(values[i%len(values)])
		if err != nil {
			panic(err)
		}
		items[i] = wire.RequestItem{URI: metric.URI("host" + strconv.Itoa(1000+i) + ".cpu"), Kind: metric.KindDatapoint, Value: v}
	}
	seqs := wire.NewSeqSource(time.Now)
	return wire.AppendNotification(nil, seqs.Next(), at, nil, 17, "", items)
}

func TestScanReadsWhatTheHubWrites(t *testing.T) {
	values := []string{"1000001", "14.63", "-3", "-0.25", "0", "1E+30", "123456789012345678901234567890", "0.1"}
	var s Scanner
	if err := s.Scan(frame(20, values...)); err != nil || len(s.Updates) != 20 {
		t.Fatal(err, len(s.Updates))
	}
	for i, u := range s.Updates {
		want, _ := strconv.ParseFloat(values[i%len(values)], 64)
		if u.Value != want || string(u.URI) != "host"+strconv.Itoa(1000+i)+".cpu" {
			t.Errorf("%s = %v, want %v", u.URI, u.Value, want)
		}
	}
	const epoch = 0x01b21dd213814000
	if got := time.Unix(0, (s.Ticks-epoch)*100).UTC(); got.Hour() != 10 || got.Year() != 2026 || s.Low != metric.PlainLow {
		t.Errorf("time %s, low %x", got, s.Low)
	}
}

func TestScanRefusesWhatIsBroken(t *testing.T) {
	good := frame(2, "14.63")
	var s Scanner
	for i := range good {
		if bytes.HasPrefix(good[i:], []byte("os")) || bytes.HasPrefix(good[i:], []byte("pos")) || bytes.HasPrefix(good[i:], []byte(`s": 17`)) {
			continue // the key "pos" is skipped like any that is not known
		}
		broken := append([]byte(nil), good...)
		broken[i] = '!'
		if err := s.Scan(broken); err == nil {
			t.Errorf("took %s", broken)
		}
		if err := s.Scan(good[:i]); err == nil {
			t.Errorf("took %s", good[:i])
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	f := frame(10, "1000001", "14.63")
	var s Scanner
	if n := testing.AllocsPerRun(100, func() { _ = s.Scan(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run("items="+strconv.Itoa(n), func(b *testing.B) {
			f := frame(n, "1000001")
			var s Scanner
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Scan(f); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/update")
		})
	}
}
