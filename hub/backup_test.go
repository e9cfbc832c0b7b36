package hub

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/pebblestore"
	"github.com/komstream/komstream/metric"
)

// onDisk starts a hub on a directory, with a session of alice to write through.
func onDisk(t *testing.T, dir string) *direct {
	t.Helper()
	s, err := pebblestore.Open(pebblestore.Config{Dir: dir})
	check(t, err)
	return newDirect(t, s)
}

func TestBackupAndRestore(t *testing.T) {
	dir, backup := t.TempDir()+"/data", t.TempDir()+"/backup"
	ctx := context.Background()
	d := onDisk(t, dir)
	for i := range 100 {
		d.write(number("a", i), text("t", i, strings.Repeat("x", 100)))
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 100; ; i++ {
			select {
			case <-stop:
				return
			default:
				d.write(number("b", i))
			}
		}
	}()
	check(t, d.hub.Backup(ctx, backup))
	close(stop)
	<-stopped
	if err := d.hub.Backup(ctx, backup); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a backup onto another: %v, want an error of one line", err)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the backup has mode %v, %v, want 0700", info.Mode(), err)
	}
	v, err := Verify(ctx, backup)
	check(t, err)
	if v.Users != 1 || v.Agents != 1 || v.Metrics < 2 || v.Samples < 200 || v.Arrivals < 100 || len(v.Faults) > 0 {
		t.Errorf("the backup holds %+v", v)
	}
	h, err := Start(ctx, Config{Dir: backup})
	check(t, err)
	defer h.Close()
	got := left(t, h)
	delete(got, "b")
	if diff := cmp.Diff(map[metric.URI]int{"a": 100, "t": 100}, got); diff != "" {
		t.Error(diff)
	}
	if err := start(t, Config{}).Backup(ctx, t.TempDir()+"/x"); err == nil {
		t.Error("a hub in memory was backed up")
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir() + "/data"
	ctx := context.Background()
	d := onDisk(t, dir)
	for i := range 2000 {
		d.write(number("a", i), text("t", i, strings.Repeat("some text ", i%50)))
	}
	if _, err := Verify(ctx, dir); !errors.Is(err, pebblestore.ErrLocked) {
		t.Errorf("while a hub uses the directory: %v, want ErrLocked", err)
	}
	usage, err := d.hub.Usage(ctx, "alice")
	check(t, err, d.hub.Close())
	before := contents(t, dir)
	v, err := Verify(ctx, dir)
	check(t, err)
	if v.Samples != 4000 || v.Arrivals != 2000 || v.Metrics != 2 || v.Bytes != usage.Bytes || len(v.Faults) != 0 {
		t.Errorf("verified %+v, want 4000 samples of %d bytes in 2000 arrivals", v, usage.Bytes)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Error("verifying changed the directory: ", diff)
	}
	s, err := pebblestore.Open(pebblestore.Config{Dir: dir})
	check(t, err)
	b := &store.Batch{Samples: []store.Sample{{Series: 99, Content: "1"}, {Series: 1, Time: metric.MinTime, Content: "no number"},
		{Series: 2, Time: metric.MinTime, Content: "no number"}, // one of the two is a text
	}}
	b.Put(store.Record{Table: store.TableAgents, Key: "x", Value: []byte("{")})
	check(t, s.Commit(ctx, b), s.Close())
	if v, err = Verify(ctx, dir); err != nil || len(v.Faults) != 3 {
		t.Errorf("of 3 contradictions it found %q, %v", v.Faults, err)
	}
	if _, err := Verify(ctx, t.TempDir()+"/none"); err == nil {
		t.Error("a directory that does not exist was verified")
	}
}

// contents returns the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(dir + "/*")
	check(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		all[filepath.Base(name)] = string(text)
	}
	return all
}

// TestDamageIsFound flips one bit in a table.
func TestDamageIsFound(t *testing.T) {
	dir := t.TempDir() + "/data"
	ctx := context.Background()
	d := onDisk(t, dir)
	for i := range 2000 {
		d.write(number("a", i))
	}
	check(t, d.hub.Close())
	tables, err := filepath.Glob(dir + "/*.sst")
	check(t, err)
	if len(tables) == 0 {
		t.Fatal("there are no tables")
	}
	largest, content := "", []byte{}
	for _, name := range tables {
		text, err := os.ReadFile(name)
		check(t, err)
		if len(text) > len(content) {
			largest, content = name, text
		}
	}
	content = bytes.Clone(content)
	content[len(content)/3] ^= 0x10
	check(t, os.WriteFile(largest, content, 0o600))
	_, err = Verify(ctx, dir)
	if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(filepath.Base(largest), ".sst")) || strings.Contains(err.Error(), "\n") {
		t.Errorf("with a flipped bit: %v, want an error of one line that names the file", err)
	}
}

