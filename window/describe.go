package window

import (
	"math"

	"github.com/komstream/komstream/metric"
)

// Description is what [View.Describe] tells of a view.
type Description struct {
	// Kind says which fields are filled: those of numbers, also for an empty view, or those of texts.
	Kind metric.Kind
	// Count is the number of samples.
	Count int
	// Mean, Std (of the sample, ddof 1), Min, the quartiles P25, P50 and P75 (linear interpolation), and Max are of
	// numbers. All are NaN for an empty view, Std also for a single sample.
	Mean, Std, Min, P25, P50, P75, Max float64
	// Unique is how many different texts there are.
	Unique int
	// Top is the most frequent text; of equally frequent ones the one seen first.
	Top string
	// Freq is how often Top occurs.
	Freq int
}

// Describe returns what pandas' Series.describe does.
func (v View) Describe() Description {
	if v.Kind() == metric.KindDatasource {
		return v.describeTexts()
	}
	return describeNumbers(v.AppendValues(make([]float64, 0, v.Len())))
}

func (v View) describeTexts() Description {
	d := Description{Kind: metric.KindDatasource, Count: v.Len()}
	freq := make(map[string]int, v.Len())
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
	nan := math.NaN()
	d := Description{Kind: metric.KindDatapoint, Count: len(x), Mean: nan, Std: nan, Min: nan, P25: nan, P50: nan, P75: nan, Max: nan}
	return d
}
