package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// agents is the process that loads the hub.
type agents struct {
	load        hubLoad
	seqs        *wire.SeqSource
	base        metric.Ticks
	writers     []*agent
	subscribers []*agent
	next        int64 // the number of the next frame of each writer

	wrong  atomic.Int64
	delays *delays
	sent   []atomic.Int64 // when each frame of a round was sent, for the subscribers of fan-out
	first  int64          // the first frame of the round

	burst   int // frames at a time, 0 for no bursts
	arrived atomic.Int64
	gate    chan struct{} // a burst has arrived everywhere
}

// agent is one socket.
type agent struct {
	user    int
	ws      *websocket.Conn
	decoder wire.Decoder
	next    int64 // the frame that a subscriber must get next
}

// join connects everybody, creates the metrics and subscribes them.
func (a *agents) join(ctx context.Context, o *hubOrder) error {
	key, err := parseKey(o.Key)
	if err != nil {
		return err
	}
	a.seqs, a.next = wire.NewSeqSource(time.Now), firstMessage
	a.base = metric.TicksOf(time.Now().Add(-hour))
	a.writers = make([]*agent, a.load.Writers)
	a.subscribers = make([]*agent, a.load.Writers*a.load.Subscribers)
	var all errgroup.Group
	all.SetLimit(4)
	enter := func(list []*agent, i, user int) {
		all.Go(func() (err error) {
			list[i], err = enter(ctx, o.Join, user, key)
			return err
		})
	}
	for i := range a.writers {
		enter(a.writers, i, i)
	}
	for i := range a.subscribers {
		enter(a.subscribers, i, i%a.load.Writers)
	}
	if err := all.Wait(); err != nil {
		return err
	}
	// The metrics come to exist before they are subscribed, and nobody gets what made them.
	a.delays = new(delays)
	if err := a.write(a.load.prepare()); err != nil {
		return err
	}
	return a.hook()
}