// TestDirectoriesThatCannotBeUsed: each is one line, and nothing is damaged.
func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"newer format": func(t *testing.T, dir string) {
			check(t, os.WriteFile(dir+"/FORMAT", []byte("komstream hub data, format 2\n"), 0o600))
		},
		"format of another program": func(t *testing.T, dir string) {
			check(t, os.WriteFile(dir+"/FORMAT", []byte("a b c\n"), 0o600))
		},
		"list of files gone": func(t *testing.T, dir string) {
			names, err := filepath.Glob(dir + "/MANIFEST*")
			check(t, err)
			for _, name := range names {
				check(t, os.Remove(name))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/data"
			h, err := Start(ctx, Config{Dir: dir})
			check(t, err)
			check(t, h.AddUser(ctx, "alice"), h.Close())
			spoil(t, dir)
			before := contents(t, dir)
			h, err = Start(ctx, Config{Dir: dir})
			if err == nil {
				_ = h.Close()
				t.Fatal("a hub started on it")
			}
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %q, want one line that names the directory", err)
			}
			if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
				t.Errorf("the directory was changed: %s", diff)
			}
		})
	}
	file := t.TempDir() + "/file"
	check(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, file + "/below", "/proc/none"} {
		if h, err := Start(ctx, Config{Dir: dir}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want an error of one line", dir, err)
			if err == nil {
				_ = h.Close()
			}
		}
	}
}

func TestPasswords(t *testing.T) {
	var c clock
	c.pass(time.Hour)
	h := start(t, Config{now: c.now})
	ctx := context.Background()
	check(t, h.AddUser(ctx, "alice"), h.AddUser(ctx, "bob"), h.SetPassword(ctx, "alice", "correct horse"))
	try := func(from, user, password string) error { return h.CheckPassword(ctx, from, user, password) }
	check(t, try("192.0.2.1", "Alice", "correct horse"))
	for _, x := range [][2]string{
		{"alice", "correct horsf"}, {"alice", ""}, {"bob", ""}, {"bob", "correct horse"}, {"nobody", "correct horse"},
		{"alice", strings.Repeat("x", 2000)},
	} {
		if err := try("192.0.2.2", x[0], x[1]); !errors.Is(err, ErrDenied) {
			t.Errorf("%q with %q: %v, want ErrDenied", x[0], x[1], err)
		}
	}
	if err := errors.Join(h.SetPassword(ctx, "bob", "short"), h.SetPassword(ctx, "bob", strings.Repeat("x", 1025))); err == nil {
		t.Error("a short and a long password were set")
	}
	if stored := h.directory.user("alice").current().Password; strings.Contains(stored, "correct") || !strings.HasPrefix(stored, "$argon2id$v=19$m=47104,t=1,p=1$") {
		t.Errorf("stored as %q", stored)
	}
	var limit *LimitError
	for range guessesOfAddress {
		if err := try("192.0.2.2", "nobody", "x"); errors.As(err, &limit) {
			break
		}
	}
	if limit == nil || limit.RetryAfter <= 0 || limit.RetryAfter > time.Minute {
		t.Fatalf("after %d wrong passwords from one address: %v, want a LimitError", guessesOfAddress, limit)
	}
	if err := try("192.0.2.2", "alice", "correct horse"); !errors.As(err, &limit) {
		t.Errorf("from there the right one: %v, want a LimitError", err)
	}
	check(t, try("192.0.2.3", "alice", "correct horse"))
	c.pass(limit.RetryAfter)
	check(t, try("192.0.2.2", "alice", "correct horse"), h.SetPassword(ctx, "alice", ""))
	if err := try("", "alice", ""); !errors.Is(err, ErrDenied) {
		t.Errorf("without a password: %v, want ErrDenied", err)
	}
	if h.limits.sweep(c.now().Add(time.Hour)); len(h.limits.addresses.byName)+len(h.limits.users.byName) > 0 {
		t.Error("limits that are full again are kept")
	}
}
