package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"time"
)

// The processes of a benchmark talk in lines of JSON: one order, one answer, but for a round, which is answered twice:
// when it may begin, and when it is over.

// order is what a process is to do.
type order struct {
	Stub  *opening   `json:",omitempty"` // be a stub
	Open  *opening   `json:",omitempty"` // be a side
	Round *roundSpec `json:",omitempty"` // measure a round
	Feed  *roundSpec `json:",omitempty"` // send one
	To    string     `json:",omitempty"` // whom Feed is for
	Hub   *hubOrder  `json:",omitempty"` // for the workloads of the hub
}

// answer is what came of an order.
type answer struct {
	Err     string   `json:",omitempty"`
	Address string   `json:",omitempty"`
	Figures *figures `json:",omitempty"`
}

// Process is what `komstream bench` runs in other processes: it follows orders from in until that ends.
func Process(ctx context.Context, in io.Reader, out io.Writer) error {
	p := &worker{answers: json.NewEncoder(out)}
	defer p.close()
	orders := json.NewDecoder(in)
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		a, err := p.follow(ctx, &o)
		if err != nil {
			a.Err = err.Error()
		}
		if err := p.answers.Encode(a); err != nil {
			return err
		}
	}
}

// worker is a process that follows orders. It is a stub or a side, or a part of the hub's workloads.
type worker struct {
	answers *json.Encoder
	stub    *stub
	side    side
	common  *common
	hub     hubWorker
}

func (p *worker) close() {
	if p.stub != nil {
		p.stub.close()
	}
	if p.side != nil {
		_ = p.side.close()
	}
	if p.hub != nil {
		p.hub.close()
	}
}

func (p *worker) follow(ctx context.Context, o *order) (a answer, err error) {
	switch {
	case o.Stub != nil:
		if p.stub, err = startStub(ctx, &o.Stub.Workload, o.Stub.Filled); err != nil {
			return a, err
		}
		a.Address = p.stub.listener.Addr().String()
	case o.Open != nil:
		if p.side, p.common, err = newSide(o.Open.Side, &o.Open.Workload); err != nil {
			return a, err
		}
		// From here on, since what waits for a message now has asked for more: the first round is none that counts.
		defer p.common.line.limit.Store(int64(readFrames * frameLength(&o.Open.Workload)))
		return a, p.side.open(ctx, *o.Open)
	case o.Feed != nil && p.stub != nil:
		return a, p.stub.feed(ctx, o.To, *o.Feed)
	case o.Round != nil && p.side != nil:
		a.Figures, err = p.measure(ctx, *o.Round)
	case o.Hub != nil:
		return p.followHub(ctx, o.Hub)
	default:
		err = errors.New("bench: an order that this process cannot follow")
	}
	return a, err
}

// roundTimeout is how long a round may take before it counts as stuck.
const roundTimeout = 3 * time.Minute

// measure measures a round.
func (p *worker) measure(ctx context.Context, spec roundSpec) (*figures, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, roundTimeout, errors.New("the round took too long"))
	defer cancel()
	r := newRound(p.common.w, spec)
	p.side.begin(r)
	stopProfile, err := startProfile(spec.Profile)
	if err != nil {
		return nil, err
	}
	defer stopProfile()
	m, reads := startMeter(), p.common.line.reads.Load()
	if err := p.answers.Encode(answer{}); err != nil { // ready
		return nil, err
	}
	if err := r.wait(ctx); err != nil {
		return nil, err
	}
	f := &figures{Frames: int64(spec.Frames), Updates: int64(spec.Frames * p.common.w.Batch)}
	m.stop(f)
	f.Reads = p.common.line.reads.Load() - reads
	f.Execs, f.Wrong = r.runs*int64(p.common.w.Impulses), r.wrong.Load()
	if r.delays != nil {
		f.P50, f.P99, f.P999 = r.delays.micros(0.5), r.delays.micros(0.99), r.delays.micros(0.999)
	}
	p.side.stats(f)
	return f, nil
}

func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that is not whole is seen to be broken
	}, nil
}

// process is another process, as the one that gives the orders sees it.
type process struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

// start starts a process with the command, which must call [Process] with its standard input and output.
func start(ctx context.Context, command []string, name string) (*process, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: cannot run itself as %q: %w", name, err)
	}
	return &process{name: name, cmd: cmd, in: in, orders: json.NewEncoder(in), answers: json.NewDecoder(out)}, nil
}

// do gives an order and waits for the answer.
func (p *process) do(o order) (answer, error) {
	if err := p.orders.Encode(o); err != nil {
		return answer{}, fmt.Errorf("bench: process %s is gone: %w", p.name, err)
	}
	return p.answer()
}

func (p *process) answer() (a answer, err error) {
	if err := p.answers.Decode(&a); err != nil {
		return a, fmt.Errorf("bench: process %s ended: %w", p.name, err)
	}
	if a.Err != "" {
		return a, fmt.Errorf("bench: process %s: %s", p.name, a.Err)
	}
	return a, nil
}

// stop lets the process end, which it does when it has no more orders to expect, or ends it when it is stuck.
func (p *process) stop() {
	_ = p.in.Close()
	kill := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // what matters was answered
}

const stopTimeout = 5 * time.Second
