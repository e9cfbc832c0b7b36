package main

import (
	"bytes"
	"errors"
	"math"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/metric"
)

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"now":                       now,
		"-1h":                       now.Add(-time.Hour),
		"+5m":                       now.Add(5 * time.Minute),
		"-7d":                       now.AddDate(0, 0, -7),
		"-1w2d3h":                   now.AddDate(0, 0, -9).Add(-3 * time.Hour),
		"2026-11-23":                now.Add(-36 * time.Hour),
		"2026-11-24T13:00:00+01:00": now,
	} {
		if got, err := parseMoment("--from", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-", "-h", "--1h", "-1h-2h", "1h", "-1.5d", "-99999d", "2026-11-24T13:00:00"} {
		if got, err := parseMoment("--from", text, now); err == nil || !strings.Contains(err.Error(), "--from") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Millisecond: "1.2s", 61 * time.Second: "1m01s", 3*time.Hour + 5*time.Minute: "3h05m",
		26 * time.Hour: "1d02h", -5 * time.Second: "-5s",
	} {
		if got := ageText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestValuesCannotMoveTheCursor(t *testing.T) {
	v, err := metric.TextOf("a\x1b[2J\nb")
	if err != nil {
		t.Fatal(err)
	}
	if got := valueText(v, 0); got != `"a\x1b[2J\nb"` {
		t.Errorf("%s", got)
	}
	if got := valueText(v, 4); got != `"a\…` {
		t.Errorf("%s", got)
	}
}

func TestColumnsOfACharts(t *testing.T) {
	at := func(seconds ...int) (times []time.Time) {
		for _, s := range seconds {
			times = append(times, time.Unix(int64(s), 0))
		}
		return times
	}
	gap := math.NaN()
	for _, tt := range []struct {
		times  []time.Time
		values []float64
		width  int
		want   []float64
	}{
		{at(1), []float64{5}, 10, []float64{5}},
		{at(0, 4), []float64{0, 4}, 5, []float64{0, 1, 2, 3, 4}},
		{at(0, 0, 1, 1), []float64{1, 3, 5, 7}, 2, []float64{2, 6}},
		{at(0, 1, 2, 3, 4, 18, 19), []float64{1, 1, 1, 1, 1, 2, 2}, 20, append(append([]float64{1, 1, 1, 1, 1},
			gap, gap, gap, gap, gap, gap, gap, gap, gap, gap, gap, gap, gap), 2, 2)},
	} {
		got := columns(tt.times, tt.values, tt.width)
		if len(got) != len(tt.want) {
			t.Errorf("%v: %v, want %v", tt.values, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] && !(math.IsNaN(got[i]) && math.IsNaN(tt.want[i])) {
				t.Errorf("%v: %v, want %v", tt.values, got, tt.want)
				break
			}
		}
	}
}

func TestTree(t *testing.T) {
	var out bytes.Buffer
	c := &cobra.Command{}
	c.SetOut(&out)
	rows := []listed{}
	for _, uri := range []metric.URI{"a", "a.b.c", "a.d", "e.f"} {
		rows = append(rows, newListed(uri, metric.KindDatapoint, time.Time{}, time.Time{}))
	}
	if err := printTree(c, rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.TrimSpace(strings.TrimSuffix(strings.Join(strings.Fields(line), " "), " datapoint - - -")))
	}
	want := "METRIC KIND SAMPLES LAST AGE|a|├── b|│ └── c|└── d|e|└── f"
	if strings.Join(got, "|") != want {
		t.Errorf("%s, want %s", strings.Join(got, "|"), want)
	}
}

func TestBarIsAsWideAsItSays(t *testing.T) {
	for share, want := range map[float64]string{0: "[    ]   0%", 0.5: "[==  ]  50%", 1: "[====] 100%", 7: "[====] 100%"} {
		if got := bar(share, 4); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}

func TestSystemdIsToldWhenItAsks(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("no socket: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := conn.Read(b)
	if err := errors.Join(err, conn.Close()); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
