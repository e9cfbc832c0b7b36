package actors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// unconnected returns a session whose network does not exist, with the given impulses bound and their windows
// loaded: what is put into its inbound queue takes the way from the router to the functions.
func unconnected(b testing.TB, impulses ...impulse.Impulse) *Session {
	b.Helper()
	config, err := Config{
		Username: "alice", Key: hubtest.Key(0),
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") },
	}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	s := newSession(config)
	s.hubSendsVia.Store(true)
	s.start()
	b.Cleanup(s.abort)
	binding := newBinding(s, impulses)
	if err := s.remember(binding); err != nil {
		b.Fatal(err)
	}
	spawned := make(chan struct{})
	s.root.Send(s.supervisorPID, &spawnImpulses{binding: binding, done: spawned})
	<-spawned
	s.root.Send(s.routerPID, &bindImpulses{binding: binding})
	for id := range binding.missing {
		s.root.Send(s.routerPID, &windowLoaded{id: id, waiting: []*Binding{binding}})
	}
	<-binding.ready
	return s
}

// BenchmarkUpdate measures the way from the inbound queue to the functions, without a socket: an operation is an
// update (one sample of one metric). The windows hold 600 samples.
func BenchmarkUpdate(b *testing.B) {
	for _, c := range []struct {
		name        string
		uris, batch int
		impulses    int // 0: one for each uri
		on          int // uris of an impulse
	}{
		{"join/uris=1000/batch=10", 1000, 10, 100, 10},
		{"each/uris=1000/batch=10", 1000, 10, 1000, 1},
		{"wide/uris=10000/batch=10", 10000, 10, 10000, 1},
		{"fanout/uris=1/batch=1", 1, 1, 1000, 1},
		{"single/uris=1000/batch=1", 1000, 1, 1000, 1},
		{"big/uris=1000/batch=100", 1000, 100, 10, 100},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkUpdate(b, c.uris, c.batch, c.impulses, c.on) })
	}
}

func benchmarkUpdate(b *testing.B, uris, batch, impulses, on int) {
	var runs atomic.Int64
	var all []impulse.Impulse
	for i := range impulses {
		imp := impulse.Impulse{
			Name: fmt.Sprint("impulse", i), Past: impulse.Past{Delta: time.Hour}, Overload: impulse.Queue(1 << 16),
			Do: func(context.Context, *impulse.Update) error { runs.Add(1); return nil },
		}
		for n := range on {
			imp.On = append(imp.On, impulse.Input{URI: metric.URI(fmt.Sprint("m", (i*on+n)%uris))})
		}
		all = append(all, imp)
	}
	s := unconnected(b, all...)
	now := metric.TicksOf(time.Now())
	value, _ := metric.NumberOf(1.5)
	put := func(i int) {
		m := &impulse.Message{Time: metric.NewTimeUUID(now+metric.Ticks(i), metric.PlainLow), Rows: make([]impulse.Row, batch)}
		for n := range m.Rows {
			m.Rows[n] = impulse.Row{ID: window.ID((i*batch + n) % uris), Value: value}
		}
		if err := s.inbound.put(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	before := processorTime()
	i := 0
	for b.Loop() {
		if i%batch == 0 {
			put(i / batch)
		}
		i++
	}
	for s.figuresPending() {
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(runs.Load())/float64(b.N), "runs/op")
}

// processorTime returns what the process has used of processors. Unlike time it does not depend on what else the
// machine does.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// figuresPending reports whether messages or triggers wait.
func (s *Session) figuresPending() bool {
	s.inbound.mu.Lock()
	waiting := len(s.inbound.messages)
	s.inbound.mu.Unlock()
	if waiting > 0 {
		return true
	}
	for _, i := range s.Stats().Impulses {
		if i.Counters.Pending+i.Counters.Running > 0 {
			return true
		}
	}
	return false
}
