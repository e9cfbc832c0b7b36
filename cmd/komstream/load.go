package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/internal/bulk"
)

// runLoad sends the lines of standard input.
func runLoad(c *cobra.Command, o *options, f sendFlags) (err error) {
	if _, yes := terminal(c.InOrStdin()); yes {
		return usage(errors.New("no samples: redirect standard input: komstream send --ndjson < FILE"))
	}
	in := &counted{Reader: c.InOrStdin()}
	source := f.source(in)
	session, err := o.connect(c.Context(), komstream.Events{})
	if err != nil {
		return err
	}
	defer session.end(&err)
	target := session.where.User + "@" + session.where.Hub
	begin, err := f.begin(target)
	if err != nil {
		return err
	}
	progress := newProgress(c, in)
	end, err := bulk.Load(c.Context(), bulk.Config{
		Source: source, Session: session, User: session.where.User, Begin: begin,
		Refused: func(line int64, reason string) { progress.say("line %d: %s", line, reason) },
		Done: func(s bulk.State) error {
			progress.show(s, begin)
			if f.resume == "" {
				return nil
			}
			return s.Write(f.resume)
		},
	})
	progress.end()
	if err != nil {
		return f.stopped(c.Context(), end, err)
	}
	if f.resume != "" {
		if err = os.Remove(f.resume); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if o.json {
		err = printJSON(c.OutOrStdout(), map[string]int64{"sent": end.Sent, "refused": end.Refused})
	} else {
		err = say(c.OutOrStdout(), "sent %s", count(end.Sent, "sample"))
	}
	if err == nil && end.Refused > 0 {
		err = &codedError{exitRefused, fmt.Errorf("%s refused and the others sent: correct those lines and send them again",
			count(end.Refused, "line"))}
	}
	return err
}

// begin returns where to begin.
func (f *sendFlags) begin(target string) (bulk.State, error) {
	if f.resume == "" {
		return bulk.State{Target: target, Line: f.fromLine - 1}, nil
	}
	s, err := bulk.ReadState(f.resume)
	if err != nil {
		return s, err
	}
	if s.Target != "" && s.Target != target {
		return s, fmt.Errorf("the state in %s is of a load to %s, not to %s: delete it to begin anew", f.resume, s.Target, target)
	}
	s.Target = target
	return s, nil
}

// stopped says how to go on after an error.
func (f *sendFlags) stopped(ctx context.Context, end bulk.State, err error) error {
	switch {
	case errors.Is(err, bulk.ErrOtherInput) && f.resume != "":
		return fmt.Errorf("%w: give the same input, or delete %s to begin anew", err, f.resume)
	case errors.Is(err, bulk.ErrOtherInput):
		return fmt.Errorf("%w: give a smaller --from-line", err)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if f.resume != "" {
		return &codedError{exitFailed, fmt.Errorf("stopped after line %d: %w: give the same command again to go on", end.Line, err)}
	}
	return &codedError{exitFailed, fmt.Errorf("stopped after line %d: %w: go on with --from-line %d", end.Line, err, end.Line+1)}
}

// source returns the lines of the input.
func (f *sendFlags) source(in io.Reader) bulk.Source {
	if f.csv {
		return bulk.CSV(in, time.Now)
	}
	return bulk.NDJSON(in, time.Now)
}

// counted counts what is read of the input.
type counted struct {
	io.Reader
	n atomic.Int64
}

// Read implements [io.Reader].
func (r *counted) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n.Add(int64(n))
	return n, err
}

// progress shows on a terminal how far a load has come, in one line that is overwritten.
type progress struct {
	out     io.Writer
	live    bool
	in      *counted
	size    int64 // of the input in bytes, 0 where that is not known
	started time.Time
	shown   time.Time
	width   int // of what is shown
}

// progressEvery is how often the line changes.
const progressEvery = 200 * time.Millisecond

func newProgress(c *cobra.Command, in *counted) *progress {
	p := &progress{out: c.ErrOrStderr(), in: in, started: time.Now()}
	_, p.live = terminal(p.out)
	if file, ok := in.Reader.(*os.File); ok && p.live {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			p.size = info.Size()
		}
	}
	p.live = p.live && os.Getenv("TERM") != "dumb"
	return p
}

// show shows a state. The share of a file that is done is that of the bytes read, which is one group ahead at most.
func (p *progress) show(s, begin bulk.State) {
	if !p.live || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	rate := float64(s.Line-begin.Line) / p.shown.Sub(p.started).Seconds()
	text := fmt.Sprintf("%s, %d refused, %.0f lines/s", count(s.Line, "line"), s.Refused, rate)
	if p.size > 0 {
		text = bar(float64(p.in.n.Load())/float64(p.size), barWidth) + " " + text
	}
	p.clear()
	p.width = len([]rune(text))
	_, _ = io.WriteString(p.out, text) // a load that nobody can follow goes on
}

const barWidth = 24

// bar draws how much of something is done.
func bar(share float64, width int) string {
	share = min(max(share, 0), 1)
	done := int(share * float64(width))
	return fmt.Sprintf("[%s%s] %3.0f%%", strings.Repeat("=", done), strings.Repeat(" ", width-done), 100*share)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.width > 0 {
		_, _ = io.WriteString(p.out, "\r"+strings.Repeat(" ", p.width)+"\r")
		p.width = 0
	}
}

// say writes a line above.
func (p *progress) say(format string, args ...any) {
	p.clear()
	_ = say(p.out, format, args...)
}

func (p *progress) end() { p.clear() }
