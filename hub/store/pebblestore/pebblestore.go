// Package pebblestore is a [store.Store] in one directory, on the embedded database Pebble. Commits that overlap
// share one write to the disk, and none returns before it.
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// Config describes a store on disk.
type Config struct {
	// Dir is the directory, made with mode 0700 when it does not exist. One process at a time may use it.
	Dir string
	// Logger gets the warnings and errors of the database. Default: none.
	Logger *zap.Logger
	// CacheBytes bounds the memory for blocks read from disk. Default 64 MiB.
	CacheBytes int64

	fs vfs.FS // tests use one in memory that can crash
}

// Store is a store on disk. Make it with [Open].
//
// After a write that failed, the database takes no more of them. The store then refuses commits, goes on reading, and
// opens the database again once the disk takes writes; no restart is needed.
type Store struct {
	config Config
	fs     vfs.FS
	lock   *pebble.Lock

	mu     sync.RWMutex // held for reading by every call, for writing by reopen and Close
	db     *pebble.DB   // nil where opening again failed
	closed bool

	health health
}

// ErrLocked is wrapped by the error of Open when another process uses the directory.
var ErrLocked = errors.New("the directory is used by another process")

// Open opens the store in a directory, or makes one. It refuses a directory written by a newer version, and one that
// is in use, with an error that says so.
func Open(c Config) (*Store, error) {
	if c.Dir == "" {
		return nil, errors.New("pebblestore: the directory must be named")
	}
	fs := c.fs
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("pebblestore: making the directory: %w", err)
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	lock, err := pebble.LockDirectory(c.Dir, fs)
	switch {
	case errors.Is(err, iofs.ErrPermission) || errors.Is(err, iofs.ErrNotExist):
		return nil, fmt.Errorf("pebblestore: locking %s: %w", c.Dir, err)
	case err != nil:
		return nil, fmt.Errorf("pebblestore: %s: %w (%w)", c.Dir, ErrLocked, err)
	}
	s := &Store{config: c, fs: fs, lock: lock}
	if s.db, err = pebble.Open(c.Dir, options(c, fs, lock)); err != nil {
		return nil, errors.Join(fmt.Errorf("pebblestore: opening %s: %w", c.Dir, err), lock.Close())
	}
	if err := s.checkFormat(); err != nil {
		return nil, errors.Join(fmt.Errorf("pebblestore: %s: %w", c.Dir, err), s.db.Close(), lock.Close())
	}
	return s, nil
}

func options(c Config, fs vfs.FS, lock *pebble.Lock) *pebble.Options {
	size := c.CacheBytes
	if size == 0 {
		size = 64 << 20
	}
	o := &pebble.Options{
		FS:                 fs,
		Lock:               lock,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             logger{c.Logger},
		MemTableSize:       32 << 20,
		CacheSize:          size,
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	return o
}

func (s *Store) checkFormat() error {
	key := []byte{prefixFormat}
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return s.db.Set(key, []byte{format}, pebble.Sync)
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if len(value) != 1 || value[0] != format {
		return fmt.Errorf("the data has format %d, this version reads format %d: use a newer version", value, format)
	}
	return nil
}

// logger turns the database's messages into ours. Fatalf panics: the database calls it where it cannot go on, and
// its own logger would end the process.
type logger struct{ zap *zap.Logger }

func (l logger) Infof(string, ...any) {}
func (l logger) Errorf(text string, args ...any) {
	l.zap.Error("pebble: " + fmt.Sprintf(text, args...))
}

func (l logger) Fatalf(text string, args ...any) {
	message := "pebble: " + fmt.Sprintf(text, args...)
	l.zap.Error(message)
	panic(fatal(message))
}

type fatal string

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if b.Empty() {
		return nil
	}
	if s.db == nil {
		return s.health.failure()
	}
	defer func() {
		if p := recover(); p != nil {
			message, ours := p.(fatal)
			if !ours {
				panic(p)
			}
			err = fmt.Errorf("%w: %s", store.ErrUnavailable, string(message))
			s.health.fail(err)
		}
	}()
	batch := s.db.NewBatch()
	if err = fill(batch, b); err == nil {
		err = batch.Commit(pebble.Sync)
	}
	if err != nil {
		return fmt.Errorf("pebblestore: commit: %w: %w", store.ErrUnavailable, err)
	}
	return batch.Close()
}

// fill translates a batch. Errors of the calls that only append to memory are the same for all: the last is enough.
func fill(to *pebble.Batch, b *store.Batch) (err error) {
	var key, value []byte
	note := func(e error) {
		if e != nil {
			err = e
		}
	}
	for _, r := range b.Records {
		key = appendRecordKey(key[:0], r.Table, r.Key)
		if r.Value == nil {
			note(to.Delete(key, nil))
		} else {
			note(to.Set(key, r.Value, nil))
		}
	}
	for _, x := range b.Samples {
		key = appendSampleKey(key[:0], x.Series, x.Time)
		value = append(value[:0], x.Content...)
		note(to.Set(key, value, nil))
	}
	for _, c := range b.Cuts {
		low, _ := seriesBounds(c.Series)
		note(to.DeleteRange(low, appendSampleKey(nil, c.Series, c.Before), nil))
	}
	for _, id := range b.Drop {
		low, high := seriesBounds(id)
		note(to.DeleteRange(low, high, nil))
	}
	for i := range b.Arrivals {
		a := &b.Arrivals[i]
		key = appendArrivalKey(key[:0], a.Owner, a.Position)
		value = store.AppendArrival(value[:0], a)
		note(to.Set(key, value, nil))
	}
	return err
}

