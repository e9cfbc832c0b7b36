package demo

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/termview"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs a demo for some time and returns what it did.
func play(t *testing.T, c Config, length time.Duration) (Result, termview.Snapshot) {
	t.Helper()
	c.keys = []*connection.Key{hubtest.Key(0), hubtest.Key(1)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	d, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", d.Seed())
	over := time.NewTimer(length)
	defer over.Stop()
	<-over.C
	snapshot := d.Snapshot()
	address := strings.TrimPrefix(d.URL(), "http://")
	r, err := d.Finish(ctx)
	if err != nil {
		t.Errorf("%v\n%+v", err, r)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the hub still listens")
	}
	return r, snapshot
}

// wantSound demands that everything adds up, and that there was something of everything.
func wantSound(t *testing.T, r Result) {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Errorf("%v\n%s", err, strings.Join(r.Faults, "\n"))
	}
	for name, n := range map[string]uint64{
		"samples sent": r.SamplesSent, "acknowledged": r.SamplesAcknowledged, "updates": r.UpdatesReceived,
		"runs": r.ImpulseRuns, "samples of impulses": r.ImpulseSamples, "shared updates": r.SharedUpdates,
		"refused writes": r.RefusedRemoteWrites, "merged triggers": r.MergedTriggers, "connections": r.Connections,
	} {
		if n == 0 {
			t.Errorf("no %s: %+v", name, r)
		}
	}
}

func TestDemoIsSound(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r, s := play(t, Config{Interval: 50 * time.Millisecond}, 3*time.Second)
	wantSound(t, r)
	if r.Connections != 2 || r.Cuts != 0 {
		t.Errorf("%d connections, %d cuts, want 2 and none", r.Connections, r.Cuts)
	}
	if s.Health != termview.Well || len(s.Metrics) < 8 || len(s.Impulses) < 7 {
		t.Errorf("snapshot: health %d, %d metrics, %d impulses", s.Health, len(s.Metrics), len(s.Impulses))
	}
	for _, i := range s.Impulses {
		if i.Runs == 0 {
			t.Errorf("impulse %s did not run", i.Name)
		}
	}
	for _, m := range s.Metrics {
		if len(m.Past) == 0 && m.Text == "" {
			t.Errorf("metric %s shows nothing", m.URI)
		}
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("%q were left behind", left)
	}
}

// leftovers returns the temporary directories of demos.
func leftovers(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "komstream-demo-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestDemoIsSoundThoughConnectionsBreak(t *testing.T) {
	t.Parallel()
	c := Config{Interval: 50 * time.Millisecond, Chaos: true, CutAfter: 400 * time.Millisecond, Dir: t.TempDir()}
	r, _ := play(t, c, 3*time.Second)
	wantSound(t, r)
	if r.Cuts < 2 || r.Connections <= r.Cuts {
		t.Errorf("%d connections, %d cuts", r.Connections, r.Cuts)
	}
}

func TestDemoGoesOnInItsDirectory(t *testing.T) {
	t.Parallel()
	c := Config{Interval: 50 * time.Millisecond, Dir: t.TempDir()}
	for range 2 {
		r, _ := play(t, c, 300*time.Millisecond)
		if err := r.Check(); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(r.Faults, "\n"))
		}
	}
	if _, err := os.Stat(HubDir(c.Dir)); err != nil {
		t.Error(err)
	}
}

func TestStartUndoesEverythingWhenItFails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	keys := []*connection.Key{hubtest.Key(0), hubtest.Key(1)}
	if _, err := Start(t.Context(), Config{Dir: file, keys: keys}); err == nil {
		t.Error("no error for a directory that is a file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{keys: keys}); err == nil {
		t.Error("no error for a context that has ended")
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("%q were left behind", left)
	}
}

func TestResultsThatDoNotAddUp(t *testing.T) {
	good := Result{SamplesSent: 3, SamplesAcknowledged: 2, SamplesReplaced: 1, ImpulseRuns: 4, CheckedRuns: 4}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Result){
		"3 samples were sent but 2": func(r *Result) { r.SamplesAcknowledged = 1 },
		"refused 1 samples":         func(r *Result) { r.SamplesRefused = 1; r.SamplesReplaced = 0 },
		"1 runs failed":             func(r *Result) { r.FailedRuns = 1 },
		"1 actors were restarted":   func(r *Result) { r.Restarts = 1 },
		"2 messages not read":       func(r *Result) { r.Malformed = 2 },
		"but 3 checked":             func(r *Result) { r.CheckedRuns = 3 },
		"1 runs broke a rule":       func(r *Result) { r.Wrong = 1 },
	} {
		r := good
		spoil(&r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestChaosCutsWhatIsOpen: a connection that was closed in order is not cut, and none is after the end.
func TestChaosCutsWhatIsOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	})
	defer accepting.Wait()
	defer l.Close()
	dial := func(c *chaos) net.Conn {
		conn, err := c.dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	c := newChaos(7, time.Millisecond)
	open := dial(c)
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("read something from a connection that says nothing")
	}
	patient := newChaos(7, time.Hour)
	closed, kept := dial(patient), dial(patient)
	closed.Close()
	closed.(*fragile).cut()
	if n := patient.end(); n != 0 {
		t.Errorf("%d cuts, want none", n)
	}
	kept.(*fragile).cut()
	if n := patient.end(); n != 0 {
		t.Errorf("%d cuts after the end, want none", n)
	}
	kept.Close()
	if n := c.end(); n != 1 {
		t.Errorf("%d cuts, want 1", n)
	}
}
