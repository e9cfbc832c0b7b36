package impulse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// Past says how much of a metric's recent past an impulse sees. It is [window.Past].
type Past = window.Past

// Func is the function of an impulse. It is called with a context that ends when the impulse is unbound or its
// session closed, and an [Update] that dies when the function returns. Runs of one impulse never overlap. An error
// or a panic fails the run: nothing that it emitted is sent.
type Func func(ctx context.Context, u *Update) error

// Impulse is a function that runs when one of its metrics is updated. It is a plain value: declare it, print it,
// copy it, change the copy. What it holds is not changed by binding it.
type Impulse struct {
	// Name identifies the impulse: a local uri, unique in the session. It should be stable, since it is what marks
	// the impulse's own samples (loops) in every replica of the program.
	Name string
	// On lists the metrics whose updates make the impulse run and whose windows it sees, at least one, each once.
	On []Input
	// Past is how much of each metric the impulse sees; an Input may have its own. Zero fields mean the defaults
	// of [Past].
	Past Past
	// MinExecDelta is the least time between the starts of two runs. The first trigger after a quiet time runs at
	// once; what comes until the next run may start is merged into one run. 0, the default, does not throttle.
	MinExecDelta time.Duration
	// Overload is what becomes of triggers when the function is slower than they come. Default Queue(1024).
	Overload Overload
	// RunCold lets the impulse run before its windows hold their history. By default its triggers are held, merged
	// into one, until everything it asked for is loaded.
	RunCold bool
	// LiveOnly spares the impulse the run with cause [Refilled] that follows a reconnect which changed its windows.
	LiveOnly bool
	// AllowLoops lets the impulse run on samples that descend from its own. By default it does not.
	AllowLoops bool
	// Breaker pauses the impulse after repeated failures. The zero value is the default breaker.
	Breaker Breaker
	// Do is the function.
	Do Func
}

// Input is one metric that an impulse subscribes.
type Input struct {
	// URI names the metric, the user's own or another user's.
	URI metric.URI
	// Past is how much of it the impulse sees. The zero value means the impulse's own Past.
	Past Past
}

// URIs returns Inputs for the given metrics with the impulse's own Past.
func URIs(uris ...metric.URI) []Input {
	on := make([]Input, len(uris))
	for i, uri := range uris {
		on[i].URI = uri
	}
	return on
}

// With returns a copy of the impulse with another name and other metrics: the same function for a second group.
func (i Impulse) With(name string, on ...Input) Impulse {
	i.Name, i.On = name, slices.Clone(on)
	return i
}

// PastOf returns the past of the n-th input: its own, or the impulse's where it has none. Defaults are not applied.
func (i Impulse) PastOf(n int) Past {
	if own := i.On[n].Past; own != (Past{}) {
		return own
	}
	return i.Past
}

// String returns the name and the metrics, of which it shows at most eight.
func (i Impulse) String() string {
	var b strings.Builder
	b.WriteString(i.Name)
	for n, in := range i.On {
		if n == 8 {
			fmt.Fprintf(&b, " and %d more", len(i.On)-n)
			break
		}
		b.WriteString([]string{" on ", ", "}[min(n, 1)])
		b.WriteString(string(in.URI))
	}
	return b.String()
}

// Check returns every fault of the impulse as the given user's, joined, each an [*InvalidError]; nil when there is
// none. Two spellings of one metric, "cpu" and "me:cpu", are one metric.
func (i Impulse) Check(username string) error {
	c := checker{impulse: i.Name}
	if err := metric.URI(i.Name).Check(); err != nil {
		c.add("Name", strconv.Quote(i.Name), "must be a local uri", err)
	} else if !metric.URI(i.Name).IsLocal() {
		c.add("Name", strconv.Quote(i.Name), "must be a local uri, without an owner", nil)
	}
	c.inputs(i.On, username)
	c.past("Past", i.Past)
	if i.MinExecDelta < 0 {
		c.add("MinExecDelta", i.MinExecDelta.String(), "must not be negative", nil)
	}
	if !i.Overload.valid() {
		c.add("Overload", i.Overload.String(), "must keep 1 to 1000000 triggers", nil)
	}
	c.breaker(i.Breaker)
	if i.Do == nil {
		c.add("Do", "nil", "must be a function", nil)
	}
	return errors.Join(c.faults...)
}

// checker gathers the faults of one impulse.
type checker struct {
	impulse string
	faults  []error
}

func (c *checker) add(field, value, rule string, cause error) {
	c.faults = append(c.faults, &InvalidError{Impulse: c.impulse, Field: field, Value: value, Rule: rule, Err: cause})
}

func (c *checker) inputs(on []Input, username string) {
	if len(on) == 0 {
		c.add("On", "(empty)", "must name at least one metric", nil)
	}
	seen := make(map[metric.URI]int, len(on))
	for n, in := range on {
		field := "On[" + strconv.Itoa(n) + "]"
		c.past(field+".Past", in.Past)
		if err := in.URI.Check(); err != nil {
			c.add(field+".URI", strconv.Quote(string(in.URI)), "must be a uri", err)
			continue
		}
		uri := in.URI.For(username)
		if first, twice := seen[uri]; twice {
			c.add(field+".URI", strconv.Quote(string(in.URI)),
				"must not repeat the metric of On["+strconv.Itoa(first)+"]", nil)
			continue
		}
		seen[uri] = n
	}
}

func (c *checker) past(field string, p Past) {
	if err := p.Check(); err != nil {
		c.add(field, fmt.Sprintf("{%v %d}", p.Delta, p.Count), "must be valid", err)
	}
}

func (c *checker) breaker(b Breaker) {
	if b.Pause < 0 {
		c.add("Breaker.Pause", b.Pause.String(), "must not be negative", nil)
	}
	if b.MaxPause < 0 {
		c.add("Breaker.MaxPause", b.MaxPause.String(), "must not be negative", nil)
	}
	if d := b.withDefaults(); b.Pause > 0 && b.MaxPause > 0 && d.MaxPause < d.Pause {
		c.add("Breaker.MaxPause", b.MaxPause.String(), "must not be less than Pause "+b.Pause.String(), nil)
	}
}
