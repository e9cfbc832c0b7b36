package bulk

import (
	"fmt"
	"time"

	"github.com/komstream/komstream/metric"
)

// Line is one line of the input.
type Line struct {
	// Number is the number of the line, from 1 on. A CSV record of several lines has that of its first.
	Number int64
	// Sample is what it says, where Err is nil.
	Sample metric.Sample
	// Err is what is wrong with the line.
	Err error

	raw []byte // what distinguishes this line from others; valid until the next one is read
}

// Source reads lines.
type Source interface {
	// Next returns the next line, or io.EOF after the last. Any other error ends the input, too.
	Next() (Line, error)
}

// clock gives lines without a time that of the moment, each at least a millisecond after the one before, so that
// several for one metric do not replace each other.
type clock struct {
	now  func() time.Time
	last time.Time
}

func (c *clock) next() time.Time {
	t := c.now().Truncate(time.Millisecond)
	if !t.After(c.last) {
		t = c.last.Add(time.Millisecond)
	}
	c.last = t
	return t
}

// sample makes the sample of a line and checks it.
func sample(uri, at string, kind metric.Kind, value string, c *clock) (s metric.Sample, err error) {
	var t time.Time
	if at == "" {
		t = c.next()
	} else if t, err = metric.ParseTime(at); err != nil {
		return s, err
	}
	switch kind {
	case metric.KindDatapoint:
		s = metric.Datapoint(metric.URI(uri), t, value)
	case metric.KindDatasource:
		s = metric.Datasource(metric.URI(uri), t, value)
	default:
		return s, fmt.Errorf("no value: give a number or a text")
	}
	return s, s.Check()
}
