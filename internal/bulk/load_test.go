package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/metric"
)

// taker is a session that stores what it is sent, but for metrics called "bad", and fails after some groups.
type taker struct {
	stored   map[string]string // by uri and time
	refusals []Refusal
	groups   int
	fail     int // the group that fails, 0 for none
}

var errLost = errors.New("lost")

func (s *taker) Send(_ context.Context, samples ...metric.Sample) error {
	if s.groups++; s.groups == s.fail {
		return errLost
	}
	for _, x := range samples {
		if x.URI == "bad" {
			s.refusals = append(s.refusals, Refusal{x, "not this one"})
			continue
		}
		s.stored[string(x.URI)+" "+x.Time.String()] = x.Value.String()
	}
	return nil
}

func (s *taker) Flush(context.Context) error { return nil }

func (s *taker) Refusals() []Refusal {
	all := s.refusals
	s.refusals = nil
	return all
}

var epoch = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func now() time.Time { return epoch }

// told collects what Refused is given.
type told []string

func (t *told) add(line int64, reason string) { *t = append(*t, fmt.Sprintf("%d: %s", line, reason)) }

func TestLoad(t *testing.T) {
	const at = "2026-11-24T10:00:00.123Z"
	for _, tt := range []struct {
		name, text string
		source     func(io.Reader, func() time.Time) Source
		sent       int64
		stored     int
		refused    []string // prefixes
	}{
		{name: "ndjson", source: NDJSON, sent: 4, stored: 4, text: `{"uri":"a","time":"` + at + `","value":1.50}
{"uri":"t","value":"1"}

{"uri":"bad","value":1}
{"uri":"a","value":true}
{"uri":"a"}
{"uri":"a","value":1,"unit":"s"}
{"uri":"a","value":1} {}
{"uri":"a b","value":1}
{"uri":"a","time":"yesterday","value":1}
{"uri":"bob:a","value":1}
nonsense
{"uri":"alice:a","value":2}
{"uri":"a","value":2}`,
			refused: []string{
				"4: not this one", "5: value true must be", "6: no value", "7: must be a JSON object", "8: must be one JSON object",
				"9: ", "10: ", "11: bob:a is another user's", "12: must be a JSON object",
			}},
		{name: "csv", source: CSV, sent: 2, stored: 2, text: "a," + at + ",1\na,,2\na,3\nbad,,1\na,,word\n\"a,,1\n",
			refused: []string{"3: has 2 fields, must have 3: uri, time, value", "4: not this one", "5: ", "6: "}},
		{name: "csv with a head", source: CSV, sent: 3, stored: 3,
			text:    "value,kind,uri\n1,datapoint,a\n\"two\nlines\",datasource,t\n1,number,a\n2,datapoint,a\n",
			refused: []string{"5: kind \"number\" must be datapoint or datasource"}},
		{name: "nothing", source: CSV},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &taker{stored: map[string]string{}}
			var refused told
			got, err := Load(t.Context(), Config{
				Source: tt.source(strings.NewReader(tt.text), now), Session: s, User: "alice", Refused: refused.add,
			})
			if err != nil || got.Sent != tt.sent || got.Refused != int64(len(tt.refused)) || len(s.stored) != tt.stored {
				t.Errorf("%+v, %v, stored %v; want %d sent, %d stored", got, err, s.stored, tt.sent, tt.stored)
			}
			if len(refused) != len(tt.refused) {
				t.Fatalf("refused %q, want %q", refused, tt.refused)
			}
			for i := range refused {
				if !strings.HasPrefix(refused[i], tt.refused[i]) {
					t.Errorf("refused %q, want %q", refused[i], tt.refused[i])
				}
			}
		})
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	const digits = "0.10000000000000000000000000001"
	s := &taker{stored: map[string]string{}}
	_, err := Load(t.Context(), Config{
		Source: NDJSON(strings.NewReader(`{"uri":"a","value":`+digits+`}`), now), Session: s, User: "alice",
	})
	if err != nil || len(s.stored) != 1 {
		t.Fatalf("%v, %v", s.stored, err)
	}
	for _, value := range s.stored {
		if value != digits {
			t.Errorf("stored %s", value)
		}
	}
}

