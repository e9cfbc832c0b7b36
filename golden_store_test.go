package komstream_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/komstream/komstream/metric"
)

// storeSequence is a conversation with the store of the original agent.
type storeSequence struct {
	Name string
	Type string
	URI  metric.URI
	Ops  []storeOp
}

// storeOp is one step of it. A nil or absent field was not given.
type storeOp struct {
	Op         string
	T          *metric.TimeUUID
	V          json.RawMessage
	Rejected   bool
	Fires      bool
	Start, End optionalTime
	Count      *int
	Rows       [][2]json.RawMessage
	Result     [][2]json.RawMessage
	Ideal      *[][2]json.RawMessage
	Raises     string
	Requests   []json.RawMessage
	Ops        []storeOp
	Sent       [][]storeSent
	ending     string
}

// storeSent is a sample that a transaction handed over to be sent.
type storeSent struct {
	URI metric.URI
	T   metric.TimeUUID
	V   json.RawMessage
}

// optionalTime is a time, or, as the end of a transaction, a word.
type optionalTime struct {
	t    *metric.TimeUUID
	word string
}

func (o *optionalTime) UnmarshalJSON(b []byte) error {
	var id metric.TimeUUID
	if err := json.Unmarshal(b, &id); err == nil {
		o.t = &id
		return nil
	}
	return json.Unmarshal(b, &o.word)
}

// TestGoldenStore puts the sequences through the whole system: a hub, a session with windows that plays the original
// agent, another session of the same user that plays the rest of the world, and one of a friend with whom the metric is
// shared. What the original read from its store is read from History by all three, from the windows, and after the
// sequence from a window loaded afresh.
func TestGoldenStore(t *testing.T) {
	var file struct{ Sequences []storeSequence }
	vectors(t, "store.json", &file)
	if len(file.Sequences) == 0 {
		t.Fatal("store.json holds no sequence")
	}
	rules := storeRules()
	ran, ops := 0, 0
	for _, s := range file.Sequences {
		ran++
		ops += len(s.Ops)
		t.Run(s.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newStoreWorld(t, s, rules).run() })
		})
	}
	rules.check(t)
	t.Logf("%d sequences of %d steps", ran, ops)
}

// bounds returns the range of a get, and its count, 0 for none.
func (op *storeOp) bounds() (from, to *metric.TimeUUID, count int) {
	from, to = op.Start.t, op.End.t
	if op.T != nil {
		from, to = op.T, op.T
	}
	if op.Count != nil {
		count = *op.Count
	}
	return from, to, count
}
