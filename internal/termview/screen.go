package termview

import (
	"bytes"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"golang.org/x/term"
)

// The escape sequences of a repaint, which every terminal of this century knows. A terminal that does not know
// synchronized output ignores it.
const (
	clearScreen = "\x1b[H\x1b[2J"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	// While a view is painted, lines that are too long for the terminal are cut and not wrapped.
	beginUpdate = "\x1b[?2026h\x1b[?7l"
	endUpdate   = "\x1b[?7h\x1b[?2026l"
)

// Screen shows snapshots one after the other: in place on a terminal, as lines elsewhere. Make it with [NewScreen];
// one goroutine at a time may use it.
type Screen struct {
	out     io.Writer
	size    func() (width, height int) // nil where lines are written
	profile colorprofile.Profile
	buf     bytes.Buffer
	painted bool
}

// NewScreen returns a screen on a file, most often os.Stdout. It is live when the file is a terminal that can move
// its cursor. Colours follow the terminal, NO_COLOR and the other usual variables of the environment.
func NewScreen(file *os.File) *Screen {
	s := &Screen{out: file, profile: colorprofile.Detect(file, os.Environ())}
	fd := int(file.Fd())
	if term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		s.size = func() (int, int) {
			width, height, err := term.GetSize(fd)
			if err != nil || width <= 0 || height <= 0 {
				return 80, 24 // what a terminal has when it cannot say
			}
			return width, height
		}
	}
	return s
}

// Live reports whether the screen repaints in place. Where it does not, each Draw writes a line: draw less often.
func (s *Screen) Live() bool { return s.size != nil }

// Draw shows a snapshot, in a single write, so that a view is never seen half. The size of the terminal is asked
// each time. The error is that of the write.
func (s *Screen) Draw(snapshot Snapshot) error {
	s.buf.Reset()
	if s.Live() {
		s.paint(snapshot)
	} else {
		s.buf.WriteString(Line(snapshot) + "\n")
	}
	_, err := s.out.Write(s.buf.Bytes())
	return err
}

// paint overwrites the last view instead of clearing it first, which would flicker.
func (s *Screen) paint(snapshot Snapshot) {
	s.buf.WriteString(beginUpdate)
	if s.painted {
		s.buf.WriteString(home)
	} else {
		s.buf.WriteString(hideCursor + clearScreen)
		s.painted = true
	}
	width, height := s.size()
	// The last line stays free for the cursor; a newline in it would scroll.
	view := Render(snapshot, width, max(1, height-1))
	colored := colorprofile.Writer{Forward: &s.buf, Profile: s.profile}
	for line := range strings.SplitSeq(view, "\n") {
		// Clear first: after a full line the cursor stands on its last column, which clearing would erase.
		s.buf.WriteString(clearLine)
		_, _ = colored.WriteString(line) // into a buffer: it cannot fail
		s.buf.WriteString("\r\n")
	}
	s.buf.WriteString(clearBelow + endUpdate)
}

// Close leaves the last view where it is and gives the cursor back. Call it however the program ends, an interrupt
// included. It may be called again, and the screen may be drawn on again.
func (s *Screen) Close() error {
	if !s.painted {
		return nil
	}
	s.painted = false
	_, err := io.WriteString(s.out, showCursor)
	return err
}
