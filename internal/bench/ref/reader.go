package ref

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// readBuffer is the size of the buffer between the socket and the frames, in bytes.
const readBuffer = 64 << 10

// Reader reads the frames of one websocket. It is used by one goroutine.
type Reader struct {
	ws  *websocket.Conn
	buf []byte
}

// Dial opens a websocket. The cookie is the whole header, "kid=…"; dial opens the network connection.
func Dial(ctx context.Context, url, cookie string, dial func(context.Context, string, string) (net.Conn, error)) (*Reader, error) {
	d := websocket.Dialer{NetDialContext: dial, ReadBufferSize: readBuffer, HandshakeTimeout: 10 * time.Second}
	ws, resp, err := d.DialContext(ctx, url, http.Header{"Cookie": {cookie}})
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // after a handshake the body is empty
	return NewReader(ws), nil
}

// NewReader returns a reader of a websocket that is open. The reader owns it from then on.
func NewReader(ws *websocket.Conn) *Reader { return &Reader{ws: ws, buf: make([]byte, 0, readBuffer)} }

// Next returns the next frame, valid until the next call. It blocks until there is one.
func (r *Reader) Next() ([]byte, error) {
	_, frame, err := r.ws.NextReader()
	if err != nil {
		return nil, err
	}
	b := r.buf[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := frame.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			r.buf = b
			if errors.Is(err, io.EOF) {
				return b, nil
			}
			return nil, err
		}
	}
}

// Write sends a frame.
func (r *Reader) Write(frame []byte) error { return r.ws.WriteMessage(websocket.TextMessage, frame) }

// Close closes the socket.
func (r *Reader) Close() error { return r.ws.Close() }
