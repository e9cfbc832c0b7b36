package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/komstream/komstream/connection"
)

// readFrames is how many messages a read of the socket brings while a round is measured, on every side.
const readFrames = 2

// Config says what to measure.
type Config struct {
	// Workloads are names, of [Names]. Default all.
	Workloads []string
	// Quick makes fewer and shorter rounds: all workloads in two minutes instead of ten.
	Quick bool
	// Command runs this program so that it calls [Process] with its standard input and output. Required.
	Command []string
	// Profiles is a directory for a profile of the processors for each workload's shipped path, "" for none.
	Profiles string
	// Progress is told what happens, a line each. May be nil.
	Progress func(line string)
	// small makes everything as small as a test needs it.
	small bool
	// Each is given every result when it is there. May be nil.
	Each func(Result) error
}

// Run measures the workloads, one after the other, and returns their results. It starts processes and ends them before
// it returns. An error ends everything; results with wrong runs are no error.
func Run(ctx context.Context, c Config) ([]Result, error) {
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	if c.Workloads == nil {
		c.Workloads = Names()
	}
	var all []Workload
	for _, name := range c.Workloads {
		w, err := find(name, c.Quick)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	key, err := connection.GenerateKey()
	if err != nil {
		return nil, err
	}
	text, err := key.MarshalPEM()
	if err != nil {
		return nil, err
	}
	var results []Result
	for i, w := range all {
		c.Progress(fmt.Sprintf("%s (%d of %d)", w.Name, i+1, len(all)))
		began := time.Now()
		run := runLibrary
		if w.hub {
			run = runHub
		}
		r, err := run(ctx, &c, w, string(text))
		if err != nil {
			return results, fmt.Errorf("bench: %s: %w", w.Name, err)
		}
		c.Progress(fmt.Sprintf("%s took %.1f s, %d wrong", w.Name, time.Since(began).Seconds(), r.Wrong))
		results = append(results, r)
		if c.Each != nil {
			if err := c.Each(r); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// rounds is how many rounds count.
func (c *Config) rounds() int {
	switch {
	case c.small:
		return 1
	case c.Quick:
		return 3
	}
	return 7
}

// latencyTime is how long delays are measured.
func (c *Config) latencyTime() time.Duration {
	switch {
	case c.small:
		return 50 * time.Millisecond
	case c.Quick:
		return time.Second
	}
	return 5 * time.Second
}

// stage is a stub and the sides that are connected to it.
type stage struct {
	w     Workload
	stub  *process
	sides map[string]*process
	next  map[string]int64 // the number of the next message of each side
}

func (s *stage) close() {
	for _, p := range s.sides {
		p.stop()
	}
	if s.stub != nil {
		s.stub.stop()
	}
}

// openStage starts the processes of a workload and waits until all windows are filled.
func openStage(ctx context.Context, c *Config, w Workload, key string) (s *stage, err error) {
	s = &stage{w: w, sides: map[string]*process{}, next: map[string]int64{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	o := opening{Workload: w, Filled: time.Now(), Key: key}
	if s.stub, err = start(ctx, c.Command, "stub"); err != nil {
		return s, err
	}
	a, err := s.stub.do(order{Stub: &o})
	if err != nil {
		return s, err
	}
	o.Address = a.Address
	for _, name := range sides {
		if s.sides[name], err = start(ctx, c.Command, name); err != nil {
			return s, err
		}
		o.Side = name
		began := time.Now()
		if _, err := s.sides[name].do(order{Open: &o}); err != nil {
			return s, err
		}
		s.next[name] = firstMessage
		c.Progress(fmt.Sprintf("  %s ready in %.1f s", name, time.Since(began).Seconds()))
	}
	return s, nil
}

// round lets one side do a round.
func (s *stage) round(name string, spec roundSpec) (*figures, error) {
	p := s.sides[name]
	spec.First = s.next[name]
	s.next[name] += int64(spec.Frames)
	if _, err := p.do(order{Round: &spec}); err != nil {
		return nil, err
	}
	if _, err := s.stub.do(order{Feed: &spec, To: name}); err != nil {
		return nil, err
	}
	a, err := p.answer()
	if err == nil && a.Figures == nil {
		err = errors.New("a round without figures")
	}
	return a.Figures, err
}

// lap lets every side do a round.
func (s *stage) lap(spec roundSpec, profile string) (lap, error) {
	l := lap{}
	for _, name := range sides {
		spec := spec
		switch name {
		case sideFull:
			spec.Profile = profile
		case sideNaive: // takes so long that a quarter must do
			g := s.w.groups()
			spec.Frames = max(spec.Frames/4/g, 1) * g
		}
		f, err := s.round(name, spec)
		if err != nil {
			return nil, err
		}
		l[name] = f
	}
	return l, nil
}

// runLibrary measures a workload of the library.
func runLibrary(ctx context.Context, c *Config, w Workload, key string) (Result, error) {
	s, err := openStage(ctx, c, w, key)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	// The first lap warms everything up, and is where the checker looks at every metric of every run.
	first, err := s.lap(roundSpec{Frames: w.Frames, All: true}, "")
	if err != nil {
		return Result{}, err
	}
	wrong, dropped := first[sideFull].Wrong, 0
	var laps []lap
	for len(laps) < c.rounds() && dropped < c.rounds() {
		l, err := s.lap(roundSpec{Frames: w.Frames}, "")
		if err != nil {
			return Result{}, err
		}
		wrong += l[sideFull].Wrong
		if !l.even() {
			dropped++
			c.Progress("  uneven, left out: " + l.String())
			continue
		}
		laps = append(laps, l)
		c.Progress("  " + l.String())
	}
	if len(laps) == 0 {
		return Result{}, errors.New("no round in which all sides made the same number of reads")
	}
	late, err := s.late(c)
	if err != nil {
		return Result{}, err
	}
	if c.Profiles != "" {
		name := filepath.Join(c.Profiles, w.Name+".prof")
		if _, err := s.round(sideFull, roundSpec{Frames: 4 * w.Frames, Profile: name}); err != nil {
			return Result{}, err
		}
	}
	r := sumUp(w, laps)
	r.Wrong, r.Dropped = wrong+late.Wrong, dropped
	r.P50US, r.P99US, r.P999US = late.P50, late.P99, late.P999
	r.PacedExecNS = quotient(float64(late.CPU.Nanoseconds()), float64(late.Execs))
	return r, nil
}

// late measures delays at the workload's rate.
func (s *stage) late(c *Config) (*figures, error) {
	frames := int(c.latencyTime().Seconds() * float64(s.w.Rate))
	if g := s.w.groups(); frames%g != 0 {
		frames += g - frames%g
	}
	start := time.Now().Add(200 * time.Millisecond).UnixNano()
	return s.round(sideFull, roundSpec{Frames: frames, Rate: s.w.Rate, Start: start})
}

// String tells the costs of a lap.
func (l lap) String() string {
	var parts []string
	for _, name := range sides {
		if f := l[name]; f != nil {
			part := fmt.Sprintf("%s %.0f ns", name, l.cost(name))
			if f.Reads > 0 {
				part += fmt.Sprintf(" (%.3f reads)", f.reads())
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