// enter logs in and opens a socket.
func enter(ctx context.Context, address string, user int, key *connection.Key) (*agent, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	_, err = connection.Login(ctx, connection.LoginConfig{
		URL: "http://" + address + "/login", Username: userName(user), Key: key, Client: &http.Client{Jar: jar},
	})
	if err != nil {
		return nil, err
	}
	d := websocket.Dialer{Jar: jar, ReadBufferSize: chunk, HandshakeTimeout: 10 * time.Second}
	ws, resp, err := d.DialContext(ctx, "ws://"+address+"/", nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // after a handshake the body is empty
	return &agent{user: user, ws: ws}, nil
}

func (a *agents) close() {
	for _, list := range [][]*agent{a.writers, a.subscribers} {
		for _, x := range list {
			if x != nil {
				_ = x.ws.Close()
			}
		}
	}
}

// read returns the next message.
func (x *agent) read() (wire.Message, error) {
	_, frame, err := x.ws.ReadMessage()
	if err != nil {
		return wire.Message{}, err
	}
	return x.decoder.Decode(frame)
}

// hook subscribes each subscriber to all metrics of its user.
func (a *agents) hook() error {
	var all errgroup.Group
	for _, x := range a.subscribers {
		x.next = a.next
		all.Go(func() error {
			for i := range a.load.Metrics {
				if err := x.ws.WriteMessage(websocket.TextMessage, wire.AppendHook(nil, a.seqs.Next(), benchURI(i))); err != nil {
					return err
				}
				m, err := x.read()
				if err != nil {
					return err
				}
				if m.Response == nil || m.Response.Status != wire.StatusExecuted {
					return fmt.Errorf("bench: hook of %s was answered %+v", benchURI(i), m.Response)
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// follow does a round.
func (a *agents) follow(ctx context.Context, o *hubOrder) (*figures, error) {
	a.burst, a.gate = o.Burst, make(chan struct{}, 1)
	a.arrived.Store(0)
	a.wrong.Store(0)
	a.delays, a.first = new(delays), a.next
	f := &figures{Frames: int64(a.load.Frames * a.load.Writers)}
	began := time.Now()
	var err error
	switch a.load.Workload {
	case ingest:
		f.Updates = f.Frames * int64(a.load.Batch)
		err = a.follows(ctx)
	case fanOut:
		f.Updates = f.Frames * int64(a.load.Subscribers)
		a.sent = make([]atomic.Int64, a.load.Frames)
		err = a.follows(ctx)
	case reading:
		f.Updates = f.Frames * int64(a.load.Rows)
		err = a.readHistory()
	}
	f.Wall, f.Wrong = time.Since(began), a.wrong.Load()
	f.P50, f.P99, f.P999 = a.delays.micros(0.5), a.delays.micros(0.99), a.delays.micros(0.999)
	return f, err
}

// follows lets all writers write, until everything is answered and delivered.
func (a *agents) follows(context.Context) error {
	var all errgroup.Group
	for _, x := range a.subscribers {
		_ = x.ws.SetReadDeadline(time.Now().Add(roundTimeout)) // a socket that is closed is noticed by the read
		all.Go(func() error {
			for range a.load.Frames {
				if err := a.delivered(x); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(a.write(a.load.Frames), all.Wait())
}

// delivered reads a notification and checks that it is the next one, with the right samples.
func (a *agents) delivered(x *agent) error {
	m, err := x.read()
	if err != nil {
		return fmt.Errorf("bench: a subscriber of user %d waits for frame %d: %w", x.user, x.next, err)
	}
	n := m.Notification
	wrong := n == nil || len(n.Items) != a.load.Batch
	if !wrong {
		want := fmt.Append(nil, x.next)
		for _, item := range n.Items {
			wrong = wrong || string(item.Content) != string(want)
		}
	}
	if wrong {
		a.wrong.Add(1)
	}
	if a.sent != nil {
		a.delays.add(time.Since(time.Unix(0, a.sent[x.next-a.first].Load())))
	}
	x.next++
	a.arrive()
	return nil
}

// arrive notes that an answer or a notification is there, and opens the gate behind the last one of a burst.
func (a *agents) arrive() {
	if a.burst > 0 && a.arrived.Add(1)%int64(a.burst*(1+a.load.Subscribers)) == 0 {
		a.gate <- struct{}{}
	}
}

// pass waits for the end of a burst.
func (a *agents) pass() error {
	select {
	case <-a.gate:
		return nil
	case <-time.After(roundTimeout):
		return errors.New("bench: a burst has not arrived everywhere")
	}
}

// write lets each writer send a number of frames, with a window of them waiting for their answers.
func (a *agents) write(frames int) error {
	var all errgroup.Group
	for _, x := range a.writers {
		flight := make(chan time.Time, a.load.Window)
		_ = x.ws.SetReadDeadline(time.Now().Add(roundTimeout)) // a socket that is closed is noticed by the read
		all.Go(func() error { return a.acknowledged(x, flight) })
		all.Go(func() error { return a.send(x, frames, flight) })
	}
	err := all.Wait()
	a.next += int64(frames)
	return err
}

// send writes frames as fast as the window or the bursts allow.
func (a *agents) send(x *agent, frames int, flight chan<- time.Time) error {
	defer close(flight)
	samples := make([]metric.Sample, a.load.Batch)
	for i := range frames {
		frame := a.frame(samples, a.next+int64(i))
		now := time.Now()
		if a.sent != nil {
			a.sent[i].Store(now.UnixNano())
		}
		flight <- now
		if err := x.ws.WriteMessage(websocket.TextMessage, frame); err != nil {
			return err
		}
		if a.burst > 0 && (i+1)%a.burst == 0 {
			if err := a.pass(); err != nil {
				return err
			}
		}
	}
	return nil
}

// frame encodes frame k.
func (a *agents) frame(samples []metric.Sample, k int64) []byte {
	value, _ := metric.NumberOf(k) // whole numbers are always valid
	at := metric.NewTimeUUID(a.base+metric.Ticks(k-firstMessage)*10_000, metric.PlainLow)
	group := int(k % int64(a.load.Metrics/a.load.Batch))
	for i := range samples {
		samples[i] = metric.Sample{URI: benchURI(group*a.load.Batch + i), Time: at, Value: value}
	}
	return wire.AppendSendMulti(nil, a.seqs.Next(), wire.Seq{}, nil, at, samples)
}

// acknowledged reads the answers to what is in flight. They come in order.
func (a *agents) acknowledged(x *agent, flight <-chan time.Time) error {
	for sent := range flight {
		m, err := x.read()
		if err != nil {
			_ = x.ws.Close() // so that the writer ends too
			for range flight {
				continue
			}
			return err
		}
		if m.Response == nil || m.Response.Status != wire.StatusExecuted {
			a.wrong.Add(1)
		}
		if a.sent == nil {
			a.delays.add(time.Since(sent))
		}
		a.arrive()
	}
	return nil
}

// readHistory reads all rows of one metric after the other.
func (a *agents) readHistory() error {
	x := a.writers[0]
	_ = x.ws.SetReadDeadline(time.Now().Add(roundTimeout)) // a socket that is closed is noticed by the read
	for i := range a.load.Frames {
		began := time.Now()
		request := wire.AppendRequest(nil, a.seqs.Next(), benchURI(i%a.load.Metrics), metric.MinTime, metric.MaxTime, -1)
		if err := x.ws.WriteMessage(websocket.TextMessage, request); err != nil {
			return err
		}
		rows, err := x.pages()
		if err != nil {
			return err
		}
		if rows != a.load.Rows {
			a.wrong.Add(1)
		}
		a.delays.add(time.Since(began))
	}
	return nil
}

// pages reads an answer to its end and returns the number of different rows, 0 when they are not in order.
func (x *agent) pages() (rows int, err error) {
	var last metric.TimeUUID
	ordered := true
	for {
		m, err := x.read()
		if err != nil {
			return 0, err
		}
		if m.Interval == nil {
			continue // the answer before the pages
		}
		for i, row := range m.Interval.Rows {
			if i == 0 && row.Time == last {
				continue // the border of two pages belongs to both
			}
			ordered = ordered && (last.IsZero() || row.Time.Compare(last) < 0)
			last = row.Time
			rows++
		}
		if m.Interval.Start == metric.MinTime {
			if !ordered {
				rows = 0
			}
			return rows, nil
		}
	}
}
