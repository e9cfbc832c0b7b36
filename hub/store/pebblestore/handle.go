package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/zap"

	"github.com/komstream/komstream/hub/store"
)

// handle is one opening of the database. After a write that failed, of the log or of its list of files, the database
// cannot go on: it calls Fatalf, in whatever goroutine of its own or of ours, and expects that not to return. The
// goroutine is ended, the handle has failed, and its files are shut against it, so that nothing of it that still runs
// harms the handle that takes its place.
type handle struct {
	db       *pebble.DB
	log      *zap.Logger
	readOnly bool

	shut   atomic.Bool // its files take no more changes from it
	failed chan struct{}
	once   sync.Once
	err    error // why, once failed is closed
}

// errShut is what a failed handle gets for any attempt to change a file.
var errShut = errors.New("pebblestore: the handle has failed")

// locked is the file system of a directory that the store has locked: a handle need not, and could not while the one
// before it is still open.
type locked struct{ vfs.FS }

// Lock implements vfs.FS.
func (locked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// openHandle opens the database in the store's directory.
func openHandle(c Config, fs vfs.FS, cache *pebble.Cache, readOnly bool) (*handle, error) {
	h := &handle{log: c.Logger, readOnly: readOnly, failed: make(chan struct{})}
	gated := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if h.shut.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return errShut
		}
		return nil
	}))
	o := &pebble.Options{
		FS:                 locked{gated},
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             h,
		MemTableSize:       32 << 20,
		Cache:              cache,
		ReadOnly:           readOnly,
		EventListener: &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
			h.log.Error("pebble: data is damaged", zap.String("file", info.Path), zap.Error(info.Details))
		}},
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	err := h.guard(func() (err error) {
		h.db, err = pebble.Open(c.Dir, o)
		return err
	})
	if err != nil {
		h.shut.Store(true)
		return nil, fmt.Errorf("opening %s: %w", c.Dir, err)
	}
	return h, nil
}

// guard runs something that may fail the handle, and returns its error, or why the handle has failed meanwhile.
func (h *handle) guard(f func() error) error {
	select {
	case err := <-h.start(f):
		return err
	case <-h.failed:
		return h.err
	}
}

// start runs f in a goroutine that Fatalf may end.
func (h *handle) start(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errShut // unless f returns
		defer func() { done <- err }()
		err = f()
	}()
	return done
}

// fail notes that the handle takes no more writes.
func (h *handle) fail(err error) {
	h.once.Do(func() {
		h.shut.Store(true)
		h.err = fmt.Errorf("pebblestore: %w: %w", store.ErrUnavailable, err)
		close(h.failed)
	})
}

// failure returns why the handle takes no more writes, nil where it does.
func (h *handle) failure() error {
	select {
	case <-h.failed:
		return h.err
	default:
		return nil
	}
}

// closeTime bounds how long a failed handle is waited for. One that does not close is left to itself.
const closeTime = 2 * time.Second

// await waits for something that writes. On a full disk the database may wait for room, for as long as it takes: then
// the handle is given up, so that whoever waits for it gets an answer.
func (h *handle) await(done <-chan error, room func() error) error {
	look := time.NewTicker(checkEvery)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-h.failed:
			return h.err
		case <-look.C:
			if low := room(); low != nil {
				h.fail(low)
			}
		}
	}
}

// close closes the handle, after writing what is in memory to tables, so that the next opening has no log to replay.
func (h *handle) close(room func() error) error {
	if h.readOnly {
		return h.guard(h.db.Close)
	}
	if h.failure() == nil {
		err := h.await(h.start(h.db.Flush), room)
		if h.failure() == nil {
			return oneLine(err, h.await(h.start(h.db.Close), room))
		}
	}
	timer := time.NewTimer(closeTime)
	defer timer.Stop()
	done := h.start(func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("pebblestore: closing a failed handle: %v", p)
			}
		}()
		return h.db.Close()
	})
	select {
	case err := <-done:
		h.log.Debug("pebblestore: a failed handle was closed", zap.Error(err))
	case <-timer.C:
		h.log.Warn("pebblestore: a failed handle does not close")
	}
	return nil // what was committed is in the log, which the next opening replays
}

// Infof implements the database's logger.
func (h *handle) Infof(string, ...any) {}

// Errorf implements the database's logger.
func (h *handle) Errorf(text string, args ...any) {
	h.log.Error("pebble: " + fmt.Sprintf(text, args...))
}

// Fatalf implements the database's logger. It does not return.
func (h *handle) Fatalf(text string, args ...any) {
	err := fmt.Errorf("pebble: "+text, args...)
	h.log.Error("the database cannot go on", zap.Error(err))
	h.fail(err)
	runtime.Goexit()
}
