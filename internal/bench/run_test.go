package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/hub/hubtest"
)

func key(t *testing.T) string {
	text, err := hubtest.Key(0).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryJobRunsInProcesses(t *testing.T) {
	for _, j := range []job{jobTouch, jobOthers, jobMean, jobDescribe} {
		w := tiny(j)
		if j == jobOthers {
			w.On = w.URIs
		}
		r, err := runLibrary(t.Context(), small(t), w, key(t))
		if err != nil {
			t.Fatalf("%s: %v", j, err)
		}
		execs := int64(w.Impulses * w.runs(w.Frames))
		if r.Wrong != 0 || r.Rounds != 1 || r.Execs != execs || r.Updates != int64(w.Frames*w.Batch) || r.RawNS <= 0 ||
			r.FullNS <= 0 || r.ChannelsRatio <= 0 || r.NaiveRatio <= 0 || r.BytesPerSample <= 0 || r.P99US < r.P50US {
			t.Errorf("%s: %+v", j, r)
		}
	}
}

func TestTheHubRunsInProcesses(t *testing.T) {
	for _, name := range []string{ingest, fanOut, reading} {
		w, err := find(name, true)
		if err != nil {
			t.Fatal(err)
		}
		r, err := runHub(t.Context(), small(t), w, key(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Wrong != 0 || r.PerSecond <= 0 || r.RawNS <= 0 || r.FullNS <= 0 || r.P50US <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestAgentsSeeWhatIsWrong gives the agents what they do not expect.
func TestAgentsSeeWhatIsWrong(t *testing.T) {
	for _, name := range []string{ingest, fanOut} {
		load := hubLoadOf(name, &Config{small: true})
		server := &hubServer{load: load}
		defer server.close()
		address, err := server.start(t.Context(), &hubOrder{Start: sideRaw})
		if err != nil {
			t.Fatal(err)
		}
		a := &agents{load: load}
		defer a.close()
		if err := a.join(t.Context(), &hubOrder{Join: address, Key: key(t)}); err != nil {
			t.Fatal(err)
		}
		a.subscribers[0].next++ // as if one had been lost
		if name == fanOut {
			a.subscribers[0].next -= 2 // as if one had come twice
		}
		a.sent = nil
		a.load.Workload = ingest // delays of the answers, not of what came when nobody had sent it
		f, err := a.follow(t.Context(), &hubOrder{Go: true})
		if err != nil || f.Wrong != int64(load.Frames) {
			t.Errorf("%s: %d wrong, %v; want %d", name, f.Wrong, err, load.Frames)
		}
	}
}

func TestUnknownWorkload(t *testing.T) {
	if _, err := Run(t.Context(), Config{Workloads: []string{"dance"}}); err == nil {
		t.Error("no error")
	}
}

func TestAnswersToOrdersThatCannotBeFollowed(t *testing.T) {
	var out bytes.Buffer
	in := strings.NewReader(`{}` + "\n" + `{"Open":{"Side":"dance"}}` + "\n" + `{"Hub":{"Go":true}}` + "\n")
	if err := Process(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `"Err":"bench: `); n != 3 {
		t.Errorf("answers: %s", out.String())
	}
}

func TestTableAndJSONHaveEveryFigure(t *testing.T) {
	library, _ := find("join", true)
	hub, _ := find(ingest, true)
	laps := []lap{}
	for i := range int64(3) {
		l := lap{}
		for n, side := range sides {
			l[side] = &figures{CPU: time.Duration(1000 * (1 + 2*i) << n), Frames: 10, Reads: 5, Updates: 100, Execs: 10, Mallocs: 40,
				Bytes: 180, Samples: 10, RSS: 5 << 20, GOGC: 100, GOMAXPROCS: 2}
		}
		laps = append(laps, l)
	}
	r := sumUp(library, laps)
	if r.RawNS != 30 || r.FullNS != 60 || r.Ratio != 2 || r.ChannelsRatio != 4 || r.AgainstNaive != 4 || r.ExecNS != 600 ||
		r.AllocsPerFrame != 4 || r.BytesPerSample != 18 || r.ReadsPerFrame != 0.5 || r.Spread != 0 || r.RSSMB != 5 {
		t.Errorf("%+v", r)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("workload raw_ns full_ns ratio exec_ns execs updates wrong allocs_per_frame bytes_per_sample " +
		"rss_mb p50_us p99_us channels_ratio naive_ratio reads_per_frame gogc gomaxprocs") {
		if !strings.Contains(string(text), `"`+name+`":`) {
			t.Errorf("no %s in %s", name, text)
		}
	}
	var table bytes.Buffer
	if err := WriteTable(&table, []Result{r, sumUp(hub, laps)}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"join", "2.2 (1.8)", "ingest", "GOGC 100, GOMAXPROCS 2"} {
		if !strings.Contains(table.String(), part) {
			t.Errorf("no %q in\n%s", part, table.String())
		}
	}
}

func TestUnevenLapsAreSeen(t *testing.T) {
	l := lap{sideRaw: {Frames: 100, Reads: 50}, sideFull: {Frames: 100, Reads: 54}, sideNaive: {Frames: 100, Reads: 300}}
	if !l.even() {
		t.Error("even")
	}
	l[sideFull].Reads = 60
	if l.even() {
		t.Error("uneven")
	}
}
