package metric

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func ExampleSample_Supplying() {
	s := Datasource("host1.df", "2026-11-24T10:00:00Z", "/ 22% /home 64%").Supplying("root.used", "home.used", "root.used")
	fmt.Println(s.Supplies())
	// Output: [home.used root.used]
}

func TestSupplyingNothingIsNotSayingNothing(t *testing.T) {
	s := Datasource("df", "2026-11-24T10:00:00Z", "x")
	if s.Supplies() != nil {
		t.Errorf("a sample that says nothing supplies %v", s.Supplies())
	}
	given := []URI{"b", "a"}
	with := s.Supplying(given...)
	if s.Supplies() != nil || !slices.Equal(given, []URI{"b", "a"}) {
		t.Error("Supplying changes what it is given")
	}
	if !slices.Equal(with.Supplies(), []URI{"a", "b"}) {
		t.Errorf("supplies %v", with.Supplies())
	}
	if none := with.Supplying().Supplies(); none == nil || len(none) > 0 {
		t.Errorf("supplying nothing is %v", none)
	}
}

func TestSupplyingKeepsTheRules(t *testing.T) {
	text := Datasource("df", "2026-11-24T10:00:00Z", "x")
	many := make([]URI, MaxSupplies+1)
	for i := range many {
		many[i] = URI(fmt.Sprint("m", i))
	}
	long := URI(strings.Repeat("x", MaxText/2+1))
	for _, c := range []struct {
		sample             Sample
		field, value, rule string
	}{
		{Datapoint("cpu", "2026-11-24T10:00:00Z", 1).Supplying("a"), "supplies", `"cpu"`, "datasource"},
		{text.Supplying("a", "b c"), "supplies[1]", `"b c"`, "local uri"},
		{text.Supplying("bob:a"), "supplies[0]", `"bob:a"`, "local uri"},
		{text.Supplying(""), "supplies[0]", `""`, "local uri"},
		{text.Supplying(many...), "supplies", `"1001 uris"`, "at most 1000"},
		{text.Supplying(long, long+"y"), "supplies", "bytes", "131072"},
		{Datasource("a b", "2026-11-24T10:00:00Z", "x").Supplying("d e"), "uri", `"a b"`, ""},
	} {
		var e *InvalidError
		if err := c.sample.Check(); !errors.As(err, &e) || e.Field != c.field || !strings.Contains(e.Value, c.value) ||
			!strings.Contains(e.Rule, c.rule) {
			t.Errorf("got %v, want %s %s %s", err, c.field, c.value, c.rule)
		}
	}
	if err := text.Supplying(many[:MaxSupplies]...).Check(); err != nil {
		t.Error(err)
	}
}
