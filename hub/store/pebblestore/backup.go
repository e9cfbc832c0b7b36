package pebblestore

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

// Backup copies everything that has been committed to a new directory, which must not exist, while the store goes on:
// to start on it is to restore it. Files that do not change any more are linked rather than copied where that is
// possible, so that a backup on the same disk costs little. The directory appears under its name when it is complete.
func (s *Store) Backup(ctx context.Context, dir string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if _, err := s.fs.Stat(dir); !errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("pebblestore: backup: %s must not exist", dir)
	}
	// Inside a directory that is the owner's alone, since the database makes its own for everybody to read.
	part := dir + ".part"
	if err := s.fs.RemoveAll(part); err != nil {
		return fmt.Errorf("pebblestore: backup: %w", err)
	}
	if err := s.fs.MkdirAll(part, 0o700); err != nil {
		return fmt.Errorf("pebblestore: backup: %w", err)
	}
	copied := s.fs.PathJoin(part, "data")
	err := s.handle.guard(func() error { return s.handle.db.Checkpoint(copied, pebble.WithFlushedWAL()) })
	if err == nil {
		err = writeFormatFile(copied, s.fs)
	}
	if err == nil && s.fs == vfs.Default {
		err = os.Chmod(copied, 0o700)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = s.fs.Rename(copied, dir)
	}
	if err != nil {
		return fmt.Errorf("pebblestore: backup to %s: %w", dir, oneLine(err, s.fs.RemoveAll(part)))
	}
	if err := s.fs.RemoveAll(part); err != nil {
		return fmt.Errorf("pebblestore: backup: %w", err)
	}
	parent, err := s.fs.OpenDir(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("pebblestore: backup: %w", err)
	}
	return oneLine(parent.Sync(), parent.Close())
}

// OpenReadOnly opens a directory that no process uses, to read all of it. It changes nothing in it, but for the lock.
func OpenReadOnly(c Config) (*Store, error) {
	fs := c.fs
	if fs == nil {
		fs = vfs.Default
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if _, err := fs.Stat(c.Dir); err != nil {
		return nil, fmt.Errorf("pebblestore: %w", err)
	}
	lock, err := lockDir(c.Dir, fs)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(c, fs, lock, true)
	if err != nil {
		return nil, oneLine(err, lock.Close())
	}
	return s, nil
}

// Scan is what [Store.Scan] calls for each thing found. Its functions may be nil, what they are given is valid during
// the call only, and their first error ends the scan.
type Scan struct {
	Record  func(table store.Table, key, value []byte) error
	Sample  func(series uint64, content []byte) error
	Arrival func(a *store.Arrival) error
}

// Scan reads every key of the database, and with it the checksum of every block and log record: the error of damaged
// data names the file. A key of no known form is an error too.
func (s *Store) Scan(ctx context.Context, visit Scan) error {
	n := 0
	return s.iterate(nil, nil, false, func(key, value []byte) (bool, error) {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return true, visit.one(key, value)
	})
}

func (v Scan) one(key, value []byte) error {
	switch {
	case len(key) == 1 && key[0] == prefixFormat:
		return nil
	case len(key) >= 2 && key[0] == prefixRecord:
		if v.Record != nil {
			return v.Record(store.Table(key[1]), key[2:], value)
		}
		return nil
	case len(key) == 25 && key[0] == prefixSample:
		if v.Sample != nil {
			return v.Sample(sampleSeries(key), value)
		}
		return nil
	case len(key) == 17 && key[0] == prefixArrival:
		a, err := store.DecodeArrival(arrivalOwner(key), arrivalPosition(key), value)
		if err != nil {
			return fmt.Errorf("pebblestore: arrival %d of owner %d: %w", a.Position, a.Owner, err)
		}
		if v.Arrival != nil {
			return v.Arrival(&a)
		}
		return nil
	}
	return fmt.Errorf("pebblestore: key %q is of no known form", key)
}
