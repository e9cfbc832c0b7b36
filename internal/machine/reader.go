package machine

import (
	"context"
	"errors"
	"time"

	"github.com/komstream/komstream/metric"
)

// Reader reads the metrics of this machine. It remembers the last counters, from which it tells shares of time.
// Make it with [NewReader]; one goroutine at a time may use it.
type Reader struct {
	prefix  metric.URI
	sources []source
}

// source is one thing that can be read, and may be missing on its own.
type source struct {
	name    string
	read    func(context.Context, *batch) error
	missing bool // and said so
}

// MissingError says that this machine does not tell something. The samples of the other sources are complete.
type MissingError struct {
	// Source is what is missing: "cpu", "mem", "load", "disk", "net", "processes".
	Source string
	// Err is why.
	Err error
}

// Error names the source and the cause.
func (e *MissingError) Error() string {
	return "machine: source " + e.Source + " is missing: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *MissingError) Unwrap() error { return e.Err }

var errNone = errors.New("the machine has none that count")

// NewReader returns a reader whose metrics lie below prefix: with "host" they are
//
//	host.cpu.{user,system,nice,idle,iowait,irq,softirq,steal}   percent of all processors' time since the last read
//	host.mem.{total,used,available,free,swap_used}              bytes
//	host.load.{one,five,fifteen}                                runnable tasks, averaged over as many minutes
//	host.disk.{read_bytes,write_bytes,reads,writes}             counters over all whole disks, since boot
//	host.net.{rx_bytes,tx_bytes,rx_packets,tx_packets}          counters over all real interfaces, since boot
//	host.processes                                              text: the ten busiest processes
//
// It reads the processors once, so that the first Read tells about the time since. A prefix that is no URI is the
// fault of every sample, as [metric.Sample.Check] says.
func NewReader(prefix metric.URI) *Reader {
	var c processors
	// A failure here comes back at the first read, which says it.
	_ = c.read(context.Background(), new(batch))
	p := processes{last: map[int32]float64{}, names: map[int32]string{}}
	return &Reader{prefix: prefix, sources: []source{
		{name: "cpu", read: c.read},
		{name: "mem", read: readMemory},
		{name: "load", read: readLoad},
		{name: "disk", read: readDisks},
		{name: "net", read: readNetwork},
		{name: "processes", read: p.read},
	}}
}

// Read returns a sample of every metric there is, all at the given time. The samples are valid even with an error:
// that joins a [*MissingError] for each source that is missing since this read, and nothing for one that was missing
// at the read before. Only when ctx has ended there are none, and the error is its cause. It blocks for some
// milliseconds; most of it goes into the processes.
func (r *Reader) Read(ctx context.Context, at time.Time) ([]metric.Sample, error) {
	b := &batch{prefix: r.prefix, at: at}
	var faults []error
	for i := range r.sources {
		s := &r.sources[i]
		complete := len(b.samples)
		err := s.read(ctx, b)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			b.samples = b.samples[:complete] // no half of a source
			if !s.missing {
				faults = append(faults, &MissingError{Source: s.name, Err: err})
			}
		}
		s.missing = err != nil
	}
	return b.samples, errors.Join(faults...)
}

// batch collects the samples of one read.
type batch struct {
	prefix  metric.URI
	at      time.Time
	samples []metric.Sample
}

// add adds a number. It is a function because a method cannot be generic.
func add[N metric.Number](b *batch, name string, number N) {
	b.samples = append(b.samples, metric.Datapoint(b.prefix.Child(name), b.at, number))
}

func (b *batch) addText(name, text string) {
	b.samples = append(b.samples, metric.Datasource(b.prefix.Child(name), b.at, text))
}
