package bulk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/komstream/komstream/metric"
)

// maxLine bounds a line of JSON: the longest text, each byte of it escaped, and the rest.
const maxLine = 1 << 20

// ndjson reads one JSON object a line.
type ndjson struct {
	in     *bufio.Reader
	number int64
	clock  clock
}

// NDJSON reads one JSON object a line:
//
//	{"uri": "cpu.user", "time": "2026-11-24T10:00:00.123Z", "value": 12.5}
//
// A number is a datapoint, with all its digits, a string a datasource. Without a time it is that of reading, from now.
// Empty lines are passed over.
func NDJSON(in io.Reader, now func() time.Time) Source {
	return &ndjson{in: bufio.NewReaderSize(in, maxLine), clock: clock{now: now}}
}

// Next implements [Source].
func (r *ndjson) Next() (Line, error) {
	for {
		text, err := r.in.ReadSlice('\n')
		if len(text) == 0 && err != nil {
			return Line{}, err
		}
		r.number++
		line := Line{Number: r.number, raw: text}
		if errors.Is(err, bufio.ErrBufferFull) {
			line.Err = fmt.Errorf("has more than %d bytes", maxLine)
			line.raw = bytes.Clone(text)
			return line, r.skip()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Line{}, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		line.Sample, line.Err = r.parse(text)
		return line, nil
	}
}

// skip passes over the rest of a line that is too long.
func (r *ndjson) skip() error {
	for {
		_, err := r.in.ReadSlice('\n')
		switch {
		case err == nil || errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func (r *ndjson) parse(text []byte) (metric.Sample, error) {
	var fields struct {
		URI   string          `json:"uri"`
		Time  string          `json:"time"`
		Value json.RawMessage `json:"value"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&fields); err != nil {
		return metric.Sample{}, fmt.Errorf("must be a JSON object with uri, time and value: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return metric.Sample{}, errors.New("must be one JSON object and nothing else")
	}
	if len(fields.Value) == 0 {
		return sample(fields.URI, fields.Time, 0, "", &r.clock)
	}
	switch c := fields.Value[0]; {
	case c == '"':
		var value string
		if err := json.Unmarshal(fields.Value, &value); err != nil {
			return metric.Sample{}, fmt.Errorf("value: %w", err)
		}
		return sample(fields.URI, fields.Time, metric.KindDatasource, value, &r.clock)
	case c == '-' || '0' <= c && c <= '9':
		return sample(fields.URI, fields.Time, metric.KindDatapoint, string(fields.Value), &r.clock)
	}
	return metric.Sample{}, fmt.Errorf("value %.40s must be a number or a string", fields.Value)
}
