package window

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/metric"
)

// readVectors decodes a file of the golden vectors: see package vectortest.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// float is a number that may be null, which is NaN, or infinite.
type float float64

func (f *float) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null", `"NaN"`:
		*f = float(math.NaN())
	case `"Infinity"`:
		*f = float(math.Inf(1))
	case `"-Infinity"`:
		*f = float(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(f))
	}
	return nil
}

func near(got float64, want float) bool {
	w := float64(want)
	return got == w || math.IsNaN(got) && math.IsNaN(w) || math.Abs(got-w) <= 1e-9*math.Abs(w)
}

func milli(ms int64) metric.TimeUUID {
	return metric.NewTimeUUID(metric.Ticks(ms)*metric.TicksPerMillisecond, metric.PlainLow)
}

func number(f float64) metric.Value {
	v, err := metric.NumberOf(f)
	if err != nil {
		panic(err)
	}
	return v
}

// describeCase is a slice of a series, and what pandas says of it.
type describeCase struct {
	Name     string
	T        []int64   `json:"t_ms"`
	V        []float64 `json:"v"`
	Start    *int64    `json:"start_ms"`
	End      *int64    `json:"end_ms"`
	SliceT   []int64   `json:"slice_t_ms"`
	Describe *struct {
		Count                              int
		Mean, Std, Min, P25, P50, P75, Max float
	}
}

// TestGoldenDescriptions: slices and their descriptions equal those of pandas.
func TestGoldenDescriptions(t *testing.T) {
	var file struct {
		Cases []describeCase
	}
	readVectors(t, "describe.json", &file)
	if len(file.Cases) == 0 {
		t.Fatal("the file holds no case")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) { checkDescription(t, c) })
	}
	t.Logf("%d slices", len(file.Cases))
}

func checkDescription(t *testing.T, c describeCase) {
	w := New(Config{Past: Past{Delta: 1 << 62, Count: 1}})
	for i, ms := range c.T {
		w.Append(uint64(i), milli(ms), number(c.V[i]), milli(slices.Max(c.T)).Ticks())
	}
	v := w.View()
	from, to := time.UnixMilli(math.MinInt32*1000), time.UnixMilli(math.MaxInt32*1000)
	if c.Start != nil {
		from = time.UnixMilli(*c.Start)
	}
	if c.End != nil {
		to = time.UnixMilli(*c.End)
	}
	v = v.Between(from, to)
	var times []int64
	for at := range v.All() {
		times = append(times, at.UnixMilli())
	}
	if !slices.Equal(times, c.SliceT) {
		t.Errorf("slice has times %v, want %v", times, c.SliceT)
	}
	d, want := v.Describe(), c.Describe
	if want == nil {
		return
	}
	if d.Count != want.Count || !near(d.Mean, want.Mean) || !near(d.Std, want.Std) || !near(d.Min, want.Min) ||
		!near(d.P25, want.P25) || !near(d.P50, want.P50) || !near(d.P75, want.P75) || !near(d.Max, want.Max) {
		t.Errorf("describe\n got %+v\nwant %+v", d, *want)
	}
	if !near(v.Mean(), want.Mean) || !near(v.Min(), want.Min) || !near(v.Max(), want.Max) || v.Count() != want.Count {
		t.Errorf("mean %v, min %v, max %v, count %v, want %+v", v.Mean(), v.Min(), v.Max(), v.Count(), *want)
	}
}

// requirement is a Past as the vectors write it.
type requirement struct {
	Delta *float64 `json:"past_delta_s"`
	Count *int     `json:"past_count"`
}

func (r *requirement) past() (p Past) {
	if r != nil && r.Delta != nil {
		p.Delta = time.Duration(*r.Delta * float64(time.Second))
	}
	if r != nil && r.Count != nil {
		p.Count = *r.Count
	}
	return p
}

type purgeCase struct {
	Reqs *requirement    `json:"reqs"`
	Ages []float64       `json:"ages_s"`
	Kept json.RawMessage `json:"kept_indexes"`
}

// hasFuture reports whether a sample of the case lies in the future.
func (c purgeCase) hasFuture() bool {
	return slices.ContainsFunc(c.Ages, func(age float64) bool { return age < 0 })
}

// kept is the result of the case, its fault if the original raised one.
func (c purgeCase) kept() (indexes []int, fault string) {
	if json.Unmarshal(c.Kept, &indexes) != nil {
		_ = json.Unmarshal(c.Kept, &fault)
	}
	return indexes, fault
}

