package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/internal/bench/ref"
	"github.com/komstream/komstream/internal/wire"
)

// hubServer is the measured process: the hub as everybody starts one, with its data on disk, or a yardstick that does
// no more with the same frames than the network demands.
type hubServer struct {
	load hubLoad
	hub  *hub.Hub
	raw  *stub
	seqs *wire.SeqSource

	mu          sync.Mutex
	subscribers []*stubConn // of the yardstick

	meter       meter
	stopProfile func()
}

// userName names the user of writer i.
func userName(i int) string { return fmt.Sprintf("user%02d", i) }

func (s *hubServer) start(ctx context.Context, o *hubOrder) (address string, err error) {
	if o.Start == sideRaw {
		return s.startRaw(ctx)
	}
	key, err := parseKey(o.Key)
	if err != nil {
		return "", err
	}
	s.hub, err = hub.Start(ctx, hub.Config{
		Dir: o.Dir, Listen: []string{"127.0.0.1:0"}, LoginRate: 1e6,
		PushBytes: 256 << 20, // every notification is to be counted
	})
	if err != nil {
		return "", err
	}
	for i := range s.load.Writers {
		if err := s.hub.AddUser(ctx, userName(i)); err != nil {
			return "", err
		}
		if _, err := s.hub.AddAgent(ctx, userName(i), key.Public()); err != nil {
			return "", err
		}
	}
	return s.hub.Addr().String(), nil
}

func (s *hubServer) startRaw(ctx context.Context) (string, error) {
	raw, err := startStub(ctx, &Workload{Samples: s.load.Rows}, time.Now())
	if err != nil {
		return "", err
	}
	s.raw, s.seqs = raw, wire.NewSeqSource(time.Now)
	if s.load.Workload != reading {
		raw.serve = s.pass
	}
	return raw.listener.Addr().String(), nil
}

// pass reads and decodes, writes each frame of samples once for each subscriber, and answers.
func (s *hubServer) pass(c *stubConn) {
	var scanner ref.Scanner
	reader := ref.NewReader(c.ws)
	var out, body []byte
	hooked := false
	for {
		frame, err := reader.Next()
		if err != nil {
			return
		}
		switch {
		case scanner.Scan(frame) == nil:
			out = appendFrame(out[:0], frame)
			s.publish(c, out)
		case !hooked:
			hooked = true
			s.mu.Lock()
			s.subscribers = append(s.subscribers, c)
			s.mu.Unlock()
		}
		body = wire.AppendResponse(body[:0], s.seqs.Next(), wire.Seq{}, wire.Response{Status: wire.StatusExecuted})
		if c.write(appendFrame(out[:0], body)) != nil {
			return
		}
	}
}

// publish writes a frame to the subscribers of a writer: each user's are the sockets that logged in as that user.
func (s *hubServer) publish(writer *stubConn, frame []byte) {
	s.mu.Lock()
	subscribers := s.subscribers
	s.mu.Unlock()
	for _, c := range subscribers {
		if c.user == writer.user {
			_ = c.write(frame) // one that is gone is missed by the agents
		}
	}
}

func (s *hubServer) follow(_ context.Context, o *hubOrder) (*figures, error) {
	if o.Begin {
		stop, err := startProfile(o.Profile)
		if err != nil {
			return nil, err
		}
		s.stopProfile = stop
		s.meter = startMeter()
		return nil, nil
	}
	f := new(figures)
	s.meter.stop(f)
	s.stopProfile()
	return f, nil
}

func (s *hubServer) close() {
	if s.hub != nil {
		_ = s.hub.Close() // its directory is removed next
	}
	if s.raw != nil {
		s.raw.close()
	}
}