func TestLongLineIsRefused(t *testing.T) {
	text := `{"uri":"a","value":"` + strings.Repeat("x", 3*maxLine) + "\"}\n" + `{"uri":"a","value":1}`
	s := &taker{stored: map[string]string{}}
	var refused told
	got, err := Load(t.Context(), Config{Source: NDJSON(strings.NewReader(text), now), Session: s, User: "alice", Refused: refused.add})
	if err != nil || got.Sent != 1 || len(refused) != 1 || !strings.HasPrefix(refused[0], "1: has more than") {
		t.Errorf("%+v, %v, %q", got, err, refused)
	}
}

// TestInterruptedLoads cuts loads at random groups and takes them up again; in the end all is stored and counted once.
func TestInterruptedLoads(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var text strings.Builder
	want, bad := 0, 0
	for i := range 3*groupLines + 100 {
		uri := "a"
		switch random.IntN(10) {
		case 0:
			uri = "bad"
			bad++
		case 1:
			fmt.Fprintln(&text, "nonsense")
			bad++
			continue
		default:
			want++
		}
		fmt.Fprintf(&text, "{\"uri\":%q,\"time\":%q,\"value\":%d}\n", uri, epoch.Add(time.Duration(i)*time.Second).Format(time.RFC3339), i)
	}
	s := &taker{stored: map[string]string{}}
	path := filepath.Join(t.TempDir(), "state")
	var refused told
	for try := 0; ; try++ {
		begin, err := ReadState(path)
		if err != nil {
			t.Fatal(err)
		}
		s.groups, s.fail = 0, random.IntN(2)*(1+random.IntN(3))
		_, err = Load(t.Context(), Config{
			Source: NDJSON(strings.NewReader(text.String()), now), Session: s, User: "alice", Begin: begin,
			Refused: refused.add, Done: func(now State) error { return now.Write(path) },
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errLost) || try > 1000 {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	end, err := ReadState(path)
	if err != nil || end.Sent != int64(want) || end.Refused != int64(bad) || len(refused) != bad || len(s.stored) != want {
		t.Errorf("seed %d: %+v, %v, %d stored, %d told; want %d sent, %d refused", seed, end, err, len(s.stored), len(refused), want, bad)
	}
}

func TestStateOfAnotherInput(t *testing.T) {
	load := func(text string, begin State) (State, error) {
		return Load(t.Context(), Config{
			Source: CSV(strings.NewReader(text), now), Session: &taker{stored: map[string]string{}}, User: "alice", Begin: begin,
		})
	}
	begin, err := load("a,,1\na,,2\n", State{Target: "here"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(State{Target: "here", Line: 2, Sent: 2, Hash: begin.Hash}, begin); diff != "" {
		t.Error(diff)
	}
	if end, err := load("a,,1\na,,2\na,,3\n", begin); err != nil || end.Sent != 3 {
		t.Errorf("%+v, %v", end, err)
	}
	for _, text := range []string{"a,,1\na,,3\na,,3\n", "a,,1\n"} {
		if _, err := load(text, begin); !errors.Is(err, ErrOtherInput) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestSlowLinesAreSent: a pipe that says little is not waited for until a group is full.
func TestSlowLinesAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		s := &taker{stored: map[string]string{}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		groups := make(chan State, 1)
		go func() {
			_, err := Load(ctx, Config{
				Source: NDJSON(in, time.Now), Session: s, User: "alice",
				Done: func(s State) error { groups <- s; return nil },
			})
			done <- err
		}()
		if _, err := io.WriteString(out, "{\"uri\":\"a\",\"value\":1}\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-groups; got.Sent != 1 {
			t.Errorf("%+v", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if err := out.Close(); err != nil { // lets the reader go
			t.Error(err)
		}
	})
}
