package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
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

	cache *pebble.Cache

	mu     sync.RWMutex // held for reading by every call, for writing by reopen and Close
	handle *handle
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
	lock, err := lockDir(c.Dir, fs)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(c, fs, lock, false)
	if err != nil {
		return nil, oneLine(err, lock.Close())
	}
	return s, nil
}

func lockDir(dir string, fs vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fs)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, syscall.EAGAIN) || strings.Contains(err.Error(), "held by current process"):
		return nil, fmt.Errorf("pebblestore: %s: %w", dir, ErrLocked)
	}
	return nil, fmt.Errorf("pebblestore: locking %s: %w", dir, err)
}

// openLocked opens a directory that is locked.
func openLocked(c Config, fs vfs.FS, lock *pebble.Lock, readOnly bool) (s *Store, err error) {
	if err := checkFormatFile(c.Dir, fs); err != nil {
		return nil, err
	}
	size := c.CacheBytes
	if size == 0 {
		size = 64 << 20
	}
	s = &Store{config: c, fs: fs, lock: lock, cache: pebble.NewCache(size)}
	if !readOnly {
		// To open is to write, and a database that fails at that cannot be closed.
		if err := s.room(); err != nil {
			s.cache.Unref()
			return nil, fmt.Errorf("pebblestore: %s: %w", c.Dir, err)
		}
	}
	if s.handle, err = openHandle(c, fs, s.cache, readOnly); err != nil {
		s.cache.Unref()
		return nil, fmt.Errorf("pebblestore: %w", err)
	}
	err = s.checkFormat(readOnly)
	if err == nil && !readOnly {
		err = writeFormatFile(c.Dir, fs)
	}
	if err != nil {
		err = oneLine(fmt.Errorf("pebblestore: %s: %w", c.Dir, err), s.handle.close(s.room))
		s.cache.Unref()
		return nil, err
	}
	return s, nil
}

// checkFormat compares the format that the database says it has, which every version has written there.
func (s *Store) checkFormat(readOnly bool) error {
	db, key := s.handle.db, []byte{prefixFormat}
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		if readOnly {
			return errors.New("it holds no data of a hub")
		}
		return s.handle.guard(func() error { return db.Set(key, []byte{format}, pebble.Sync) })
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if len(value) != 1 || value[0] != format {
		return newerFormat(fmt.Sprintf("%d", value))
	}
	return nil
}

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
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
	batch := s.handle.db.NewBatch()
	if err := fill(batch, b); err != nil {
		return fmt.Errorf("pebblestore: commit: %w: %w", store.ErrUnavailable, err)
	}
	done := s.handle.start(func() error { return oneLine(batch.Commit(pebble.Sync), batch.Close()) })
	if err := s.handle.await(done, s.room); err != nil {
		return fmt.Errorf("pebblestore: commit: %w: %w", store.ErrUnavailable, err)
	}
	return nil
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
	it, err := s.handle.db.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
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
	return oneLine(fmt.Errorf("pebblestore: read: %w: %w", store.ErrUnavailable, err))
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
	if failure := s.handle.failure(); failure != nil {
		return failure
	}
	size, err := s.handle.db.EstimateDiskUsage(low, ownerEnd(owner))
	if err != nil {
		return unavailable(err)
	}
	if int64(size) > maxBytes {
		keep = max(keep, first+(last-first)/2)
	}
	if keep <= first {
		return nil
	}
	return s.handle.guard(func() error {
		return s.handle.db.DeleteRange(low, appendArrivalKey(nil, owner, keep), pebble.NoSync)
	})
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
	err := s.handle.close(s.room)
	s.cache.Unref()
	return oneLine(err, s.lock.Close())
}

// oneLine joins errors to one whose text is one line, nil for none.
func oneLine(errs ...error) error {
	var all error
	for _, err := range errs {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	if all != nil && strings.Contains(all.Error(), "\n") {
		all = lineError{all}
	}
	return all
}

// lineError is an error whose text had several lines.
type lineError struct{ error }

func (e lineError) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e lineError) Unwrap() error { return e.error }
