package impulse_test

import (
	"context"
	"fmt"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// An impulse is a value. One function can serve several groups of metrics.
func ExampleImpulse() {
	cpu := impulse.Impulse{
		Name:         "load.cpu",
		On:           impulse.URIs("cpu.system", "cpu.user", "friend:host1.cpu.user"),
		Past:         impulse.Past{Delta: time.Hour},
		MinExecDelta: 10 * time.Second,
		Overload:     impulse.Coalesce,
		Do: func(_ context.Context, u *impulse.Update) error {
			for s := range u.Updated() {
				mean := u.View(s.URI).Mean()
				u.Emit(metric.Datapoint(s.URI.Local().Child("mean"), u.Time(), mean))
			}
			return nil
		},
	}
	disk := cpu.With("load.disk", impulse.URIs("disk.sda", "disk.sdb")...)
	fmt.Println(cpu, "valid:", cpu.Check("alice") == nil)
	fmt.Println(disk, "valid:", disk.Check("alice") == nil)
	// Output:
	// load.cpu on cpu.system, cpu.user, friend:host1.cpu.user valid: true
	// load.disk on disk.sda, disk.sdb valid: true
}

// Check finds every fault at once.
func ExampleImpulse_Check() {
	faulty := impulse.Impulse{Name: "mean", On: impulse.URIs("cpu", "alice:cpu"), MinExecDelta: -time.Second}
	fmt.Println(faulty.Check("alice"))
	// Output:
	// impulse: impulse "mean": On[1].URI "alice:cpu" must not repeat the metric of On[0]
	// impulse: impulse "mean": MinExecDelta -1s must not be negative
	// impulse: impulse "mean": Do nil must be a function
}

// series is a window of one metric, as the views of a runner.
type series struct{ *window.Window }

func (s series) ViewAt(_ int, cut uint64) window.View { return s.Window.ViewAt(cut) }

// A Runner runs an impulse by hand: append to the windows, then run the trigger of the message.
func ExampleRunner() {
	const id = 1
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	cpu := series{window.New(window.Config{})}
	runner, err := impulse.NewRunner(impulse.RunnerConfig{
		Impulse: impulse.Impulse{Name: "sum", On: impulse.URIs("cpu"), Do: func(_ context.Context, u *impulse.Update) error {
			u.Emit(metric.Datapoint("cpu.sum", u.Time(), u.View("cpu").Sum()))
			return nil
		}},
		Username: "alice",
		Windows:  []window.ID{id},
		Views:    cpu,
		Now:      func() time.Time { return now },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for number, text := range []string{"1.5", "2", "4.25"} {
		s := metric.Datapoint("cpu", now.Add(time.Duration(number)*time.Second), text)
		m := &impulse.Message{
			Number: uint64(number + 1),
			Time:   s.Time,
			Rows:   []impulse.Row{{ID: id, Value: s.Value}},
		}
		cpu.Append(m.Number, m.Time, s.Value, metric.TicksOf(s.When()))
		trigger := impulse.NewTrigger(m, 0, len(m.Rows))
		outcome := runner.Run(context.Background(), &trigger)
		fmt.Println(outcome.Samples[0], outcome.Err)
	}
	// Output:
	// cpu.sum 2026-11-24T10:00:00Z "1.5" <nil>
	// cpu.sum 2026-11-24T10:00:01Z "3.5" <nil>
	// cpu.sum 2026-11-24T10:00:02Z "7.75" <nil>
}

// A Pending decides what runs next. The caller passes the time.
func ExamplePending() {
	p := impulse.NewPending(impulse.Impulse{MinExecDelta: 10 * time.Second})
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for n := uint64(1); n <= 3; n++ {
		p.Push(impulse.NewTrigger(&impulse.Message{Number: n}, 0, 0))
		if trigger, wait := p.Next(now); trigger != nil {
			fmt.Println("run of", trigger.Count(), "with cut", trigger.Cut)
			p.Done(now, false)
		} else {
			fmt.Println("wait", wait)
		}
		now = now.Add(time.Second)
	}
	trigger, _ := p.Next(now.Add(10 * time.Second))
	fmt.Println("run of", trigger.Count(), "with cut", trigger.Cut)
	// Output:
	// run of 1 with cut 1
	// wait 9s
	// wait 8s
	// run of 2 with cut 3
}