// iterate walks the keys in [low, high), backwards if asked, until visit returns false or an error.
func (s *Store) iterate(low, high []byte, backwards bool, visit func(key, value []byte) (bool, error)) (err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if s.db == nil {
		return s.health.failure()
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return unavailable(err)
	}
	defer func() {
		if e := it.Close(); err == nil && e != nil {
			err = unavailable(e)
		}
	}()
	first, next := it.First, it.Next
	if backwards {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok; ok = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return unavailable(err)
		}
		if more, err := visit(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return nil
}

func unavailable(err error) error {
	return fmt.Errorf("pebblestore: read: %w: %w", store.ErrUnavailable, err)
}

// Records implements [store.Store].
func (s *Store) Records(_ context.Context, table store.Table, visit func(key, value []byte) error) error {
	low := appendRecordKey(nil, table, "")
	return s.iterate(low, successor(low), false, func(key, value []byte) (bool, error) {
		return true, visit(key[len(low):], value)
	})
}

// Samples implements [store.Store].
func (s *Store) Samples(ctx context.Context, series uint64, from, to metric.TimeUUID,
	visit func(metric.TimeUUID, []byte) bool) error {
	low := appendSampleKey(nil, series, from)
	high := append(appendSampleKey(nil, series, to), 0) // the least key behind an inclusive bound
	if from.Compare(to) > 0 {
		return nil
	}
	return s.iterate(low, high, true, func(key, value []byte) (bool, error) {
		return visit(sampleTime(key), value), ctx.Err()
	})
}

// Since implements [store.Store].
func (s *Store) Since(ctx context.Context, owner, position uint64, limit int) (found []store.Arrival, err error) {
	low := appendArrivalKey(nil, owner, position+1)
	bytes := 0
	err = s.iterate(low, ownerEnd(owner), false, func(key, value []byte) (bool, error) {
		if bytes += len(value); len(found) >= limit || bytes > 1<<20 && len(found) > 0 {
			return false, nil
		}
		a, err := store.DecodeArrival(owner, arrivalPosition(key), value)
		if err != nil {
			return false, fmt.Errorf("pebblestore: arrival %d of owner %d: %w", arrivalPosition(key), owner, err)
		}
		found = append(found, a)
		return true, ctx.Err()
	})
	return found, err
}

func ownerEnd(owner uint64) []byte { return successor(appendArrivalKey(nil, owner, 0)[:9]) }

// Last implements [store.Store].
func (s *Store) Last(_ context.Context, owner uint64) (position uint64, err error) {
	err = s.iterate(appendArrivalKey(nil, owner, 0), ownerEnd(owner), true, func(key, _ []byte) (bool, error) {
		position = arrivalPosition(key)
		return false, nil
	})
	return position, err
}

// Trim implements [store.Store]. The size is the database's estimate, which knows what is on disk; a log over it
// loses its older half, so that trimming has not to measure each arrival.
func (s *Store) Trim(ctx context.Context, owner uint64, before time.Time, maxBytes int64) error {
	last, err := s.Last(ctx, owner)
	if err != nil || last == 0 {
		return err
	}
	low := appendArrivalKey(nil, owner, 0)
	first, keep := uint64(0), last
	err = s.iterate(low, ownerEnd(owner), false, func(key, value []byte) (bool, error) {
		position := arrivalPosition(key)
		if first == 0 {
			first = position
		}
		a, err := store.DecodeArrival(owner, position, value)
		if err != nil {
			return false, err
		}
		if !a.At.Before(before) {
			keep = min(keep, position)
			return false, nil
		}
		return true, ctx.Err()
	})
	if err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if failure := s.health.failure(); failure != nil {
		return failure
	}
	size, err := s.db.EstimateDiskUsage(low, ownerEnd(owner))
	if err != nil {
		return unavailable(err)
	}
	if int64(size) > maxBytes {
		keep = max(keep, first+(last-first)/2)
	}
	if keep <= first {
		return nil
	}
	if err := s.db.DeleteRange(low, appendArrivalKey(nil, owner, keep), pebble.NoSync); err != nil {
		return unavailable(err)
	}
	return nil
}

// Ready implements [store.Store].
func (s *Store) Ready() error {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return store.ErrClosed
	}
	return s.writable()
}

// Close writes what is still in memory to tables, so that the next Open has no log to replay, and closes the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.health.failure() != nil {
		// The handle is beyond use; what was committed is in the log, which the next Open replays.
		return errors.Join(closeFailed(s.db), s.lock.Close())
	}
	return errors.Join(s.db.Flush(), s.db.Close(), s.lock.Close())
}
