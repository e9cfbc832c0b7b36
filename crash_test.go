package komstream_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/metric"
)

var crashRounds = flag.Int("kills", 10, "rounds of TestNothingAcknowledgedIsLostByKilling")

// TestNothingAcknowledgedIsLostByKilling kills the hub's process, with SIGKILL, in the middle of a stream of samples,
// again and again, while the sessions go on. Whatever Flush has confirmed must be in the store at the end.
func TestNothingAcknowledgedIsLostByKilling(t *testing.T) {
	const agents = 16
	rounds := *crashRounds
	if testing.Short() {
		rounds = min(rounds, 2)
	}
	h := newHubProcess(t)
	key := hubtest.Key(0)
	h.authorise(t, "alice", key)
	h.start(t)

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	config := komstream.Config{Hub: h.url, Username: "alice", Key: key, RetryMax: time.Second}
	var writers []*writer
	for range agents {
		s, err := komstream.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		writers = append(writers, &writer{session: s, uri: metric.URI("stream").Child(fmt.Sprint("a", len(writers)))})
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() { w.write(t, stop) })
	}
	for round := range rounds {
		before := total(writers)
		pause := time.NewTimer(time.Duration(200+random.IntN(400)) * time.Millisecond)
		<-pause.C
		h.kill(t)
		t.Logf("round %d: killed after %d more acknowledged samples", round, total(writers)-before)
		h.start(t)
		for _, w := range writers {
			w.progress(t) // acknowledged by the new process
		}
	}
	close(stop)
	all.Wait()

	lost, acknowledged := 0, 0
	for _, w := range writers {
		stored := map[metric.TimeUUID]string{}
		for s, err := range w.session.History(t.Context(), w.uri, komstream.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			stored[s.Time] = s.Value.String()
		}
		for _, s := range w.acknowledged {
			if acknowledged++; stored[s.Time] != s.Value.String() {
				lost++
			}
		}
	}
	t.Logf("%d kills: %d samples acknowledged, %d lost", rounds, acknowledged, lost)
	if lost > 0 {
		t.Errorf("%d of %d acknowledged samples are missing", lost, acknowledged)
	}
	h.kill(t)
}

// writer sends samples in small calls and remembers what Flush has confirmed.
type writer struct {
	session *komstream.Session
	uri     metric.URI

	mu           sync.Mutex
	acknowledged []metric.Sample
	moved        chan struct{} // closed at the next confirmation
}

func (w *writer) write(t *testing.T, stop <-chan struct{}) {
	at := time.Now().Truncate(time.Millisecond)
	for n := 0; ; {
		select {
		case <-stop:
			return
		default:
		}
		var batch []metric.Sample
		for range 10 {
			batch = append(batch, metric.Datapoint(w.uri, at.Add(time.Duration(n)*time.Millisecond), n))
			n++
		}
		err := w.session.Send(t.Context(), batch...)
		if err == nil {
			err = w.session.Flush(t.Context())
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
		w.mu.Lock()
		w.acknowledged = append(w.acknowledged, batch...)
		if w.moved != nil {
			close(w.moved)
			w.moved = nil
		}
		w.mu.Unlock()
	}
}

// progress waits until something more is confirmed.
func (w *writer) progress(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	if w.moved == nil {
		w.moved = make(chan struct{})
	}
	moved := w.moved
	w.mu.Unlock()
	select {
	case <-moved:
	case <-time.After(time.Minute):
		t.Fatalf("%s: nothing acknowledged for a minute after the restart: %+v", w.uri, w.session.Stats())
	}
}

func total(writers []*writer) (n int) {
	for _, w := range writers {
		w.mu.Lock()
		n += len(w.acknowledged)
		w.mu.Unlock()
	}
	return n
}

// hubProcess is the program "komstream hub" on a directory and a port of the test.
type hubProcess struct {
	program, dir, address, url string
	process                    *exec.Cmd
	log                        *os.File
}

func newHubProcess(t *testing.T) *hubProcess {
	t.Helper()
	dir := t.TempDir()
	h := &hubProcess{program: filepath.Join(dir, "komstream"), dir: filepath.Join(dir, "hub"), address: "127.0.0.1:0"}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", h.program, "./cmd/komstream").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "hub.log"))
	if err != nil {
		t.Fatal(err)
	}
	h.log = log
	t.Cleanup(func() {
		if h.process != nil {
			_ = h.process.Process.Kill()
			_ = h.process.Wait()
		}
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the hub's log:\n%s", text)
		}
	})
	return h
}

// authorise makes an account and an agent's key with the command line.
func (h *hubProcess) authorise(t *testing.T, user string, key *connection.Key) {
	t.Helper()
	public := filepath.Join(filepath.Dir(h.dir), user+".pub")
	if err := os.WriteFile(public, []byte(key.Public().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"user", "add", user}, {"agent", "add", user, public}} {
		out, err := exec.CommandContext(t.Context(), h.program, append([]string{"--dir", h.dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("komstream %v: %v\n%s", args, err, out)
		}
	}
}

// start runs the hub and waits until it listens, on the same port as before.
func (h *hubProcess) start(t *testing.T) {
	t.Helper()
	h.process = exec.Command(h.program, "hub", "--dir", h.dir, "--listen", h.address)
	h.process.Stderr = h.log
	out, err := h.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		t.Fatalf("the hub printed %q (%v), want \"listening on URL\"", line, err)
	}
	h.url, h.address = url, strings.TrimPrefix(url, "http://")
}

func (h *hubProcess) kill(t *testing.T) {
	t.Helper()
	if err := h.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.process.Wait() // the error is the kill
	h.process = nil
}
