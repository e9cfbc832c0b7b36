package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/komstream/komstream/internal/bench/ref"
)

// channels is what a good programmer writes by hand: the reference reader and decoder, metrics by small numbers, a ring
// and a mutex for the past of each metric, a goroutine and a channel for each impulse. One goroutine reads, appends to
// the rings and sends each impulse that is concerned one message for a frame, which all impulses share.
//
// It has no cuts: an impulse that lags behind sees what came later. It is compared by what it costs, and its faults are
// counted like everybody's.
type channels struct {
	*common
	reader *ref.Reader
	ids    map[string]int32
	rings  []ring
	// byURI lists the impulses of each metric.
	byURI [][]int32
	inbox []chan note
	stamp []int64 // the last frame that was sent to each impulse
	all   sync.WaitGroup
}

// update is one frame, decoded.
type update struct {
	ticks int64
	rows  []updateRow
}

type updateRow struct {
	id    int32
	value float64
}

// note is what an impulse gets: an update, and the first row of it that is the impulse's.
type note struct {
	*update
	row int
}

// inboxSize is how many updates wait for an impulse before the reader waits too.
const inboxSize = 1024

func (s *channels) open(ctx context.Context, o opening) (err error) {
	s.ids = make(map[string]int32, s.w.URIs)
	s.rings = make([]ring, s.w.URIs)
	s.byURI = make([][]int32, s.w.URIs)
	s.stamp = make([]int64, s.w.Impulses)
	for i, uri := range s.uris {
		s.ids[string(uri)] = int32(i)
		for n := s.w.Samples - 1; n >= 0; n-- {
			ticks, value := row(o.Filled, n)
			s.rings[i].append(int64(ticks), value)
		}
	}
	for i := range s.w.Impulses {
		inbox := make(chan note, inboxSize)
		s.inbox = append(s.inbox, inbox)
		for n := range s.w.On {
			id := s.w.first(i) + n
			s.byURI[id] = append(s.byURI[id], int32(i))
		}
		s.all.Go(func() { s.impulse(i, inbox) })
	}
	s.reader, err = ref.Dial(ctx, o.url(), "kid="+sideChannels, s.line.dial)
	if err != nil {
		return err
	}
	s.all.Go(s.read)
	return nil
}

// epoch is the distance between the ticks of a TimeUUID and those since 1970.
const epoch = 0x01b21dd213814000

func (s *channels) read() {
	defer func() {
		for _, c := range s.inbox {
			close(c)
		}
	}()
	var scanner ref.Scanner
	for frames := int64(1); ; frames++ {
		frame, err := s.reader.Next()
		if err != nil {
			return
		}
		if err := scanner.Scan(frame); err != nil {
			panic(fmt.Sprintf("bench: the stub sent %q: %v", frame, err)) // our own frames
		}
		u := &update{ticks: scanner.Ticks - epoch, rows: make([]updateRow, 0, len(scanner.Updates))}
		for _, item := range scanner.Updates {
			id, known := s.ids[string(item.URI)]
			if !known {
				continue
			}
			u.rows = append(u.rows, updateRow{id, item.Value})
			s.rings[id].add(u.ticks, item.Value)
		}
		for n := range u.rows {
			for _, i := range s.byURI[u.rows[n].id] {
				if s.stamp[i] != frames {
					s.stamp[i] = frames
					s.inbox[i] <- note{u, n}
				}
			}
		}
	}
}

// impulse is the goroutine of impulse i.
func (s *channels) impulse(i int, inbox <-chan note) {
	t := &s.tally[i]
	first, end := int32(s.w.first(i)), int32(s.w.first(i)+s.w.On)
	for n := range inbox {
		r := s.round.Load()
		k := int64(n.rows[n.row].value)
		r.begun(k)
		r.wrong.Add(t.watch.run(k, s.rings[n.rows[n.row].id].last()))
		switch s.w.Job {
		case jobOthers:
			for j := 1; j <= 3; j++ {
				group := int((k + int64(j*s.w.groups()/4)) % int64(s.w.groups()))
				r.wrong.Add(other(k, firstMessage, group, s.w.groups(), s.rings[group*s.w.Batch].last()))
			}
		case jobMean, jobDescribe:
			for _, row := range n.rows[n.row:] {
				if first <= row.id && row.id < end {
					s.rings[row.id].compute(s.w.Job)
				}
			}
		}
		t.ran(r)
	}
}

func (s *channels) stats(*figures) {}

func (s *channels) close() error {
	err := s.reader.Close()
	s.all.Wait()
	return err
}

// ring is the past of one metric.
type ring struct {
	mu          sync.Mutex
	ticks       []int64 // a power of two long
	values      []float64
	first, next int // grow for ever
}

// add appends a sample and lets go of those that are older than an hour.
func (r *ring) add(ticks int64, value float64) {
	r.mu.Lock()
	r.append(ticks, value)
	oldest := ticks - int64(hour/100)
	for mask := len(r.ticks) - 1; r.ticks[r.first&mask] < oldest; {
		r.first++
	}
	r.mu.Unlock()
}

func (r *ring) append(ticks int64, value float64) {
	if r.next-r.first == len(r.ticks) {
		r.grow()
	}
	i := r.next & (len(r.ticks) - 1)
	r.ticks[i], r.values[i] = ticks, value
	r.next++
}

func (r *ring) grow() {
	n := max(64, 2*len(r.ticks))
	ticks, values := make([]int64, n), make([]float64, n)
	for i := r.first; i < r.next; i++ {
		from := i & (len(r.ticks) - 1)
		ticks[i&(n-1)], values[i&(n-1)] = r.ticks[from], r.values[from]
	}
	r.ticks, r.values = ticks, values
}

func (r *ring) last() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[(r.next-1)&(len(r.values)-1)]
}

// compute computes what the workload asks for over everything in the ring.
func (r *ring) compute(j job) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := r.first&(len(r.values)-1), r.next&(len(r.values)-1)
	parts := [2][]float64{r.values[from:], r.values[:to]}
	if from < to {
		parts = [2][]float64{r.values[from:to], nil}
	}
	if j == jobMean {
		return (sum(parts[0]) + sum(parts[1])) / float64(r.next-r.first)
	}
	return describe(append(append(make([]float64, 0, r.next-r.first), parts[0]...), parts[1]...))
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

// describe computes mean, deviation, extremes and quartiles by sorting, and returns something that needs them all.
func describe(values []float64) float64 {
	slices.Sort(values)
	mean := sum(values) / float64(len(values))
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	quartile := func(q float64) float64 {
		at := q * float64(len(values)-1)
		i := int(at)
		return values[i] + (at-float64(i))*(values[min(i+1, len(values)-1)]-values[i])
	}
	return mean + math.Sqrt(squares/float64(len(values)-1)) + values[0] + values[len(values)-1] +
		quartile(0.25) + quartile(0.5) + quartile(0.75)
}
