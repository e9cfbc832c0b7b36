package termview

import (
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
)

func TestSpark(t *testing.T) {
	tests := []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 5, ""},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, "▁▂▃▄▅▆▇█"},
		{[]float64{100, 0, 7}, 2, "▁█"},
		{[]float64{3, 3, 3}, 9, "▄▄▄"},
		{[]float64{0, math.NaN(), math.Inf(1), 1}, 9, "▁  █"},
		{[]float64{-math.MaxFloat64, 0, math.MaxFloat64}, 3, "▁▅█"},
		{[]float64{math.Inf(-1)}, 3, " "},
		{[]float64{1, 2}, 0, ""},
	}
	for _, tt := range tests {
		if got := spark(tt.values, tt.width); got != tt.want {
			t.Errorf("spark(%v, %d) = %q, want %q", tt.values, tt.width, got, tt.want)
		}
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		v    float64
		want string
	}{
		{0, "0"}, {14.63, "14.63"}, {1.5, "1.5"}, {-3.14159, "-3.142"}, {1234, "1234"}, {9999, "9999"},
		{9999.7, "10.00k"}, {12345, "12.35k"}, {999_949, "999.9k"}, {999_951, "1.000M"}, {5_123_456_789, "5.123G"},
		{-68_719_476_736, "-68.72G"}, {1e20, "100.0E"}, {1e21, "1.0e+21"}, {0.001, "0.001"}, {1e-9, "1.0e-09"},
		{math.Inf(1), "+Inf"}, {math.NaN(), "NaN"}, {-math.MaxFloat64, "-1.8e+308"},
	}
	for _, tt := range tests {
		if got := number(tt.v); got != tt.want {
			t.Errorf("number(%g) = %q, want %q", tt.v, got, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "-"}, {7, "7ns"}, {890, "890ns"}, {1234567, "1.23ms"}, {45600 * time.Microsecond, "45.6ms"},
		{59994 * time.Millisecond, "1m0s"}, {125 * time.Second, "2m5s"}, {90*time.Minute + 4*time.Second, "1h30m"},
		{10 * time.Hour, "10h0m"},
	}
	for _, tt := range tests {
		if got := span(tt.d); got != tt.want {
			t.Errorf("span(%d) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", math.MaxUint64: "18,446,744,073,709,551,615"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestFitIsExact(t *testing.T) {
	for _, text := range []string{"", "abc", "a long line of text", "進程進程", "a進b程"} {
		for width := range 12 {
			for _, got := range []string{fit(text, width), right(text, width)} {
				if lipgloss.Width(got) != width || !utf8.ValidString(got) {
					t.Errorf("%q in %d columns is %q, of %d", text, width, got, lipgloss.Width(got))
				}
			}
		}
	}
}
