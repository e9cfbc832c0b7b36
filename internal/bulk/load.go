package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/komstream/komstream/metric"
)

// Session is what a load needs of a session.
type Session interface {
	// Send queues samples, all of which are good.
	Send(ctx context.Context, samples ...metric.Sample) error
	// Flush waits until the hub has answered for everything, and until Refusals holds what it refused.
	Flush(ctx context.Context) error
	// Refusals returns what was refused since the last call.
	Refusals() []Refusal
}

// Refusal is a sample that the hub did not take.
type Refusal struct {
	Sample metric.Sample
	Reason string
}

// Config says what to load and where.
type Config struct {
	Source  Source
	Session Session
	// User is whose metrics are written: a line that names another user's is refused.
	User string
	// Begin is where to take up an earlier load, with the Target of this one.
	Begin State
	// Refused is told of each line that was refused, in the order of the lines of a group.
	Refused func(line int64, reason string)
	// Done, if not nil, is told after each group how far the load has come, to show and save it. An error ends the load.
	Done func(State) error
}

const (
	// groupLines and groupBytes bound what is sent before the hub is waited for.
	groupLines = 2000
	groupBytes = 4 << 20
	// groupWait is how long a group waits for more lines, where they come slowly.
	groupWait = 200 * time.Millisecond
)

// ErrOtherInput is wrapped where Config.Begin belongs to another input or target.
var ErrOtherInput = errors.New("belongs to another load")

// Load sends all lines and returns how far it came: to the end where the error is nil. When ctx ends, it returns
// without waiting for the source, and a goroutine that reads it remains until that returns.
func Load(ctx context.Context, c Config) (State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &load{config: c, state: c.Begin, hash: sha256.New(), lines: make(chan read)}
	go l.read(ctx)
	if err := l.pass(ctx); err != nil {
		return c.Begin, err
	}
	for {
		more, err := l.group(ctx)
		if err != nil || !more {
			return l.state, err
		}
	}
}

// load is a load in progress.
type load struct {
	config Config
	state  State
	hash   hash.Hash // of the lines up to the last one taken
	lines  chan read
}

// read is a line, or why there are no more.
type read struct {
	Line
	end error
}

// read reads the source, which may block for ever.
func (l *load) read(ctx context.Context) {
	for {
		line, err := l.config.Source.Next()
		line.raw = append([]byte(nil), line.raw...)
		select {
		case l.lines <- read{line, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// pass passes over what an earlier load has done, and makes sure that it is the same.
func (l *load) pass(ctx context.Context) error {
	begin := l.config.Begin
	for last := int64(0); last < begin.Line; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r := <-l.lines:
			if r.end != nil {
				return fmt.Errorf("bulk: the state of line %d %w: the input ends at line %d", begin.Line, ErrOtherInput, last)
			}
			last = l.take(r.Line)
		}
	}
	if begin.Hash != "" && begin.Hash != l.sum() {
		return fmt.Errorf("bulk: the state of line %d %w: the lines up to it are not the same", begin.Line, ErrOtherInput)
	}
	return nil
}

func (l *load) take(line Line) int64 {
	l.hash.Write(line.raw)
	return line.Number
}

func (l *load) sum() string { return hex.EncodeToString(l.hash.Sum(nil)) }

// group sends some lines and waits for the answers. It returns false after the last.
func (l *load) group(ctx context.Context) (more bool, err error) {
	lines, end := l.collect(ctx)
	if end != nil && !errors.Is(end, io.EOF) {
		if ctx.Err() != nil {
			return false, end
		}
		return false, fmt.Errorf("bulk: reading after line %d: %w", l.state.Line, end)
	}
	var good []metric.Sample
	refused := make([]string, len(lines)) // by place in lines
	places := map[identity]int{}          // the last place of each sample
	for i := range lines {
		line := &lines[i]
		if line.Err == nil && !line.Sample.URI.For(l.config.User).IsLocal() {
			line.Err = fmt.Errorf("%s is another user's: nobody but its owner may write it", line.Sample.URI)
		}
		if line.Err != nil {
			refused[i] = line.Err.Error()
			continue
		}
		good = append(good, line.Sample)
		places[l.identify(line.Sample)] = i
	}
	if len(good) > 0 {
		if err := l.config.Session.Send(ctx, good...); err != nil {
			return false, err
		}
		if err := l.config.Session.Flush(ctx); err != nil {
			return false, err
		}
	}
	for _, r := range l.config.Session.Refusals() {
		if i, ok := places[l.identify(r.Sample)]; ok {
			refused[i] = r.Reason
		}
	}
	return end == nil, l.account(lines, refused)
}

// identity says which samples are one: the last that is sent counts.
type identity struct {
	uri metric.URI
	at  metric.TimeUUID
}

func (l *load) identify(s metric.Sample) identity { return identity{s.URI.For(l.config.User), s.Time} }

// collect returns the lines of the next group, and why there are no more after them.
func (l *load) collect(ctx context.Context) (lines []Line, end error) {
	var timeout <-chan time.Time
	for bytes := 0; len(lines) < groupLines && bytes < groupBytes; {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timeout:
			return lines, nil
		case r := <-l.lines:
			if r.end != nil {
				return lines, r.end
			}
			lines = append(lines, r.Line)
			bytes += len(r.raw)
			if timeout == nil {
				timer := time.NewTimer(groupWait)
				defer timer.Stop()
				timeout = timer.C
			}
		}
	}
	return lines, nil
}

// account notes what became of the lines of a group.
func (l *load) account(lines []Line, refused []string) error {
	for i := range lines {
		l.state.Line = l.take(lines[i])
		if refused[i] == "" {
			l.state.Sent++
			continue
		}
		l.state.Refused++
		if l.config.Refused != nil {
			l.config.Refused(lines[i].Number, refused[i])
		}
	}
	l.state.Hash = l.sum()
	if l.config.Done == nil || len(lines) == 0 {
		return nil
	}
	return l.config.Done(l.state)
}
