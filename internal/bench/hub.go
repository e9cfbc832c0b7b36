package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The workloads of the hub. The hub is in the measured process, agents are in another one.
const (
	ingest  = "ingest"  // agents send as fast as the hub acknowledges, and a subscriber follows each
	fanOut  = "fan-out" // one agent sends, many subscribers get it
	reading = "history" // one agent reads the past
)

// hubLoad says how much a workload of the hub is.
type hubLoad struct {
	Workload string
	// Writers send; each belongs to a user of its own and has Metrics metrics, of which a frame updates Batch.
	Writers, Metrics, Batch int
	// Window is how many frames of a writer may wait for their answers.
	Window int
	// Bursts are how many frames are sent at a time, a round each; then everything must have arrived before the next ones.
	// None sends as the window allows.
	Bursts []int
	// Subscribers follow each writer.
	Subscribers int
	// Frames is what each writer sends in a round, or how many times the reader reads Rows rows.
	Frames int
	Rows   int
}

func hubLoadOf(name string, c *Config) hubLoad {
	l := hubLoad{Workload: name}
	scale := 4
	if c.Quick {
		scale = 1
	}
	switch name {
	case ingest:
		l.Writers, l.Metrics, l.Batch, l.Window, l.Subscribers, l.Frames = 16, 1000, 10, 64, 1, 500*scale
	case fanOut:
		l.Writers, l.Metrics, l.Batch, l.Window, l.Subscribers, l.Frames = 1, 1, 1, 1000, 250*scale, 100
		l.Bursts = []int{1, 10, 100}
	case reading:
		l.Writers, l.Metrics, l.Batch, l.Window, l.Frames, l.Rows = 1, 10, 10, 64, 100*scale, history
	}
	if c.small {
		l.Writers, l.Metrics, l.Subscribers, l.Frames = min(l.Writers, 2), min(l.Metrics, 20), min(l.Subscribers, 3), 100
	}
	return l
}

// bursts returns the bursts of the rounds of a lap, and which one stands for the workload.
func (l *hubLoad) bursts() (all []int, middle int) {
	if len(l.Bursts) == 0 {
		return []int{0}, 0
	}
	return l.Bursts, len(l.Bursts) / 2
}

// prepare is how many frames each writer sends before anything is measured: each metric comes at least once.
func (l *hubLoad) prepare() int { return max(l.Metrics/l.Batch, l.Rows) }

// hubOrder is an order for a process of these workloads.
type hubOrder struct {
	Load  hubLoad
	Start string `json:",omitempty"` // be the hub: raw or full
	Dir   string `json:",omitempty"` // of its data
	Join  string `json:",omitempty"` // be the agents, of the hub at this address
	Key   string `json:",omitempty"`
	Begin bool   `json:",omitempty"` // measure from here …
	End   bool   `json:",omitempty"` // … to here
	Go    bool   `json:",omitempty"` // do a round
	Burst int    `json:",omitempty"` // in bursts of so many frames
	// Profile names a file for a profile of what comes between Begin and End.
	Profile string `json:",omitempty"`
}

// hubWorker is a process of these workloads.
type hubWorker interface {
	follow(ctx context.Context, o *hubOrder) (*figures, error)
	close()
}

func (p *worker) followHub(ctx context.Context, o *hubOrder) (a answer, err error) {
	switch {
	case o.Start != "":
		server := &hubServer{load: o.Load}
		p.hub = server
		a.Address, err = server.start(ctx, o)
	case o.Join != "":
		agents := &agents{load: o.Load}
		p.hub = agents
		err = agents.join(ctx, o)
	case p.hub != nil:
		a.Figures, err = p.hub.follow(ctx, o)
	default:
		err = errors.New("bench: no hub and no agents in this process")
	}
	return a, err
}

// hubStage is a hub, or its yardstick, and agents.
type hubStage struct {
	load           hubLoad
	server, agents *process
}

func openHubStage(ctx context.Context, c *Config, w Workload, side, dir, key string) (s *hubStage, err error) {
	s = &hubStage{load: hubLoadOf(w.Name, c)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.server, err = start(ctx, c.Command, side+" hub"); err != nil {
		return s, err
	}
	a, err := s.server.do(order{Hub: &hubOrder{Load: s.load, Start: side, Dir: dir, Key: key}})
	if err != nil {
		return s, err
	}
	if s.agents, err = start(ctx, c.Command, "agents of "+side); err != nil {
		return s, err
	}
	began := time.Now()
	_, err = s.agents.do(order{Hub: &hubOrder{Load: s.load, Join: a.Address, Key: key}})
	c.Progress(fmt.Sprintf("  %s hub ready in %.1f s", side, time.Since(began).Seconds()))
	return s, err
}

func (s *hubStage) close() {
	if s.agents != nil {
		s.agents.stop()
	}
	if s.server != nil {
		s.server.stop()
	}
}

// round does a round and puts together what both processes say of it.
func (s *hubStage) round(burst int, profile string) (*figures, error) {
	if _, err := s.server.do(order{Hub: &hubOrder{Begin: true, Profile: profile}}); err != nil {
		return nil, err
	}
	agents, err := s.agents.do(order{Hub: &hubOrder{Go: true, Burst: burst}})
	if err != nil {
		return nil, err
	}
	server, err := s.server.do(order{Hub: &hubOrder{End: true}})
	if err != nil {
		return nil, err
	}
	f := server.Figures
	f.Frames, f.Updates, f.Wrong, f.Wall = agents.Figures.Frames, agents.Figures.Updates, agents.Figures.Wrong, agents.Figures.Wall
	f.P50, f.P99, f.P999 = agents.Figures.P50, agents.Figures.P99, agents.Figures.P999
	return f, nil
}
