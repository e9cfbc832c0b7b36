package pebblestore

import (
	"fmt"
	"sync"
	"time"

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

// health is whether the disk has room.
type health struct {
	mu      sync.Mutex
	low     error // too little space
	checked time.Time
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
	return h.low
}

// room looks at the disk and returns why nothing is to be written.
func (s *Store) room() error {
	var low error
	if usage, err := s.fs.GetDiskUsage(s.config.Dir); err == nil && usage.AvailBytes < reserve {
		low = fmt.Errorf("pebblestore: %w: %d bytes left on the disk, want at least %d",
			store.ErrUnavailable, usage.AvailBytes, int64(reserve))
	}
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	s.health.low = low
	return low
}

// writable returns why nothing can be written now, after looking whether that is still so.
func (s *Store) writable() error {
	if s.health.due() && s.room() == nil && s.failure() != nil && s.probe() == nil {
		s.reopen()
	}
	if err := s.failure(); err != nil {
		return err
	}
	return s.health.verdict()
}

// failure returns why the handle in use takes no writes.
func (s *Store) failure() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.handle.failure()
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

// reopen opens the database again after a failure. Reads wait meanwhile; where it cannot be opened they go on with the
// failed handle.
func (s *Store) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	log := s.config.Logger
	fresh, err := openHandle(s.config, s.fs, s.cache, false)
	if err != nil {
		log.Error("pebblestore: the database cannot be opened again", zap.Error(err))
		return
	}
	failed := s.handle
	s.handle = fresh
	log.Info("pebblestore: the database takes writes again")
	_ = failed.close(s.room) // says in the log what there is to say
}
