package actors_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/komstream/komstream/internal/pipe"
	"github.com/komstream/komstream/internal/wire"
)

// lines are the network between one session and its hub, in a test's hand: they can be cut, held up, made deaf, and
// they know what the session has sent. Safe for concurrent use.
type lines struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu       sync.Mutex
	open     []*line
	refusal  error                   // of every new connection
	original bool                    // the hub's features are hidden: it looks like an original one
	hold     func(frame string) bool // the session's frames wait from the first on for which it says so
	frames   []string                // the session's text frames that reached the hub
	logins   int                     // posts to the login page
}

var errNoNetwork = errors.New("no network")

// DialContext is the session's Dial.
func (n *lines) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	refusal := n.refusal
	n.mu.Unlock()
	if refusal != nil {
		return nil, refusal
	}
	hub, err := n.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, agent := pipe.New()
	l := &line{lines: n, agent: agent, hub: hub}
	n.mu.Lock()
	n.open = append(n.open, l)
	n.mu.Unlock()
	go l.outward()
	go l.inward()
	return near, nil
}

// set changes the lines under their lock.
func (n *lines) set(change func(*lines)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// refuse makes new connections fail with err, or work again with nil.
func (n *lines) refuse(err error) { n.set(func(n *lines) { n.refusal = err }) }

// holdFrom holds the session's frames up, from the first one on that contains the text.
func (n *lines) holdFrom(text string) {
	n.set(func(n *lines) { n.hold = func(frame string) bool { return strings.Contains(frame, text) } })
}

// release lets through what was held up.
func (n *lines) release() {
	n.set(func(n *lines) {
		n.hold = nil
		for _, l := range n.open {
			if len(l.held) > 0 {
				_, _ = l.hub.Write(l.held)
				n.frames = append(n.frames, l.heldFrames...)
				l.held, l.heldFrames = nil, nil
			}
		}
	})
}

// cut ends every open connection at once, without a word.
func (n *lines) cut() {
	n.set(func(n *lines) {
		for _, l := range n.open {
			_, _ = l.agent.Close(), l.hub.Close()
		}
		n.open = nil
	})
}

// deafen makes what the hub sends vanish on the open connections; with mute, what the session sends, too.
func (n *lines) deafen(mute bool) {
	n.set(func(n *lines) {
		for _, l := range n.open {
			l.deaf, l.mute = true, l.mute || mute
		}
	})
}

// inject sends a frame to the session as if the hub had. The hub must not be sending.
func (n *lines) inject(opcode byte, payload []byte) {
	frame := []byte{0x80 | opcode, 126, 0, 0}
	binary.BigEndian.PutUint16(frame[2:], uint16(len(payload)))
	if len(payload) < 126 {
		frame = []byte{0x80 | opcode, byte(len(payload))}
	}
	n.set(func(n *lines) {
		for _, l := range n.open {
			if l.websocket {
				_, _ = l.agent.Write(append(frame, payload...))
			}
		}
	})
}

// injectText sends a text message.
func (n *lines) injectText(text string) { n.inject(1, []byte(text)) }

// injectClose sends a close frame.
func (n *lines) injectClose(code uint16) { n.inject(8, binary.BigEndian.AppendUint16(nil, code)) }

// sent returns the session's frames so far that contain a text and have reached the hub.
func (n *lines) sent(text string) (frames []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.frames {
		if strings.Contains(f, text) {
			frames = append(frames, f)
		}
	}
	return frames
}

func (n *lines) posts() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logins
}

// line is one connection. Its fields are guarded by the lines' mutex.
type line struct {
	lines      *lines
	agent      *pipe.Conn // the far end of what the session holds
	hub        net.Conn
	websocket  bool // frames follow
	deaf, mute bool
	partial    []byte // of a frame from the session
	message    []byte // of a fragmented message
	held       []byte
	heldFrames []string
}

// outward carries what the session sends.
func (l *line) outward() {
	buffer := make([]byte, 32<<10)
	for {
		k, err := l.agent.Read(buffer)
		l.lines.set(func(n *lines) {
			switch {
			case k == 0 || l.mute:
			case !l.websocket:
				n.logins += strings.Count(string(buffer[:k]), "POST ")
				l.websocket = strings.HasPrefix(string(buffer[:k]), "GET ")
				_, err2 := l.hub.Write(buffer[:k])
				err = errors.Join(err, err2)
			default:
				l.partial = append(l.partial, buffer[:k]...)
				for l.forward() {
				}
			}
		})
		if err != nil {
			l.close()
			return
		}
	}
}

// forward passes one complete frame on, or holds it. It reports whether there was one.
func (l *line) forward() bool {
	opcode, payload, size := parseFrame(l.partial)
	if size == 0 {
		return false
	}
	frame := slices.Clone(l.partial[:size])
	final := frame[0]&0x80 != 0
	l.partial = l.partial[size:]
	var texts []string
	if opcode <= 1 {
		l.message = append(l.message, payload...)
		if final {
			texts = []string{string(l.message)}
			l.message = nil
		}
	}
	n := l.lines
	if len(l.held) > 0 || n.hold != nil && len(texts) > 0 && n.hold(texts[0]) {
		l.held, l.heldFrames = append(l.held, frame...), append(l.heldFrames, texts...)
		return true
	}
	n.frames = append(n.frames, texts...)
	_, err := l.hub.Write(frame)
	return err == nil
}

// parseFrame returns the first frame of b, unmasked, and its size; 0 when it is not complete.
func parseFrame(b []byte) (opcode byte, payload []byte, size int) {
	if len(b) < 2 {
		return 0, nil, 0
	}
	length, at := int(b[1]&0x7f), 2
	switch {
	case length == 126 && len(b) >= 4:
		length, at = int(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127 && len(b) >= 10:
		length, at = int(binary.BigEndian.Uint64(b[2:])), 10
	case length >= 126:
		return 0, nil, 0
	}
	if size = at + 4 + length; len(b) < size {
		return 0, nil, 0
	}
	mask := b[at : at+4]
	payload = slices.Clone(b[at+4 : size])
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return b[0] & 0x0f, payload, size
}

// inward carries what the hub sends.
func (l *line) inward() {
	buffer := make([]byte, 32<<10)
	for {
		k, err := l.hub.Read(buffer)
		n := l.lines
		n.mu.Lock()
		deaf, original := l.deaf, n.original
		n.mu.Unlock()
		if k > 0 && !deaf {
			data := buffer[:k]
			if original {
				data = []byte(strings.Replace(string(data), wire.FeaturesHeader+":", "X-Hidden:", 1))
			}
			if _, werr := l.agent.Write(data); werr != nil {
				l.close()
				return
			}
		}
		if errors.Is(err, io.EOF) && !deaf {
			_ = l.agent.CloseWrite()
			return
		}
		if err != nil {
			l.close()
			return
		}
	}
}

func (l *line) close() {
	l.lines.set(func(n *lines) {
		_, _ = l.agent.Close(), l.hub.Close()
		n.open = slices.DeleteFunc(n.open, func(other *line) bool { return other == l })
	})
}
