package termview

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// plain returns a view as a terminal without colours shows it.
func plain(view string) string {
	var b bytes.Buffer
	w := colorprofile.Writer{Forward: &b, Profile: colorprofile.NoTTY}
	_, _ = w.WriteString(view)
	return b.String()
}

func wave(n int, base, height float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = base + height*math.Sin(float64(i)/4)
	}
	return values
}

func sample() Snapshot {
	gap := wave(40, 1.2, 0.4)
	gap[35] = math.NaN()
	return Snapshot{
		Title:  "komstream demo",
		Peer:   "alice@127.0.0.1:4100",
		State:  "Live",
		Health: Well,
		Uptime: time.Hour + 2*time.Minute + 3*time.Second,
		Metrics: []Metric{
			{URI: "host.cpu.user", Past: append(wave(60, 20, 10), 14.63), Rate: 1},
			{URI: "host.mem.used", Past: append(wave(10, 5e9, 1e8), 5_123_456_789), Rate: 1},
			{URI: "host.load.one", Past: gap, Rate: 0.2},
			{URI: "host.net.rx_bytes", Past: []float64{1024, 1024, 1024}, Rate: 1},
			{URI: "friend:rack7.host12.temperature.inlet", Past: []float64{-4.5, 21, 22.25}, Rate: 12_500},
			{URI: "host.processes", Text: "    PID  NAME \x1b[2J 進程\n  1 init", Rate: 1},
			{URI: "host.new", Rate: 0},
		},
		Impulses: []Impulse{
			{Name: "summary", Runs: 1234, Took: 1234567 * time.Nanosecond, Worst: 45600 * time.Microsecond},
			{Name: "alerts.cpu", Runs: 1_234_567, Took: 890, Worst: 2 * time.Minute, Pending: 17, Failed: 2},
			{Name: "idle"},
		},
		Totals: []Total{{"samples sent", 12_345}, {"received", 987_654_321}, {"triggers", 1_235_801}, {"merged", 0}, {"dropped", 0}},
	}
}

func TestRenderGolden(t *testing.T) {
	down := sample()
	down.State, down.Health, down.Metrics = "Waiting", Unwell, down.Metrics[:2]
	tests := []struct {
		name          string
		s             Snapshot
		width, height int
	}{
		{"wide", sample(), 100, 24},
		{"terminal", sample(), 80, 0},
		{"narrow", sample(), 48, 24},
		{"tiny", sample(), 30, 12},
		{"low", sample(), 80, 12},
		{"down", down, 80, 24},
		{"empty", Snapshot{State: "Connecting", Health: Busy}, 80, 24},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plain(Render(tt.s, tt.width, tt.height)) + "\n"
			file := filepath.Join("testdata", tt.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v (write it: go test ./internal/termview -update)", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the view of %d by %d changed (-want +got):\n%s", tt.width, tt.height, diff)
			}
		})
	}
}

func TestViewFitsEveryTerminal(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 100 {
		s := randomSnapshot(r)
		width, height := minWidth+r.IntN(150), 1+r.IntN(50)
		lines := strings.Split(Render(s, width, height), "\n")
		if len(lines) > height {
			t.Fatalf("seed %d: %d lines for a height of %d:\n%s", seed, len(lines), height, strings.Join(lines, "\n"))
		}
		for _, line := range lines {
			if w := lipgloss.Width(line); w > width {
				t.Fatalf("seed %d: a line of %d columns for a width of %d: %q", seed, w, width, line)
			}
		}
	}
}

func randomSnapshot(r *rand.Rand) Snapshot {
	word := func() string {
		letters := []rune("abcdefgh.:_-進\x1b\n ")
		b := make([]rune, r.IntN(60))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	s := Snapshot{Title: word(), Peer: word(), State: word(), Health: Health(r.IntN(3)), Uptime: time.Duration(r.Int64())}
	for range r.IntN(40) {
		m := Metric{URI: word(), Text: word(), Rate: math.Exp(r.Float64()*100 - 50)}
		for range r.IntN(100) {
			m.Past = append(m.Past, math.Float64frombits(r.Uint64()))
		}
		s.Metrics = append(s.Metrics, m)
	}
	for range r.IntN(20) {
		s.Impulses = append(s.Impulses, Impulse{
			Name: word(), Runs: r.Uint64(), Failed: r.Uint64N(2), Pending: r.Uint64(),
			Took: time.Duration(r.Int64()), Worst: time.Duration(r.Int64()),
		})
	}
	for range r.IntN(8) {
		s.Totals = append(s.Totals, Total{word(), r.Uint64()})
	}
	return s
}

func TestEveryMetricAndImpulseIsShownOrCounted(t *testing.T) {
	s := sample()
	for height := 12; height < 30; height++ {
		view := plain(Render(s, 100, height))
		shown, hidden := 0, 0
		for line := range strings.SplitSeq(view, "\n") {
			var n int
			if _, err := fmt.Sscanf(line, "… %d more", &n); err == nil {
				hidden += n
			}
		}
		for _, m := range s.Metrics {
			if strings.Contains(view, "\n"+m.URI+" ") {
				shown++
			}
		}
		for _, i := range s.Impulses {
			if strings.Contains(view, "\n"+i.Name+" ") {
				shown++
			}
		}
		if want := len(s.Metrics) + len(s.Impulses); shown+hidden != want {
			t.Errorf("height %d: %d rows shown and %d counted as hidden, want %d in all:\n%s", height, shown, hidden, want, view)
		}
	}
}

func TestLine(t *testing.T) {
	want := "1:02:03  Live  samples sent 12,345  received 987,654,321  triggers 1,235,801  merged 0  dropped 0"
	if got := Line(sample()); got != want {
		t.Errorf("Line:\n got %q\nwant %q", got, want)
	}
}

func BenchmarkRender(b *testing.B) {
	s := sample()
	b.ReportAllocs()
	for b.Loop() {
		Render(s, 100, 30)
	}
}
