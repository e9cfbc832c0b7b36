package wire

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

// benchSamples returns n numbers whose items take about 66 bytes in a frame.
func benchSamples(n int) []metric.Sample {
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	samples := make([]metric.Sample, n)
	for i := range samples {
		samples[i] = metric.Datapoint(metric.URI(fmt.Sprintf("host%03d.cpu.user", i)), at, 14.63+float64(i))
	}
	return samples
}

var benchSeq = NewSeqSource(func() time.Time { return time.Unix(1_700_000_000, 0) }).Next()

func benchFrame(n int) []byte {
	s := benchSamples(n)
	return AppendSendMulti(nil, benchSeq, Seq{}, nil, s[0].Time, s)
}

func perItem(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		frame := benchFrame(n)
		b.Run(fmt.Sprintf("way=scanner/items=%d", n), func(b *testing.B) {
			var d Decoder
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if m, err := d.Decode(frame); err != nil || len(m.Notification.Items) != n {
					b.Fatal(err)
				}
			}
			perItem(b, n)
		})
		b.Run(fmt.Sprintf("way=jsontext/items=%d", n), func(b *testing.B) {
			var d Decoder
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				d.reset()
				if _, err := d.decodeAny(frame); err != nil {
					b.Fatal(err)
				}
			}
			perItem(b, n)
		})
		b.Run(fmt.Sprintf("way=encoding-json/items=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				var m struct {
					V        int
					Action   string
					Seq, Irt *string
					Payload  struct {
						T    string
						URIs []struct{ URI, Type, Content string }
					}
				}
				if err := json.Unmarshal(frame, &m); err != nil || len(m.Payload.URIs) != n {
					b.Fatal(err)
				}
			}
			perItem(b, n)
		})
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		frame := benchFrame(n)
		b.Run(fmt.Sprintf("items=%d", n), func(b *testing.B) {
			var d Decoder
			b.ReportAllocs()
			for b.Loop() {
				if r, refusal := d.DecodeRequest(frame); refusal != nil || len(r.Items) != n {
					b.Fatal(refusal)
				}
			}
			perItem(b, n)
		})
	}
}

func BenchmarkValues(b *testing.B) {
	var d Decoder
	m, err := d.Decode(benchFrame(10))
	if err != nil {
		b.Fatal(err)
	}
	var values []metric.Value
	b.ReportAllocs()
	for b.Loop() {
		values = m.Notification.Values(values[:0])
	}
	perItem(b, 10)
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		samples := benchSamples(n)
		texts := make([]metric.Sample, n)
		for i, s := range samples {
			v, err := metric.ParseNumber(s.Value.String())
			if err != nil {
				b.Fatal(err)
			}
			texts[i] = metric.Sample{URI: s.URI, Time: s.Time, Value: v}
		}
		for name, samples := range map[string][]metric.Sample{"float": samples, "text": texts} {
			b.Run(fmt.Sprintf("value=%s/items=%d", name, n), func(b *testing.B) {
				var buf []byte
				b.ReportAllocs()
				for b.Loop() {
					buf = AppendSendMulti(buf[:0], benchSeq, Seq{}, nil, samples[0].Time, samples)
				}
				perItem(b, n)
			})
		}
	}
}

func BenchmarkAppendQuoted(b *testing.B) {
	text := ""
	for range 100 {
		text += "/dev/sda1  41152736  8214508  30817956  22% /\n"
	}
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buf = AppendQuoted(buf[:0], text)
	}
}
