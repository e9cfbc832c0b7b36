package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// pagingCase is a request_data to the original hub, on a metric with Rows samples: sample i, at second i, is i.
type pagingCase struct {
	Type      string
	Rows      int
	Start     *string
	End       *string
	Count     *int
	Status    int
	Intervals []pagingInterval
}

type pagingInterval struct {
	Start, End  string
	N           int
	First, Last string
}

// ruleLastStart is where our pages differ from the original's.
const ruleLastStart = "§8.7: the last interval of an answer begins with the start as it was requested, which cures the hang"

func TestGoldenPaging(t *testing.T) {
	var file struct{ Paging []pagingCase }
	vectors(t, "scenarios.json", &file)
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	filled := map[string]bool{}
	passed, excused := 0, 0
	for i, p := range file.Paging {
		name := fmt.Sprintf("%d/type=%s/rows=%d/count=%v", i, p.Type, p.Rows, orNull(p.Count))
		if t.Run(name, func(t *testing.T) {
			uri := metric.URI(fmt.Sprintf("m.%s%d", p.Type, p.Rows))
			if !filled[string(uri)] {
				fill(t, c, uri, p)
				filled[string(uri)] = true
			}
			excused += runPaging(t, c, uri, p)
		}) {
			passed++
		}
	}
	if excused == 0 && vectortest.Own() {
		t.Errorf("the rule excuses nothing: %s", ruleLastStart)
	}
	t.Logf("rule %q: %d", ruleLastStart, excused)
	t.Logf("%d of %d paging cases", passed, len(file.Paging))
}

func orNull[T any](v *T) any {
	if v == nil {
		return "null"
	}
	return *v
}

// fill sends the samples, many at a time.
func fill(t *testing.T, c *client, uri metric.URI, p pagingCase) {
	t.Helper()
	for i := range p.Rows {
		s := metric.Datapoint(uri, time.Unix(1510617600+int64(i), 0), i)
		if p.Type == "d" {
			s = metric.Datasource(uri, time.Unix(1510617600+int64(i), 0), fmt.Sprint(i))
		}
		c.write(wire.AppendSendOne(nil, c.seqs.Next(), wire.Seq{}, nil, &s))
	}
	for range p.Rows {
		if f := c.next(); f.status() != 4200 {
			t.Fatal(f)
		}
	}
}

func runPaging(t *testing.T, c *client, uri metric.URI, p pagingCase) (excused int) {
	seq := c.seqs.Next()
	quoted := func(s *string) string {
		if s == nil {
			return "null"
		}
		return `"` + *s + `"`
	}
	answer, _ := c.ask(seq, fmt.Appendf(nil,
		`{"v":1,"action":"request_data","seq":"%s","irt":null,"payload":{"uri":"%s","start":%s,"end":%s,"count":%v}}`,
		seq, uri, quoted(p.Start), quoted(p.End), orNull(p.Count)))
	if answer.status() != p.Status {
		t.Fatalf("answered %v, want %d", answer.Payload, p.Status)
	}
	want := p.Intervals
	asked := metric.MinTime.String()
	if p.Start != nil {
		asked = *p.Start
	}
	if n := len(want); n > 0 && want[n-1].Start != asked {
		excused++
		want[n-1].Start = asked
	}
	got := want[:0:0]
	for _, f := range c.quiet() {
		i := pagingInterval{}
		i.Start, i.End = fmt.Sprint(f.Payload["start"]), fmt.Sprint(f.Payload["end"])
		data, _ := f.Payload["data"].([]any)
		i.N = len(data)
		if i.N > 0 {
			i.First, i.Last = fmt.Sprint(data[0].([]any)[1]), fmt.Sprint(data[i.N-1].([]any)[1])
		}
		if f.Irt == nil || *f.Irt != seq.String() {
			t.Errorf("page has irt %v, want %s", f.Irt, seq)
		}
		got = append(got, i)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	return excused
}

func TestReversedBoundsAreAnsweredAsSent(t *testing.T) {
	h := hubtest.New(t)
	c := dial(t, h, "alice", "")
	c.send(4200, dp("m", 1, 1))
	late, early := metric.MaxTime, metric.MinTime
	seq := c.seqs.Next()
	c.expect(4202, seq, wire.AppendRequest(nil, seq, "m", late, early, -1))
	f := c.next()
	if f.Payload["start"] != late.String() || f.Payload["end"] != early.String() || len(f.Payload["data"].([]any)) != 1 {
		t.Errorf("page %v, want the row and the bounds as sent", f.Payload)
	}
}
