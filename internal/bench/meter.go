package bench

import (
	"context"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// figures are what one round has cost.
type figures struct {
	CPU, Wall        time.Duration
	Frames, Reads    int64
	Updates, Execs   int64
	Wrong            int64
	Mallocs          uint64
	Bytes            int64 // of the windows
	Samples          int64 // in the windows
	RSS              int64
	P50, P99, P999   float64 // of the delays, in microseconds
	GOGC, GOMAXPROCS int
	Merged           int64 // triggers that were no run of their own
}

// meter measures what this process uses.
type meter struct {
	cpu     time.Duration
	wall    time.Time
	mallocs uint64
}

// startMeter begins to measure, with the garbage of what went before collected.
func startMeter() meter {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return meter{cpu: processTime(), wall: time.Now(), mallocs: m.Mallocs}
}

// stop adds what was used since to f.
func (m meter) stop(f *figures) {
	f.CPU, f.Wall = processTime()-m.cpu, time.Since(m.wall)
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	f.Mallocs = s.Mallocs - m.mallocs
	f.RSS = residentBytes()
	f.GOGC, f.GOMAXPROCS = gogc(), runtime.GOMAXPROCS(0)
}

// processTime is the time that processors have spent on this process. Unlike the clock's it hardly depends on what else
// the machine does.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// gogc returns the garbage collector's percentage, -1 when it is off.
func gogc() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 || s[0].Value.Uint64() > 1<<30 {
		return -1
	}
	return int(s[0].Value.Uint64())
}

// line is a network connection that counts its reads, and gives each no more than a limit of bytes. With a sender that
// is never behind, all sides of a comparison then make the same number of reads for a message, however fast they are:
// otherwise the slower one finds more in the socket each time and pays for fewer reads.
type line struct {
	net.Conn
	meter *lineMeter
}

// lineMeter is shared by all lines of a process.
type lineMeter struct {
	reads, limit atomic.Int64
}

// Read reads at most the limit.
func (l *line) Read(p []byte) (int, error) {
	if limit := int(l.meter.limit.Load()); limit > 0 && len(p) > limit {
		p = p[:limit]
	}
	l.meter.reads.Add(1)
	return l.Conn.Read(p)
}

// dial opens a line.
func (m *lineMeter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &line{Conn: c, meter: m}, nil
}
