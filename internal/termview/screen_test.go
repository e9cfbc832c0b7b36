package termview

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
)

func liveScreen(out io.Writer, profile colorprofile.Profile) *Screen {
	return &Screen{out: out, profile: profile, size: func() (int, int) { return 60, 20 }}
}

func TestScreenRepaintsInPlace(t *testing.T) {
	var out countingWriter
	s := liveScreen(&out, colorprofile.ANSI)
	for range 2 {
		if err := s.Draw(sample()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if n := strings.Count(text, clearScreen); n != 1 {
		t.Errorf("the screen was cleared %d times, want once", n)
	}
	if strings.Count(text, hideCursor) != 1 || strings.Count(text, showCursor) != 1 || !strings.HasSuffix(text, showCursor) {
		t.Error("the cursor is not hidden once and given back once, at the end")
	}
	if out.writes != 3 {
		t.Errorf("%d writes for two views and the end, want 3: a view must not be seen half", out.writes)
	}
	if lines := strings.Count(text, "\r\n"); lines > 2*19 {
		t.Errorf("%d lines for two views on 20 lines: the last one must stay free", lines)
	}
	if !strings.Contains(text, "\x1b[36m") {
		t.Error("no colour on a terminal that has colours")
	}
}

func TestNoColor(t *testing.T) {
	var out bytes.Buffer
	s := liveScreen(&out, colorprofile.ASCII) // what NO_COLOR makes of every terminal
	if err := s.Draw(sample()); err != nil {
		t.Fatal(err)
	}
	for _, color := range []string{"\x1b[3", "\x1b[9", ";3"} {
		if strings.Contains(out.String(), color) {
			t.Errorf("%q in a view without colours", color)
		}
	}
}

func TestPipeGetsLines(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := NewScreen(w)
	if s.Live() {
		t.Error("a pipe is no terminal, and the screen is live")
	}
	for range 2 {
		if err := s.Draw(sample()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat(Line(sample())+"\n", 2)
	if string(got) != want {
		t.Errorf("a pipe got %q, want %q", got, want)
	}
}

func TestDrawReportsTheWrite(t *testing.T) {
	broken := errors.New("gone")
	s := liveScreen(failingWriter{broken}, colorprofile.ANSI)
	if err := s.Draw(sample()); !errors.Is(err, broken) {
		t.Errorf("Draw: %v, want %v", err, broken)
	}
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func (w *countingWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
