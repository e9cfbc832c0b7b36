package metric

import "time"

// Sample is one value of one metric at one time. Make it with [Datapoint] or [Datasource] to send it; what is
// received is complete and valid. Samples are plain values and may be copied.
type Sample struct {
	// URI names the metric. In what is received it is local for the session's own metrics and global for others'.
	URI URI
	// Time is the full time of the sample. What komstream sends has whole milliseconds.
	Time TimeUUID
	// Value is the number or text.
	Value Value

	err      error  // why the constructor refused; Check returns it
	supplies *[]URI // what Supplying was told, nil for nothing
}

// Datapoint returns a sample of a numeric metric. The time is a [time.Time], truncated to the millisecond, or
// ISO 8601 text with a zone ([ParseTime]); the number is of any integer or float type, decimal text, or a
// [*big.Int] ([NumberOf]). What breaks a rule is kept as the sample's fault, which [Sample.Check] returns and every
// call that sends it reports.
func Datapoint[T Instant, N Number](uri URI, at T, number N) Sample {
	v, err := NumberOf(number)
	return newSample(uri, at, v, err)
}

// Datasource returns a sample of a text metric: UTF-8 of at most [MaxText] bytes. See [Datapoint] for the rest.
func Datasource[T Instant](uri URI, at T, text string) Sample {
	v, err := TextOf(text)
	return newSample(uri, at, v, err)
}

func newSample[T Instant](uri URI, at T, v Value, err error) Sample {
	s := Sample{URI: uri, Value: v, err: err}
	if s.err == nil {
		s.err = uri.Check()
	}
	t, timeErr := timeOf(at)
	if s.err == nil {
		s.err = timeErr
	}
	s.Time = t
	return s
}

// Check returns the first rule that s breaks, an [*InvalidError], or nil when it can be sent.
func (s Sample) Check() error {
	switch {
	case s.err != nil:
		return s.err
	case s.Value.kind == 0:
		return invalid("value", "(none)", "must be a number or a text; make samples with Datapoint or Datasource")
	case s.Time.IsZero():
		return invalid("time", "(none)", "must be set; make samples with Datapoint or Datasource")
	}
	return s.URI.Check()
}

// Kind returns what the sample's metric holds.
func (s Sample) Kind() Kind { return s.Value.kind }

// When returns the instant of s in UTC.
func (s Sample) When() time.Time { return s.Time.Time() }

// Float returns the number, or NaN for a text.
func (s Sample) Float() float64 { return s.Value.Float() }

// String returns the URI, the time and the value, the value shortened to about 80 bytes.
func (s Sample) String() string {
	return string(s.URI) + " " + s.When().Format("2006-01-02T15:04:05.9999999Z07:00") + " " + quote(s.Value.String())
}
