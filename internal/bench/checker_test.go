package bench

import (
	"context"
	"testing"
	"time"

	"github.com/komstream/komstream/hub/hubtest"
)

func TestWatchSeesEveryFault(t *testing.T) {
	type ran struct {
		trigger int64
		shown   float64
	}
	tests := []struct {
		name string
		runs []ran
		want int64
	}{
		{"in order", []ran{{10, 10}, {13, 13}, {16, 16}}, 0},
		{"trigger not seen", []ran{{10, 7}, {13, 13}}, 1},
		{"nothing seen", []ran{{10, 0}}, 1},
		{"a later one seen", []ran{{10, 13}, {13, 13}}, 1},
		{"out of order", []ran{{13, 13}, {10, 10}}, 2},
		{"lost", []ran{{10, 10}, {16, 16}, {19, 19}}, 1},
		{"doubled", []ran{{10, 10}, {10, 10}, {13, 13}}, 1},
		{"another group's", []ran{{11, 11}}, 1},
	}
	for _, tt := range tests {
		w, wrong := watch{next: 10, step: 3}, int64(0)
		for _, r := range tt.runs {
			wrong += w.run(r.trigger, r.shown)
		}
		if wrong != tt.want {
			t.Errorf("%s: %d wrong, want %d", tt.name, wrong, tt.want)
		}
	}
}

func TestOtherKnowsWhatAWindowMustShow(t *testing.T) {
	const groups, start = 4, 100
	for trigger := int64(start); trigger < start+20; trigger++ {
		for group := range groups {
			want := -1.0 // what was there before
			for k := int64(start); k <= trigger; k++ {
				if int(k%groups) == group {
					want = float64(k)
				}
			}
			if other(trigger, start, group, groups, want) != 0 {
				t.Errorf("message %d, group %d: %v refused", trigger, group, want)
			}
			for _, shown := range []float64{want + groups, float64(trigger + groups)} {
				if shown != want && shown > 0 && other(trigger, start, group, groups, shown) == 0 {
					t.Errorf("message %d, group %d: %v taken for %v", trigger, group, shown, want)
				}
			}
		}
	}
}

// tiny is a workload for tests.
func tiny(j job) Workload {
	return Workload{Name: "tiny", URIs: 20, Batch: 2, Impulses: 10, On: 2, Samples: 50, Frames: 40, Rate: 200, Job: j}
}

// TestWrongIsSeenThroughTheWholePath sends through a socket, to a real session, messages that are not what they should
// be: the checker that is part of every run must count them.
func TestWrongIsSeenThroughTheWholePath(t *testing.T) {
	text, err := hubtest.Key(0).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spoil func(frames [][]byte)
		all   bool
	}{
		{name: "nothing", spoil: func([][]byte) {}},
		{name: "another value", spoil: func(f [][]byte) { spoilDigit(f[5], 1) }},
		{name: "another value of another metric", spoil: func(f [][]byte) { spoilDigit(f[5], 2) }, all: true},
		{name: "swapped", spoil: func(f [][]byte) { f[5], f[15] = f[15], f[5] }},
		{name: "doubled", spoil: func(f [][]byte) { f[15] = f[5] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, ctx := tiny(jobTouch), t.Context()
			o := opening{Workload: w, Filled: time.Now(), Key: string(text)}
			s, err := startStub(ctx, &w, o.Filled)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			o.Address = s.listener.Addr().String()
			side, _, err := newSide(sideFull, &w)
			if err != nil {
				t.Fatal(err)
			}
			if err := side.open(ctx, o); err != nil {
				t.Fatal(err)
			}
			defer side.close()
			spec := roundSpec{First: firstMessage, Frames: w.Frames, All: tt.all}
			r := newRound(&w, spec)
			side.begin(r)
			load, length := newEncoder(&w, o.Filled).load(spec)
			var frames [][]byte
			for i := range spec.Frames {
				frames = append(frames, load[i*length:(i+1)*length])
			}
			tt.spoil(frames)
			for _, f := range frames {
				if err := s.conns[sideFull].write(f); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			if err := r.wait(ctx); err != nil {
				t.Fatal(err)
			}
			if wrong := r.wrong.Load(); (wrong != 0) != (tt.name != "nothing") {
				t.Errorf("%d wrong", wrong)
			}
		})
	}
}

// spoilDigit changes the last digit of the n-th value of a frame.
func spoilDigit(frame []byte, n int) {
	const key = `"content": "`
	for i := range frame {
		if len(frame)-i > len(key) && string(frame[i:i+len(key)]) == key {
			if n--; n == 0 {
				frame[i+len(key)+6] ^= 1
				return
			}
		}
	}
}
