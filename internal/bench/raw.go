package bench

import (
	"context"
	"fmt"

	"github.com/komstream/komstream/internal/bench/ref"
)

// raw reads and decodes, and does nothing else: see package ref.
type raw struct {
	*common
	reader *ref.Reader
}

func (s *raw) open(ctx context.Context, o opening) (err error) {
	s.reader, err = ref.Dial(ctx, o.url(), "kid="+sideRaw, s.line.dial)
	if err != nil {
		return err
	}
	go s.read()
	return nil
}

// read reads until the socket ends. It counts messages for the round, in which no impulse runs.
func (s *raw) read() {
	var scanner ref.Scanner
	frames := 0
	for {
		frame, err := s.reader.Next()
		if err != nil {
			return
		}
		if err := scanner.Scan(frame); err != nil || len(scanner.Updates) != s.w.Batch {
			panic(fmt.Sprintf("bench: the stub sent %q: %v", frame, err)) // our own frames
		}
		if r := s.round.Load(); frames+1 == r.Frames {
			frames = 0
			close(r.done)
		} else {
			frames++
		}
	}
}

func (s *raw) stats(*figures) {}
func (s *raw) close() error   { return s.reader.Close() }
