package machine

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

var at = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func TestReadOfThisMachine(t *testing.T) {
	r := NewReader("host")
	spin := time.Now()
	for time.Since(spin) < 30*time.Millisecond { // some ticks of processor time
	}
	first, err := r.Read(t.Context(), at)
	var missing *MissingError
	if err != nil && !errors.As(err, &missing) {
		t.Fatalf("Read: %v, want nothing but missing sources", err)
	}
	second, err := r.Read(t.Context(), at.Add(time.Second))
	if err != nil {
		t.Errorf("second Read: %v, want nothing: what is missing was said before", err)
	}
	seen := map[metric.URI]metric.Sample{}
	for _, s := range append(first, second...) {
		if err := s.Check(); err != nil {
			t.Errorf("sample %s: %v", s.URI, err)
		}
		seen[s.URI] = s
	}
	if runtime.GOOS != "linux" {
		return
	}
	for _, uri := range []metric.URI{"host.cpu.user", "host.cpu.idle", "host.mem.used", "host.load.one", "host.processes"} {
		if _, ok := seen[uri]; !ok {
			t.Errorf("no sample of %s", uri)
		}
	}
	if got := seen["host.processes"]; got.Kind() != metric.KindDatasource || !got.When().Equal(at.Add(time.Second)) {
		t.Errorf("host.processes is a %v of %v, want a text of the second read", got.Kind(), got.When())
	}
	if got := seen["host.mem.used"].Float(); got <= 0 || got > seen["host.mem.total"].Float() {
		t.Errorf("host.mem.used is %v, want more than nothing and no more than the total", got)
	}
}

func TestShareOfProcessesIsKnownFromTheSecondReadOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the table of processes is checked on Linux")
	}
	p := processes{}
	var text string
	for i, want := range []string{"-", "."} {
		b := &batch{prefix: "host", at: at.Add(time.Duration(i) * time.Second)}
		if err := p.read(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		text = b.samples[0].Value.String()
		row := strings.Fields(strings.Split(text, "\n")[1])
		if share := row[len(row)-3]; !strings.Contains(share, want) {
			t.Errorf("read %d: the share is %q, want one with %q in\n%s", i+1, share, want, text)
		}
	}
}

func TestMissingSourceIsLeftOutAndSaidOnce(t *testing.T) {
	broken := errors.New("no such file")
	var fault error
	r := &Reader{prefix: "host", sources: []source{
		{name: "load", read: func(_ context.Context, b *batch) error { add(b, "load.one", 1.5); return nil }},
		{name: "disk", read: func(_ context.Context, b *batch) error { add(b, "disk.reads", 1); return fault }},
	}}
	steps := []struct {
		fault   error
		samples int
		said    bool
	}{
		{nil, 2, false},
		{broken, 1, true},
		{broken, 1, false},
		{nil, 2, false}, // it came back
		{broken, 1, true},
	}
	for i, step := range steps {
		fault = step.fault
		samples, err := r.Read(t.Context(), at)
		if len(samples) != step.samples {
			t.Errorf("read %d: %d samples, want %d", i, len(samples), step.samples)
		}
		var missing *MissingError
		if said := errors.As(err, &missing); said != step.said {
			t.Errorf("read %d: error %v, want one %v", i, err, step.said)
		} else if said && (missing.Source != "disk" || !errors.Is(err, broken)) {
			t.Errorf("read %d: %v, want it to name disk and its cause", i, err)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	samples, err := NewReader("host").Read(ctx, at)
	if samples != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Read with an ended context: %d samples, %v", len(samples), err)
	}
}

func TestBadPrefixIsTheFaultOfItsSamples(t *testing.T) {
	samples, _ := NewReader("not a uri").Read(t.Context(), at)
	var invalid *metric.InvalidError
	if len(samples) == 0 || !errors.As(samples[0].Check(), &invalid) {
		t.Errorf("%d samples, the first without a fault", len(samples))
	}
}

func BenchmarkRead(b *testing.B) {
	r := NewReader("host")
	b.ReportAllocs()
	now := at
	for b.Loop() {
		now = now.Add(time.Second)
		samples, err := r.Read(b.Context(), now)
		var missing *MissingError
		if err != nil && !errors.As(err, &missing) {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(samples)), "samples/op")
	}
}
