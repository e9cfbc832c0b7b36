package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
)

const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

// wire returns a websocket frame as a server writes it.
func wire(first byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{first, byte(n)}) + payload
	case n < 1<<16:
		return string(binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n))) + payload
	default:
		return string(binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n))) + payload
	}
}

const text, final, continued, ping, closing = 0x01, 0x80, 0x00, 0x09, 0x08

func TestStreamReadsFramesInPiecesOfAnySize(t *testing.T) {
	long, longer := strings.Repeat("x", 300), strings.Repeat("y", 70_000)
	input := upgrade + wire(final|text, "one") + wire(text, "tw") + wire(final|ping, "?") + wire(continued, "o ") +
		wire(final|continued, "parts") + wire(final|text, "") + wire(final|text, long) + wire(final|0x02, longer) +
		wire(final|closing, "\x03\xe8bye")
	want := []string{"one", "two parts", "", long, longer}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		var s stream
		var got []string
		for rest := []byte(input); len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 1+rng.IntN(5000)))
			messages, err := s.feed(rest[:n])
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, m := range messages {
				got = append(got, string(m))
			}
			rest = rest[n:]
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("seed %d: got %.200q", seed, got)
		}
	}
}

func TestStreamRefusesWhatAServerDoesNotWrite(t *testing.T) {
	for name, input := range map[string]string{
		"masked":                    string([]byte{final | text, 0x80, 1, 2, 3, 4}),
		"compressed":                wire(final|0x40|text, "x"),
		"continuation of nothing":   wire(final|continued, "x"),
		"message within a message":  wire(text, "x") + wire(final|text, "y"),
		"reserved bit of a control": wire(final|0x10|ping, ""),
	} {
		var s stream
		if _, err := s.feed([]byte(upgrade + input)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStreamLeavesOtherAnswersAlone(t *testing.T) {
	var s stream
	messages, err := s.feed([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"))
	if len(messages) > 0 || err != nil || s.upgraded {
		t.Errorf("messages %q, error %v", messages, err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(upgrade+wire(final|text, "one")), 3)
	f.Add([]byte(upgrade+wire(text, "one")+wire(final|continued, "two")), 40)
	f.Fuzz(func(t *testing.T, input []byte, cut int) {
		// However it is cut, the messages are the same.
		var whole, parts stream
		want, wantErr := whole.feed(input)
		cut = max(0, min(cut, len(input)))
		got, gotErr := parts.feed(input[:cut])
		if gotErr == nil {
			var more [][]byte
			more, gotErr = parts.feed(input[cut:])
			got = append(got, more...)
		}
		if (gotErr == nil) != (wantErr == nil) || !bytes.Equal(bytes.Join(got, []byte{0}), bytes.Join(want, []byte{0})) {
			t.Fatalf("cut at %d: %q %v, whole: %q %v", cut, got, gotErr, want, wantErr)
		}
	})
}

func TestTapTellsTheCheckerAndChangesNothing(t *testing.T) {
	c := New("me")
	client, server := net.Pipe()
	conn, err := c.Tap(func(context.Context, string, string) (net.Conn, error) { return client, nil })(t.Context(), "tcp", "hub")
	if err != nil {
		t.Fatal(err)
	}
	sent := upgrade + wire(final|text, `{"action":"generic_response"}`) + wire(final|text, `{"action":"dance"}`)
	go func() {
		_, _ = io.WriteString(server, sent)
		server.Close()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != sent {
		t.Errorf("read %q, %v", got, err)
	}
	if n := c.Wrong(); n != 1 {
		t.Errorf("%d faults %q, want the unknown action", n, c.Faults())
	}
}

// TestTimesAgree compares the order and the instants of the checker's times with those of the vocabulary.
func TestTimesAgree(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		ticks := metric.Ticks(rng.Int64N(1<<58) - 1<<50)
		a := metric.TimeUUIDFromOrder(ticks, rng.Uint64()&^(3<<62))
		b := metric.TimeUUIDFromOrder(ticks, rng.Uint64()&^(3<<62))
		if got := id(a).ticks() - unixTicks; got != int64(ticks) {
			t.Fatalf("seed %d: ticks of %v are %d, want %d", seed, a, got, ticks)
		}
		if got, want := id(a).less(id(b)), a.Compare(b) < 0; got != want {
			t.Fatalf("seed %d: %v before %v: %v, want %v", seed, a, b, got, want)
		}
		at := time.Unix(rng.Int64N(1<<33), rng.Int64N(1e7)*100).UTC()
		if got := ticksOf(at); !timeOf(got).Equal(at) {
			t.Fatalf("seed %d: %v became %v", seed, at, timeOf(got))
		}
	}
}
