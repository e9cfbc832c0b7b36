package window

import (
	"math"
	"strings"
	"testing"

	"github.com/komstream/komstream/metric"
)

func TestDescriptionsPrintAsPandasPrintsThem(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Description
		want string
	}{
		{"zeros that all lines end in go", seconds(1, 2, 3).Describe(), `
count    3.0
mean     2.0
std      1.0
min      1.0
25%      1.5
50%      2.0
75%      2.5
max      3.0`},
		{"six decimals", seconds(1, 2, 3, 4).Describe(), `
count    4.000000
mean     2.500000
std      1.290994
min      1.000000
25%      1.750000
50%      2.500000
75%      3.250000
max      4.000000`},
		{"one value has no deviation", seconds(5).Describe(), `
count    1.0
mean     5.0
std      NaN
min      5.0
25%      5.0
50%      5.0
75%      5.0
max      5.0`},
		{"nothing", New(Config{}).View().Describe(), `
count    0.0
mean     NaN
std      NaN
min      NaN
25%      NaN
50%      NaN
75%      NaN
max      NaN`},
		{"a minus stands where others have a blank", seconds(-100.5, 1, 20.25).Describe(), `
count      3.000000
mean     -26.416667
std       64.876004
min     -100.500000
25%      -49.750000
50%        1.000000
75%       10.625000
max       20.250000`},
		{"long but not large stays fixed", seconds(100000.5, 200000.25, 900000).Describe(), `
count         3.000000
mean     400000.250000
std      435889.664938
min      100000.500000
25%      150000.375000
50%      200000.250000
75%      550000.125000
max      900000.000000`},
		{"large and long is scientific", seconds(1, 2, 3e6).Describe(), `
count    3.000000e+00
mean     1.000001e+06
std      1.732050e+06
min      1.000000e+00
25%      1.500000e+00
50%      2.000000e+00
75%      1.500001e+06
max      3.000000e+06`},
		{"large but short stays fixed", seconds(2e6, 2e6).Describe(), `
count          2.0
mean     2000000.0
std            0.0
min      2000000.0
25%      2000000.0
50%      2000000.0
75%      2000000.0
max      2000000.0`},
		{"small is scientific", seconds(1e-7, 1).Describe(), `
count    2.000000e+00
mean     5.000001e-01
std      7.071067e-01
min      1.000000e-07
25%      2.500001e-01
50%      5.000000e-01
75%      7.500000e-01
max      1.000000e+00`},
		{"texts", textsAt("a", "b", "a", "c").Describe(), `
count     4
unique    3
top       a
freq      2`},
		{"no texts", Description{Kind: metric.KindDatasource}, `
count       0
unique      0
top       NaN
freq      NaN`},
		{"a long text with lines", textsAt("first line\nsecond\t" + strings.Repeat("é", 60)).Describe(), `
count                                                     1
unique                                                    1
top       first line\nsecond\téééééééééééééééééééééééééé...
freq                                                      1`},
	} {
		if got := c.d.String(); got != c.want[1:] {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want[1:])
		}
	}
}

func TestInfiniteNumbersPrint(t *testing.T) {
	d := describeNumbers([]float64{1, math.Inf(1)})
	want := "count    2.0\nmean     inf\nstd      NaN\nmin      1.0\n25%      inf\n50%      inf\n75%      inf\nmax      inf"
	equal(t, "text", d.String(), want)
}
