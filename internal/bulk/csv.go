package bulk

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/komstream/komstream/metric"
)

// records reads one CSV record after the other.
type records struct {
	in      *csv.Reader
	columns [columnCount]int // where a column is, -1 where it is not
	begun   bool
	clock   clock
	raw     []byte
}

// The columns.
const (
	columnURI = iota
	columnTime
	columnKind
	columnValue
	columnCount
)

var columnNames = []string{"uri", "time", "kind", "value"}

// CSV reads records. A first record of the names uri, time, kind and value, in any order, says which columns there
// are; time and kind may be left out. Without it they are uri, time, value. A kind is datapoint or datasource; without
// one the values are numbers. A time that is left out, or empty, is that of reading, from now.
func CSV(in io.Reader, now func() time.Time) Source {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1 // we say it in words of our own
	r.ReuseRecord = true
	return &records{in: r, columns: [columnCount]int{0, 1, -1, 2}, clock: clock{now: now}}
}

// Next implements [Source].
func (r *records) Next() (Line, error) {
	fields, err := r.in.Read()
	var fault *csv.ParseError
	if errors.As(err, &fault) {
		line := Line{Number: int64(fault.StartLine), Err: fault.Err, raw: []byte(fault.Error())}
		return line, nil
	}
	if err != nil {
		return Line{}, err
	}
	number, _ := r.in.FieldPos(0)
	if !r.begun {
		r.begun = true
		if r.head(fields) {
			return r.Next()
		}
	}
	r.raw = r.raw[:0]
	for _, f := range fields {
		r.raw = append(append(r.raw, f...), 0)
	}
	line := Line{Number: int64(number), raw: r.raw}
	line.Sample, line.Err = r.parse(fields)
	return line, nil
}

// head takes a first record that names the columns.
func (r *records) head(fields []string) bool {
	columns := [columnCount]int{-1, -1, -1, -1}
	for i, f := range fields {
		at := slices.Index(columnNames, strings.ToLower(strings.TrimSpace(strings.TrimPrefix(f, "\ufeff"))))
		if at < 0 || columns[at] >= 0 {
			return false
		}
		columns[at] = i
	}
	if columns[columnURI] < 0 || columns[columnValue] < 0 {
		return false
	}
	r.columns = columns
	return true
}

func (r *records) parse(fields []string) (metric.Sample, error) {
	want := 0
	for _, at := range r.columns {
		want = max(want, at+1)
	}
	if len(fields) != want {
		return metric.Sample{}, fmt.Errorf("has %d fields, must have %d: %s", len(fields), want, r.names())
	}
	// The reader uses its memory again for the next record.
	get := func(column int) string {
		if at := r.columns[column]; at >= 0 {
			return strings.Clone(fields[at])
		}
		return ""
	}
	kind := metric.KindDatapoint
	if r.columns[columnKind] >= 0 {
		switch text := get(columnKind); text {
		case metric.KindDatapoint.String():
		case metric.KindDatasource.String():
			kind = metric.KindDatasource
		default:
			return metric.Sample{}, fmt.Errorf("kind %.40q must be %s or %s", text, metric.KindDatapoint, metric.KindDatasource)
		}
	}
	s, err := sample(get(columnURI), get(columnTime), kind, get(columnValue), &r.clock)
	if err != nil && kind == metric.KindDatapoint && r.columns[columnKind] < 0 {
		err = fmt.Errorf("%w (texts need a column kind with %s)", err, metric.KindDatasource)
	}
	return s, err
}

// names lists the columns in their order.
func (r *records) names() string {
	var names []string
	for place := range columnCount {
		if at := slices.Index(r.columns[:], place); at >= 0 {
			names = append(names, columnNames[at])
		}
	}
	return strings.Join(names, ", ")
}
