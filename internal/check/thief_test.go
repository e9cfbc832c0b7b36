package check

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

// thief takes one notification away, behind the tap: the session never gets what the hub has sent.
type thief struct {
	net.Conn
	stream stream // finds the handshake
	raw    []byte
	ready  []byte
	seen   int
	steals int // which notification, from 1
}

func (t *thief) Read(b []byte) (int, error) {
	for len(t.ready) == 0 {
		n, err := t.Conn.Read(b)
		if err != nil {
			return n, err
		}
		if !t.stream.upgraded {
			_, _ = t.stream.feed(b[:n])
			if !t.stream.upgraded {
				return n, nil
			}
			head, rest, _ := bytes.Cut(b[:n], []byte("\r\n\r\n"))
			t.ready, t.raw = append(bytes.Clone(head), "\r\n\r\n"...), bytes.Clone(rest)
		} else {
			t.raw = append(t.raw, b[:n]...)
		}
		t.pass()
	}
	n := copy(b, t.ready)
	t.ready = t.ready[n:]
	return n, nil
}

// pass hands on the frames that are complete.
func (t *thief) pass() {
	for {
		f, n := cutFrame(t.raw)
		if n == 0 {
			return
		}
		notification := bytes.Contains(f.payload, []byte("send_multi_data"))
		if notification {
			t.seen++
		}
		if !notification || t.seen != t.steals {
			t.ready = append(t.ready, t.raw[:n]...)
		}
		t.raw = t.raw[n:]
	}
}

// TestAStolenMessageIsMissed has a real session lose one of ten messages.
func TestAStolenMessageIsMissed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h := hubtest.New(t)
	c := New("me")
	tapped := c.Tap(h.Dial)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := tapped(ctx, network, address)
		return &thief{Conn: conn, steals: 4}, err
	}
	const messages = 10
	runs := make(chan struct{}, messages)
	impulses := c.Watch(impulse.Impulse{Name: "i", On: impulse.URIs("a"), Do: func(context.Context, *impulse.Update) error {
		runs <- struct{}{}
		return nil
	}})
	session, err := komstream.Open(ctx, komstream.Config{Hub: h.URL(), Dial: dial, Username: "me", Key: h.User("me")}, impulses...)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	start := time.Now()
	for n := range messages {
		if err := session.Send(ctx, metric.Datapoint("a", start.Add(time.Duration(n)*time.Millisecond), n)); err != nil {
			t.Fatal(err)
		}
	}
	for range messages - 1 {
		select {
		case <-runs:
		case <-ctx.Done():
			t.Fatal("the runs did not come")
		}
	}
	faults := c.Faults()
	if c.Wrong() == 0 || !strings.Contains(strings.Join(faults, "\n"), "was passed over") {
		t.Errorf("%d wrong, faults %q", c.Wrong(), faults)
	}
}
