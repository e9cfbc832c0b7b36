package actors_test

import (
	"testing"

	"github.com/komstream/komstream/metric"
)

func TestOneMessageIsOneRunWithItsSamples(t *testing.T) {
	inWorld(t, func(w *world) {
		var r recorder
		p := w.join("alice", r.impulse("sum", "cpu", "mem"))
		at := now()
		p.send(metric.Datapoint("cpu", at, 1), metric.Datapoint("mem", at, 2), metric.Datapoint("disk", at, 3))
		p.send(metric.Datapoint("disk", at.Add(1e6), 4))
		p.send(dp("mem", 5))
		equal(t, "runs", r.updates(), "cpu=1 mem=2 | mem=5")
		equal(t, "last view", r.last().views, "cpu:[1] mem:[2 5]")
	})
}
