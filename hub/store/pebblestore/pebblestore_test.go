package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/storetest"
	"github.com/komstream/komstream/metric"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, Config{Dir: t.TempDir()}) })
}

func open(t *testing.T, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectoryIsPrivateAndUsedByOne(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	s := open(t, Config{Dir: dir})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v, want mode 0700", info.Mode(), err)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open: %v, want ErrLocked", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	if err := s.handle.db.Set([]byte{prefixFormat}, []byte{format + 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Config{Dir: dir}); err == nil {
		_ = s.Close()
		t.Error("a directory of a newer format was opened")
	}
}

// TestCommitSurvivesPowerLoss loses, at a random moment, everything that was not synced, and looks for what had been
// committed before.
func TestCommitSurvivesPowerLoss(t *testing.T) {
	for range 5 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { losePower(t, seed) })
	}
}

func losePower(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	fs := vfs.NewCrashableMem()
	s := open(t, Config{Dir: "/data", fs: fs})
	commits := 20 + r.IntN(200)
	committed := make(chan int, 4*commits)
	done := make(chan struct{})
	for w := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range commits {
				n := w*commits + i
				b := &store.Batch{
					Samples: []store.Sample{{Series: 1, Time: metric.NewTimeUUID(metric.Ticks(n), 0), Content: fmt.Sprint(n)}},
					Records: []store.Record{{Table: store.TableUsers, Key: fmt.Sprint(n), Value: []byte("x")}},
				}
				if err := s.Commit(context.Background(), b); err != nil {
					t.Error(err)
					return
				}
				committed <- n
			}
		}()
	}
	stop := r.IntN(4 * commits)
	for range stop {
		<-committed
	}
	// Everything received so far was committed; more may be.
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
	for range 4 {
		<-done
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkSurvivors(t, open(t, Config{Dir: "/data", fs: crashed}), stop)
}

func checkSurvivors(t *testing.T, s *Store, atLeast int) {
	t.Helper()
	samples, records := 0, 0
	err := errors.Join(
		s.Samples(context.Background(), 1, metric.MinTime, metric.MaxTime, func(at metric.TimeUUID, content []byte) bool {
			if fmt.Sprint(int(at.Ticks())) != string(content) {
				t.Errorf("sample %d holds %s", at.Ticks(), content)
			}
			samples++
			return true
		}),
		s.Records(context.Background(), store.TableUsers, func(_, _ []byte) error { records++; return nil }),
		s.Close())
	if err != nil {
		t.Fatal(err)
	}
	if samples < atLeast || records != samples {
		t.Errorf("%d samples and %d records survived, want at least %d of each and as many", samples, records, atLeast)
	}
}
