package hub_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// smallDisk mounts a file system of its own, which needs the rights of an administrator.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	must(t, err)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ballast fills a disk to the last byte, in one step.
func ballast(t *testing.T, dir string) (remove func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	must(t, err)
	for {
		var s syscall.Statfs_t
		must(t, syscall.Statfs(dir, &s))
		// The database may take some of it in between.
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(s.Bavail)*s.Bsize); !errors.Is(err, syscall.ENOSPC) {
			must(t, err)
			break
		}
	}
	must(t, f.Close())
	return func() { must(t, os.Remove(name)) }
}

// TestFullDisk fills the disk under a hub that is being written to: writes are refused with 4503, reads go on, nothing
// that was acknowledged is lost, and once there is room the hub goes on by itself.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills a disk")
	}
	disk := smallDisk(t, 700)
	dir := filepath.Join(disk, "data")
	h := hubtest.Start(t, hub.Config{Dir: dir})
	c := dial(t, h, "alice", "")
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 50<<10) // does not compress
	acknowledged := map[string]bool{}
	second := 0
	write := func() int {
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		second++
		s := ds("df", second, fmt.Sprint(second, " ", hex.EncodeToString(noise)))
		seq := c.seqs.Next()
		f, _ := c.ask(seq, wire.AppendSendOne(nil, seq, wire.Seq{}, nil, &s))
		if f.status() == 4200 {
			acknowledged[fmt.Sprint(second)] = true
		}
		return f.status()
	}
	for round := range 2 {
		for range 200 {
			if status := write(); status != 4200 {
				t.Fatalf("round %d: a write with room on the disk: %d", round, status)
			}
		}
		remove := ballast(t, disk)
		refused := 0
		for refused < 3 {
			switch status := write(); status {
			case 4200: // there was still room in what the database had taken before
			case 4503:
				refused++
			default:
				t.Fatalf("round %d: a write on a full disk: %d, want 4503", round, status)
			}
		}
		if err := h.Ready(); err == nil {
			t.Error("the hub calls itself ready on a full disk")
		}
		if rows := texts(t, c); !covers(rows, acknowledged) {
			t.Errorf("round %d: on a full disk %d rows can be read, want the %d acknowledged", round, len(rows), len(acknowledged))
		}
		remove()
		deadline := time.Now().Add(30 * time.Second)
		for write() != 4200 {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: the hub does not go on: %v", round, h.Ready())
			}
		}
	}
	must(t, h.Close())
	again := hubtest.Start(t, hub.Config{Dir: dir})
	cookie, err := again.CookieOf("alice")
	must(t, err)
	if rows := texts(t, connect(t, again, cookie, "")); !covers(rows, acknowledged) {
		t.Errorf("after a restart there are %d rows, want the %d acknowledged", len(rows), len(acknowledged))
	}
}

// TestDisksThatCannotBeStartedOn: a full one, and one that may only be read. Each is one line, and what is there stays.
func TestDisksThatCannotBeStartedOn(t *testing.T) {
	ctx := context.Background()
	prepare := func() (disk, dir string) {
		disk = smallDisk(t, 200)
		dir = filepath.Join(disk, "data")
		h, err := hub.Start(ctx, hub.Config{Dir: dir})
		must(t, err)
		must(t, h.AddUser(ctx, "alice"))
		must(t, h.Close())
		return disk, dir
	}
	refused := func(name, dir string) {
		t.Helper()
		h, err := hub.Start(ctx, hub.Config{Dir: dir})
		if err == nil {
			// It may start to serve reads, but must not take a change.
			if h.AddUser(ctx, "bob") == nil {
				t.Errorf("%s: it took a change", name)
			}
			_ = h.Close()
			return
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %q, want one line that names the directory", name, err)
		}
	}
	intact := func(name, dir string) {
		t.Helper()
		h, err := hub.Start(ctx, hub.Config{Dir: dir})
		must(t, err)
		if users := h.Users(); len(users) != 1 || users[0] != "alice" {
			t.Errorf("%s: users %v afterwards, want alice", name, users)
		}
		must(t, h.Close())
	}
	disk, dir := prepare()
	remove := ballast(t, disk)
	refused("full", dir)
	remove()
	intact("full", dir)
	disk, dir = prepare()
	must(t, syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	refused("read-only", dir)
	must(t, syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT, ""))
	intact("read-only", dir)
}

// texts returns the first words of the rows of df.
func texts(t *testing.T, c *client) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, row := range c.history(metric.URI("df")) {
		var n string
		_, _ = fmt.Sscan(row, &n)
		found[n] = true
	}
	return found
}

func covers(rows, acknowledged map[string]bool) bool {
	for n := range acknowledged {
		if !rows[n] {
			return false
		}
	}
	return true
}
