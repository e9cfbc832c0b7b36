package bench

import (
	"testing"
	"time"
)

func TestWorkloadsFit(t *testing.T) {
	for _, quick := range []bool{true, false} {
		for _, w := range Workloads(quick) {
			if w.hub {
				if l := hubLoadOf(w.Name, &Config{Quick: quick}); l.Writers == 0 || l.Metrics%l.Batch != 0 {
					t.Errorf("%s: %+v", w.Name, l)
				}
				continue
			}
			if w.URIs%w.Batch != 0 || w.Frames%w.groups() != 0 || w.On > w.URIs {
				t.Errorf("%s: %+v", w.Name, w)
			}
			if w.On < w.URIs && w.On > w.Batch {
				t.Errorf("%s: an impulse on some metrics of several groups would run more often than is counted", w.Name)
			}
			length := frameLength(&w)
			filled := time.Now()
			e := newEncoder(&w, filled)
			for _, k := range []int64{firstMessage, 10*firstMessage - 1} {
				if n := len(e.append(nil, k)); n != length {
					t.Errorf("%s: message %d has %d bytes, others %d", w.Name, k, n, length)
				}
			}
			if perUpdate := length / w.Batch; w.Batch > 1 && (perUpdate < 53 || perUpdate > 90) {
				t.Errorf("%s: %d bytes an update", w.Name, perUpdate)
			}
		}
	}
}

// TestEveryImpulseWaitsForItsMessages counts by brute force which messages concern an impulse.
func TestEveryImpulseWaitsForItsMessages(t *testing.T) {
	for _, w := range []Workload{
		tiny(jobTouch), {URIs: 6, Batch: 2, Impulses: 6, On: 1, Frames: 9}, {URIs: 1, Batch: 1, Impulses: 5, On: 1, Frames: 7},
		{URIs: 8, Batch: 2, Impulses: 3, On: 8, Frames: 8},
	} {
		c := newCommon(&w)
		for i := range w.Impulses {
			var concerned []int64
			for k := int64(firstMessage); k < int64(firstMessage+w.Frames); k++ {
				from := int(k%int64(w.groups())) * w.Batch
				if first := w.first(i); first < from+w.Batch && from < first+w.On {
					concerned = append(concerned, k)
				}
			}
			if len(concerned) != w.runs(w.Frames) || concerned[0] != c.tally[i].watch.next ||
				len(concerned) > 1 && concerned[1]-concerned[0] != w.step() {
				t.Errorf("%+v, impulse %d: messages %v, expected %d from %d in steps of %d",
					w, i, concerned, w.runs(w.Frames), c.tally[i].watch.next, w.step())
			}
		}
	}
}
