package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/zap/zaptest"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// faulty is a file system in memory whose writes fail while full is set.
func faulty() (fs vfs.FS, full *atomic.Bool) {
	full = new(atomic.Bool)
	return errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("no space left on device")
		}
		return nil
	})), full
}

func numbered(n int) *store.Batch {
	x := store.Sample{Series: 1, Time: metric.NewTimeUUID(metric.Ticks(n), 0), Content: fmt.Sprint(n)}
	return &store.Batch{Samples: []store.Sample{x}}
}

func count(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.Samples(context.Background(), 1, metric.MinTime, metric.MaxTime, func(metric.TimeUUID, []byte) bool {
		n++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFullDiskRefusesWritesAndComesBack(t *testing.T) {
	fs, full := faulty()
	s := open(t, Config{Dir: "/data", fs: fs, Logger: zaptest.NewLogger(t)})
	ctx := context.Background()
	if err := s.Commit(ctx, numbered(1)); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	for range 3 {
		s.health.checked = time.Time{} // look at the disk each time
		if err := s.Commit(ctx, numbered(2)); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("commit on a full disk: %v, want ErrUnavailable", err)
		}
	}
	if n := count(t, s); n < 1 {
		t.Errorf("%d samples can be read while the disk is full, want the one committed", n)
	}
	full.Store(false)
	s.health.checked = time.Time{}
	if err := s.Commit(ctx, numbered(3)); err != nil {
		t.Fatalf("commit once there is room again: %v", err)
	}
	if n := count(t, s); n < 2 {
		t.Errorf("%d samples, want the two committed", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: "/data", fs: fs})
	if n := count(t, s); n < 2 {
		t.Errorf("%d samples after opening again, want the two committed", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseAfterAFailure(t *testing.T) {
	fs, full := faulty()
	s := open(t, Config{Dir: "/data", fs: fs})
	full.Store(true)
	_ = s.Commit(context.Background(), numbered(1))
	_ = s.Close() // its error is the disk's
	full.Store(false)
	s = open(t, Config{Dir: "/data", fs: fs})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
