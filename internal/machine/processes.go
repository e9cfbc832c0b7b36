package machine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shirou/gopsutil/v4/process"
)

// busiest is how many processes the table shows.
const busiest = 10

// processes knows what each process had used at the last read.
type processes struct {
	last   map[int32]float64 // pid → seconds of processor time
	names  map[int32]string
	lastAt time.Time
}

// usage is one process in the table.
type usage struct {
	pid  int32
	name string
	cpu  float64 // percent of one processor; negative where it is not known yet
	rss  uint64  // bytes
}

func (p *processes) read(ctx context.Context, b *batch) error {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return err
	}
	elapsed := b.at.Sub(p.lastAt).Seconds()
	current := make(map[int32]float64, len(pids))
	names := make(map[int32]string, len(pids))
	all := make([]usage, 0, len(pids))
	for _, pid := range pids {
		proc := &process.Process{Pid: pid}
		times, err := proc.TimesWithContext(ctx)
		if err != nil {
			continue // it has ended, or is hidden from us
		}
		u := usage{pid: pid, cpu: -1, name: p.names[pid]}
		seconds := times.User + times.System
		before, known := p.last[pid]
		if known && seconds < before {
			known, u.name = false, "" // another process with the pid of one that has ended
		}
		if known && elapsed > 0 {
			u.cpu = 100 * (seconds - before) / elapsed
		}
		if u.name == "" {
			u.name, _ = proc.NameWithContext(ctx)
		}
		if m, err := proc.MemoryInfoWithContext(ctx); err == nil {
			u.rss = m.RSS
		}
		current[pid], names[pid] = seconds, u.name
		all = append(all, u)
	}
	if len(all) == 0 {
		return errNone
	}
	p.last, p.names, p.lastAt = current, names, b.at
	b.addText("processes", table(all))
	return nil
}

// table returns the busiest processes as text: the greatest share of a processor first, then the greatest memory. It
// sorts all in place.
func table(all []usage) string {
	slices.SortFunc(all, func(x, y usage) int {
		return cmp.Or(cmp.Compare(y.cpu, x.cpu), cmp.Compare(y.rss, x.rss), cmp.Compare(x.pid, y.pid))
	})
	var text strings.Builder
	fmt.Fprintf(&text, "%7s  %-24s %6s %10s\n", "PID", "NAME", "CPU%", "RSS")
	for _, u := range all[:min(busiest, len(all))] {
		share := "-"
		if u.cpu >= 0 {
			share = fmt.Sprintf("%.1f", u.cpu)
		}
		fmt.Fprintf(&text, "%7d  %-24s %6s %10s\n", u.pid, printable(u.name, 24), share, mebibytes(u.rss))
	}
	return text.String()
}

// printable returns at most n runes of a name that a stranger chose, without what could garble a terminal or a table.
func printable(name string, n int) string {
	var b strings.Builder
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		if n--; n < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

func mebibytes(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