// purgeDeviations are where we do not keep what the original did (protocol.md, 13). Each names the cases by a
// property of theirs and says what is right instead.
var purgeDeviations = []*struct {
	why     string
	applies func(purgeCase) bool
	want    func(purgeCase) []int
	used    int
}{
	{
		why:     "a purge with no past sample raises; it should keep what is there",
		applies: func(c purgeCase) bool { _, fault := c.kept(); return fault != "" },
		want: func(c purgeCase) []int {
			all := make([]int, len(c.Ages))
			for i := range all {
				all[i] = i
			}
			return all
		},
	},
	{
		why:     "samples in the future are purged as well; they should stay",
		applies: purgeCase.hasFuture,
		want: func(c purgeCase) []int {
			indexes, _ := c.kept()
			for i, age := range c.Ages {
				if age < 0 {
					indexes = append(indexes, i)
				}
			}
			slices.Sort(indexes)
			return indexes
		},
	},
}

// TestGoldenRequirements: what several impulses ask of a window, and what retention keeps, are the requirements of
// the original agent.
func TestGoldenRequirements(t *testing.T) {
	var file struct {
		Merge []struct {
			In  []requirement
			Out requirement
		}
		Construct []constructCase
		Identity  []struct {
			Owner  string
			URI    metric.URI
			Global metric.URI `json:"global_uri"`
		}
		Purge   []purgeCase
		Default requirement
	}
	readVectors(t, "requirements.json", &file)
	if len(file.Merge) == 0 || len(file.Purge) == 0 {
		t.Fatal("the file lacks cases")
	}
	if got, want := (Past{}).WithDefaults(), file.Default.past(); got != want {
		t.Errorf("the default is %v, want %v", got, want)
	}
	for i, c := range file.Merge {
		t.Run("merge "+strconv.Itoa(i), func(t *testing.T) {
			var got Past
			for _, r := range c.In {
				got = got.Max(r.past())
			}
			if want := c.Out.past(); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	for i, c := range file.Construct {
		t.Run("construct "+strconv.Itoa(i), func(t *testing.T) { checkConstruct(t, c) })
	}
	for i, c := range file.Identity {
		t.Run("identity "+strconv.Itoa(i), func(t *testing.T) {
			if got := c.URI.Global(c.Owner); got != c.Global {
				t.Errorf("%s of %s is %s, want %s: its requirements would be lost", c.URI, c.Owner, got, c.Global)
			}
			for _, other := range file.Identity {
				if same := c.URI.For(c.Owner) == other.URI.For(other.Owner); same != (c.Global == other.Global) {
					t.Errorf("%s and %s are one metric: %v", c.URI, other.URI, same)
				}
			}
		})
	}
	for i, c := range file.Purge {
		want, _ := c.kept()
		for _, d := range purgeDeviations {
			if d.applies(c) {
				want, d.used = d.want(c), d.used+1
				break
			}
		}
		t.Run("purge "+strconv.Itoa(i), func(t *testing.T) { checkPurge(t, c, want) })
	}
	for _, d := range purgeDeviations {
		if d.used == 0 && vectortest.Own() {
			t.Errorf("no case needs the deviation: %s", d.why)
		}
		t.Logf("deviation %q: %d", d.why, d.used)
	}
	t.Logf("%d merged, %d constructed, %d identities, %d purged",
		len(file.Merge), len(file.Construct), len(file.Identity), len(file.Purge))
}

// constructCase is a requirement that the original's constructor took or not.
type constructCase struct {
	Delta json.RawMessage `json:"past_delta_s"`
	Count json.RawMessage `json:"past_count"`
	OK    bool
}

// checkConstruct compares the verdict on a Past. What a Past cannot hold does not compile. Two verdicts differ on
// purpose: a negative past means nothing, and true is no number here.
func checkConstruct(t *testing.T, c constructCase) {
	var delta float64
	var count int
	want := c.OK
	for _, v := range []struct {
		text json.RawMessage
		into any
	}{{c.Delta, &delta}, {c.Count, &count}} {
		if json.Unmarshal(v.text, v.into) != nil {
			if boolean := string(v.text) == "true" || string(v.text) == "false"; want && !boolean {
				t.Errorf("%s cannot be written in a Past, and the original takes it", v.text)
			}
			return
		}
	}
	if delta < 0 || count < 0 {
		want = false
	}
	p := Past{Delta: time.Duration(delta * float64(time.Second)), Count: count}
	if err := p.Check(); (err == nil) != want {
		t.Errorf("%+v: %v, want accepted %v", p, err, want)
	}
}

func checkPurge(t *testing.T, c purgeCase, want []int) {
	t.Helper()
	now := metric.Ticks(1_700_000_000) * metric.TicksPerSecond
	// Wide while it is filled, so that it is the purge alone that drops.
	w := New(Config{Past: Past{Delta: 1 << 62}})
	for i, age := range c.Ages {
		at := now - metric.Ticks(age*float64(metric.TicksPerSecond))
		w.Append(uint64(i), metric.NewTimeUUID(at, metric.PlainLow), number(float64(i)), now)
	}
	w.SetPast(c.Reqs.past())
	w.Expire(now)
	var got []int
	for _, x := range w.View().All() {
		got = append(got, int(x))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("keeps %v, want %v", got, want)
	}
}
