package metric

import (
	"slices"
	"strconv"
)

// MaxSupplies is the greatest number of metrics that a datasource may be said to supply.
const MaxSupplies = 1000

// Supplying returns s, a text, with the statement which metrics may be recognised in the texts of its metric. They are
// local URIs below the datasource: "root.used" of "host1.df" is the metric "host1.df.root.used". No URI at all states
// that nothing is to be recognised. A session tells the hub after the sample, and again when a later sample of the
// metric says otherwise; samples that say nothing change nothing.
//
// The order does not matter, and what is named twice counts once. What breaks a rule is the sample's fault, as with
// [Datasource]: a sample that is no text, a URI that is none or names an owner, more than [MaxSupplies] of them, or
// more than [MaxText] bytes of all.
func (s Sample) Supplying(uris ...URI) Sample {
	if s.err != nil {
		return s
	}
	if s.Value.kind != KindDatasource {
		s.err = invalid("supplies", string(s.URI), "must be said of a datasource, a metric of texts")
		return s
	}
	if len(uris) > MaxSupplies {
		s.err = invalid("supplies", strconv.Itoa(len(uris))+" uris", "must be at most "+strconv.Itoa(MaxSupplies))
		return s
	}
	bytes := 0
	for i, u := range uris {
		if u.Check() != nil || !u.IsLocal() {
			s.err = invalid("supplies["+strconv.Itoa(i)+"]", string(u), "must be a local uri, relative to the datasource")
			return s
		}
		bytes += len(u)
	}
	if bytes > MaxText {
		s.err = invalid("supplies", strconv.Itoa(bytes)+" bytes", "must be at most "+strconv.Itoa(MaxText)+" bytes together")
		return s
	}
	sorted := append([]URI{}, uris...)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	s.supplies = &sorted
	return s
}

// Supplies returns what [Sample.Supplying] was told, sorted, each once: nil where s says nothing, empty where nothing
// is to be recognised. The slice must not be changed. What a hub sends says nothing.
func (s Sample) Supplies() []URI {
	if s.supplies == nil {
		return nil
	}
	return *s.supplies
}
