package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// host is where Alice's metrics of this machine lie, and what she shares.
const host metric.URI = "host"

type impulsesOf []impulse.Impulse

// under returns metrics below host.
func under(names ...string) []metric.URI {
	uris := make([]metric.URI, len(names))
	for i, name := range names {
		uris[i] = host.Child(name)
	}
	return uris
}

// shared returns Alice's metrics as Bob names them.
func shared(names ...string) []metric.URI {
	uris := under(names...)
	for i, uri := range uris {
		uris[i] = uri.Global(alice)
	}
	return uris
}

// aliceImpulses are Alice's: statistics of the past, a join, one that reads what another writes, one with a throttle.
func (d *Demo) aliceImpulses() impulsesOf {
	pressure := host.Child("pressure")
	return impulsesOf{
		{
			Name: "summary",
			On: impulse.URIs(under("cpu.user", "cpu.system", "cpu.nice", "cpu.idle", "cpu.iowait", "cpu.irq",
				"cpu.softirq", "cpu.steal")...),
			Past: impulse.Past{Delta: time.Hour},
			Do:   summary,
		},
		{
			Name: "pressure",
			On:   impulse.URIs(under("mem.used", "mem.total", "cpu.idle")...),
			Past: impulse.Past{Delta: time.Minute},
			Do: func(_ context.Context, u *impulse.Update) error {
				used, ok := u.View(host.Child("mem.used")).Last()
				total, okTotal := u.View(host.Child("mem.total")).Last()
				idle, okIdle := u.View(host.Child("cpu.idle")).Last()
				if ok && okTotal && okIdle && total.Value > 0 {
					u.Emit(metric.Datapoint(pressure, u.Time(), hundredth(max(100*used.Value/total.Value, 100-idle.Value))))
				}
				return nil
			},
		},
		{
			Name: "trend",
			On:   impulse.URIs(pressure),
			Past: impulse.Past{Delta: time.Minute},
			Do: func(_ context.Context, u *impulse.Update) error {
				if view := u.View(pressure); view.Len() > 0 {
					u.Emit(metric.Datapoint(pressure.Child("last_minute_mean"), u.Time(), hundredth(view.Mean())))
				}
				return nil
			},
		},
		{
			Name:         "digest",
			On:           impulse.URIs(under("load.one", "mem.used", "processes")...),
			MinExecDelta: 3 * d.config.Interval,
			Do: func(_ context.Context, u *impulse.Update) error {
				load, _ := u.View(host.Child("load.one")).Last()
				used, _ := u.View(host.Child("mem.used")).Last()
				u.Emit(metric.Datasource(host.Child("digest"), u.Time(), fmt.Sprintf(
					"load %.2f, %.1f GiB in use, %d updates since the last digest", load.Value, used.Value/(1<<30), u.Merged())))
				return nil
			},
		},
		d.display.impulse("display", under("cpu.user", "cpu.system", "cpu.idle", "mem.used", "load.one", "disk.write_bytes",
			"net.rx_bytes", "pressure", "pressure.last_minute_mean", "digest", "cpu.user.last_60min_stats", "processes")),
	}
}

// bobImpulses are Bob's: one on Alice's metrics alone, which also tries to write there, and one on hers and his.
func (d *Demo) bobImpulses() impulsesOf {
	const busy, score metric.URI = "friend.busy", "friend.score"
	remote := shared("cpu.user", "cpu.system")
	pressure := shared("pressure")[0]
	return impulsesOf{
		{
			Name: "busy",
			On:   impulse.URIs(remote...),
			Past: impulse.Past{Delta: time.Minute},
			Do: func(_ context.Context, u *impulse.Update) error {
				sum := 0.0
				for _, uri := range remote {
					if last, ok := u.View(uri).Last(); ok {
						sum += last.Value
					}
				}
				u.Emit(
					metric.Datapoint(busy, u.Time(), hundredth(sum)),
					metric.Datapoint(host.Global(alice).Child("note"), u.Time(), sum), // is dropped and reported: it is hers
				)
				return nil
			},
		},
		{
			Name: "score",
			On:   impulse.URIs(pressure, busy),
			Do: func(_ context.Context, u *impulse.Update) error {
				hers, ok := u.View(pressure).Last()
				his, okHis := u.View(busy).Last()
				if ok && okHis {
					u.Emit(metric.Datapoint(score, u.Time(), hundredth((hers.Value+his.Value)/2)))
				}
				return nil
			},
		},
		d.display.impulse("display", []metric.URI{busy, score}),
	}
}

// summary writes the statistics of the last hour of each metric that was updated.
func summary(_ context.Context, u *impulse.Update) error {
	for s := range u.Updated() {
		hour := u.View(s.URI).Between(u.Time().Add(-time.Hour), u.Time())
		u.Emit(metric.Datasource(s.URI.Child("last_60min_stats"), u.Time(), hour.Describe().String()))
	}
	return nil
}
