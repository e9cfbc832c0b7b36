package pebblestore

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

const (
	// reserve is the free space that writes leave alone: a full disk is fatal to the database.
	reserve = 64 << 20
	// checkEvery is how often the disk is looked at.
	checkEvery = time.Second
)

// health is whether the database takes writes.
type health struct {
	mu      sync.Mutex
	err     error // why it does not, for good: the handle has to be opened again
	low     error // why it is not asked to: too little space
	checked time.Time
}

// fail notes that the handle takes no more writes.
func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err, h.checked = err, time.Now()
	}
}

// failure returns why the handle takes no more writes, nil where it does.
func (h *health) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// due reports whether the disk is to be looked at again, and by the caller only.
func (h *health) due() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.checked) < checkEvery {
		return false
	}
	h.checked = time.Now()
	return true
}

func (h *health) verdict() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	return h.low
}

// writable returns why nothing can be written now, after looking whether that is still so.
func (s *Store) writable() error {
	if s.health.due() {
		var low error
		if usage, err := s.fs.GetDiskUsage(s.config.Dir); err == nil && usage.AvailBytes < reserve {
			low = fmt.Errorf("pebblestore: %w: %d bytes left on the disk, want at least %d",
				store.ErrUnavailable, usage.AvailBytes, int64(reserve))
		}
		s.health.mu.Lock()
		s.health.low = low
		s.health.mu.Unlock()
		if low == nil && s.health.failure() != nil && s.probe() == nil {
			s.reopen()
		}
	}
	return s.health.verdict()
}

// probe tries whether the disk takes writes, so that a handle that can still read is not given up in vain.
func (s *Store) probe() error {
	name := s.fs.PathJoin(s.config.Dir, "probe")
	f, err := s.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if removed := s.fs.Remove(name); err == nil {
		err = removed
	}
	return err
}

// reopen opens the database again after a failure. Reads wait meanwhile.
func (s *Store) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	log := s.config.Logger
	if err := closeFailed(s.db); err != nil {
		log.Warn("pebblestore: closing the failed database", zap.Error(err))
	}
	db, err := pebble.Open(s.config.Dir, options(s.config, s.fs, s.lock))
	s.db = db
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if err != nil {
		s.db = nil
		s.health.err = fmt.Errorf("pebblestore: %w: opening again: %w", store.ErrUnavailable, err)
		log.Error("pebblestore: the database cannot be opened again", zap.Error(err))
		return
	}
	s.health.err = nil
	log.Info("pebblestore: the database takes writes again")
}

// closeFailed closes a handle that reported a fatal error, as far as it can be closed.
func closeFailed(db *pebble.DB) (err error) {
	if db == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pebblestore: close after a failure: %v", p)
		}
	}()
	return db.Close()
}
