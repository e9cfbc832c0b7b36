package hub

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/komstream/komstream/internal/wire"
)

// measured is what the hub counts for its operators. No label names a user or a metric: there may be millions of them.
type measured struct {
	frames  [maxActions][len(statuses)]atomic.Uint64 // requests answered
	logins  [600]atomic.Uint64                       // by HTTP status
	denied  atomic.Uint64                            // notifications dropped since a right was withdrawn
	commits prometheus.Histogram                     // seconds
	groups  prometheus.Histogram                     // jobs
}

// maxActions is more than there are.
const maxActions = 32

// statuses are those of answers, in order. Others are counted with the first.
var statuses = [...]int{
	0, wire.StatusExecuted, wire.StatusAccepted, wire.StatusProtocol, wire.StatusNotFound, wire.StatusDenied,
	wire.StatusInternal, wire.StatusExecution, wire.StatusUnavailable,
}

func newMeasured() *measured {
	return &measured{
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "komstream_hub_store_commit_seconds", Help: "How long the store took to make a group of changes durable.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		}),
		groups: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "komstream_hub_group_jobs", Help: "How many changes shared one sync.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
	}
}

// frame counts an answer. Action 0 stands for frames that were no request.
func (m *measured) frame(action wire.Action, status int) {
	at := 0
	for i, s := range statuses {
		if s == status {
			at = i
		}
	}
	m.frames[min(int(action), maxActions-1)][at].Add(1)
}

func (m *measured) login(status int) {
	if 0 <= status && status < len(m.logins) {
		m.logins[status].Add(1)
	}
}

func (m *measured) commit(jobs int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.groups.Observe(float64(jobs))
}

// described is a figure that is read when it is asked for.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func figure(kind prometheus.ValueType, name, help string, labels ...string) described {
	return described{prometheus.NewDesc("komstream_hub_"+name, help, labels, nil), kind}
}

func (d described) send(to chan<- prometheus.Metric, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d.desc, d.kind, value, labels...)
}

var (
	gauge, counter = prometheus.GaugeValue, prometheus.CounterValue

	figureUsers     = figure(gauge, "users", "Accounts.")
	figureSessions  = figure(gauge, "sessions", "Logins with hooks or a socket, orphaned ones too.")
	figureSockets   = figure(gauge, "sockets", "Agents connected.")
	figureMessages  = figure(counter, "messages_total", "Writes accepted, of one or more samples.")
	figureSamples   = figure(counter, "samples_total", "Samples accepted.")
	figureFrames    = figure(counter, "frames_total", "Frames from agents, by what they asked and how they were answered.", "action", "status")
	figureLogins    = figure(counter, "logins_total", "Logins completed (200) and refused, by HTTP status.", "status")
	figureQueued    = figure(counter, "notifications_total", "Notifications handed to the queues of sockets.")
	figureReplayed  = figure(counter, "notifications_replayed_total", "Notifications read from the arrival log for slow sockets.")
	figureDropped   = figure(counter, "notifications_dropped_total", "Notifications that a socket did not get, by why.", "reason")
	figureDepth     = figure(gauge, "fanout_queue_bytes", "Bytes of notifications that wait for all sockets.")
	figureDeepest   = figure(gauge, "fanout_queue_deepest_bytes", "Bytes that wait for the socket with the most.")
	figureLagging   = figure(gauge, "sockets_lagging", "Sockets so slow that they are served from the arrival log.")
	figureCommitter = figure(gauge, "committer_queue_jobs", "Changes that wait to be executed.")
	figureWritable  = figure(gauge, "store_writable", "1 while the store takes writes.")
)

// collector reads a hub's figures.
type collector struct{ hub *Hub }

// Describe says nothing: what there is of labels is known only when it is read.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(to chan<- prometheus.Metric) {
	h, s := c.hub, c.hub.Stats()
	figureUsers.send(to, float64(s.Users))
	figureSessions.send(to, float64(s.Sessions))
	figureSockets.send(to, float64(s.Sockets))
	figureMessages.send(to, float64(s.Messages))
	figureSamples.send(to, float64(s.Samples))
	figureQueued.send(to, float64(s.Queued))
	figureReplayed.send(to, float64(s.Replayed))
	figureDropped.send(to, float64(s.Lost), "log_trimmed")
	figureDropped.send(to, float64(h.measured.denied.Load()), "right_withdrawn")
	h.measured.collect(to)
	var depth, deepest, lagging int
	for _, x := range h.matching(func(*session) bool { return true }) {
		pushes, behind := x.out.depth()
		depth, deepest = depth+pushes, max(deepest, pushes)
		if behind {
			lagging++
		}
	}
	figureDepth.send(to, float64(depth))
	figureDeepest.send(to, float64(deepest))
	figureLagging.send(to, float64(lagging))
	jobs := 0
	for _, x := range h.committers {
		jobs += x.waiting()
	}
	figureCommitter.send(to, float64(jobs))
	writable := 0.0
	if h.store.Ready() == nil {
		writable = 1
	}
	figureWritable.send(to, writable)
}

func (m *measured) collect(to chan<- prometheus.Metric) {
	for action := range m.frames {
		name := wire.Action(action).String()
		if action == 0 {
			name = "none"
		}
		for i := range statuses {
			if n := m.frames[action][i].Load(); n > 0 {
				figureFrames.send(to, float64(n), name, strconv.Itoa(statuses[i]))
			}
		}
	}
	for status := range m.logins {
		if n := m.logins[status].Load(); n > 0 {
			figureLogins.send(to, float64(n), strconv.Itoa(status))
		}
	}
	m.commits.Collect(to)
	m.groups.Collect(to)
}

// registry returns the hub's figures and those of the process.
func (h *Hub) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{h}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// depth returns the bytes of notifications that wait, and whether some do not fit.
func (o *outbox) depth() (bytes int, lagging bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pushes, len(o.lag) > 0
}

// waiting returns how many jobs wait.
func (c *committer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}
