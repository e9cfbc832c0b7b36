package window

import (
	"math"
	"sync"

	"github.com/komstream/komstream/metric"
)

// Description is what [View.Describe] tells of a view.
type Description struct {
	// Kind says which fields are filled: those of texts for a datasource, otherwise those of numbers.
	Kind metric.Kind
	// Count is the number of samples.
	Count int
	// Mean, Std (of a sample: ddof 1), Min, the quartiles P25, P50 and P75 (linear interpolation) and Max are of
	// numbers. All are NaN for an empty view, Std also for a single sample.
	Mean, Std, Min, P25, P50, P75, Max float64
	// Unique is how many different texts there are.
	Unique int
	// Top is the most frequent text; of equally frequent ones that which is seen first.
	Top string
	// Freq is how often Top occurs.
	Freq int
}

// Describe returns what pandas' Series.describe does, for numbers or for texts. Numbers that overflow on the way give
// infinities, and infinite ones give NaN, as there. It takes about 50 µs for 3,600 numbers.
func (v View) Describe() Description {
	if v.Kind() == metric.KindDatasource {
		return v.describeTexts()
	}
	buffer := describeBuffers.Get().(*[]float64)
	x := v.AppendValues((*buffer)[:0])
	d := describeNumbers(x)
	d.Kind = v.Kind()
	if cap(x) <= 1<<16 {
		*buffer = x
		describeBuffers.Put(buffer)
	}
	return d
}

// describeBuffers spares Describe an allocation of the view's size.
var describeBuffers = sync.Pool{New: func() any { return new([]float64) }}

func (v View) describeTexts() Description {
	d := Description{Kind: metric.KindDatasource, Count: v.Len()}
	freq := make(map[string]int)
	for _, text := range v.Texts() {
		freq[text]++
	}
	d.Unique = len(freq)
	for _, text := range v.Texts() {
		if n := freq[text]; n > d.Freq {
			d.Top, d.Freq = text, n
		}
	}
	return d
}

// describeNumbers changes the order of x.
func describeNumbers(x []float64) Description {
	n := len(x)
	if n == 0 {
		nan := math.NaN()
		return Description{Mean: nan, Std: nan, Min: nan, P25: nan, P50: nan, P75: nan, Max: nan}
	}
	d := Description{Count: n, Min: x[0], Max: x[0]}
	for _, f := range x {
		if f < d.Min { // the builtin min also minds NaN, which a window never holds
			d.Min = f
		}
		if f > d.Max {
			d.Max = f
		}
	}
	d.Mean, d.Std = meanStd(x)
	d.P25, d.P50, d.P75 = quartiles(x)
	return d
}

// meanStd passes twice and corrects the first pass's rounding by the second's (Chan, Golub and LeVeque, 1983): safe
// for a small spread around a large mean, where sums of squares lose every digit.
func meanStd(x []float64) (mean, std float64) {
	n := float64(len(x))
	mean = sum(x) / n
	var a, b, sa, sb float64 // two accumulators each, as in sum
	i := 0
	for ; i+1 < len(x); i += 2 {
		d, e := x[i]-mean, x[i+1]-mean
		a += d
		b += e
		sa += d * d
		sb += e * e
	}
	if i < len(x) {
		d := x[i] - mean
		a += d
		sa += d * d
	}
	rest, squares := a+b, sa+sb
	if correction := rest * rest / n; correction < squares {
		squares -= correction
	}
	if len(x) == 1 {
		return mean, math.NaN()
	}
	if !math.IsInf(mean, 0) {
		mean += rest / n
	}
	return mean, math.Sqrt(squares / (n - 1))
}
