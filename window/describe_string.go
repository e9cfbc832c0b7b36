package window

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/komstream/komstream/metric"
)

// String prints d as pandas prints Series.describe(), without its last line, that of the dtype: a line each, names
// left, values right, no newline at the end. The rules for numbers are those of pandas:
//
//   - six decimals, and of these the last ones are left out that are zero in every line, one at least staying;
//   - scientific notation in every line, "1.500000e+07", when a magnitude below 1e-6 would print as 0, or when one
//     above 1e6 makes a line longer than 12 characters, a sign or blank in front counted;
//   - NaN and inf as such.
//
// A text longer than 49 characters is cut to 46 and "...", its line ends and tabs are escaped; "NaN" stands for the
// top and the frequency of no text.
func (d Description) String() string {
	if d.Kind == metric.KindDatasource {
		top, freq := " NaN", " NaN"
		if d.Count > 0 {
			top, freq = " "+shortened(d.Top), " "+strconv.Itoa(d.Freq)
		}
		return table([]string{"count", "unique", "top", "freq"},
			[]string{" " + strconv.Itoa(d.Count), " " + strconv.Itoa(d.Unique), top, freq})
	}
	return table([]string{"count", "mean", "std", "min", "25%", "50%", "75%", "max"},
		formatNumbers([]float64{float64(d.Count), d.Mean, d.Std, d.Min, d.P25, d.P50, d.P75, d.Max}))
}

// table sets names left and values right, with three blanks between the columns.
func table(names, values []string) string {
	nameWidth, valueWidth := 0, 0
	for i := range names {
		nameWidth = max(nameWidth, len(names[i]))
		valueWidth = max(valueWidth, utf8.RuneCountInString(values[i]))
	}
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(name)
		for range nameWidth - len(name) + 3 + valueWidth - utf8.RuneCountInString(values[i]) {
			b.WriteByte(' ')
		}
		b.WriteString(values[i])
	}
	return b.String()
}

// formatNumbers prints numbers to be read in one column. A blank stands where a minus would.
func formatNumbers(numbers []float64) []string {
	const longest, decimals = 12, 6
	texts := trimZeros(formatEach(numbers, 'f', decimals))
	tooLong, large, small := false, false, false
	for i, f := range numbers {
		magnitude := math.Abs(f)
		tooLong = tooLong || len(texts[i]) > longest
		large = large || magnitude > 1e6
		small = small || 0 < magnitude && magnitude < 1e-6
	}
	if small || tooLong && large {
		return formatEach(numbers, 'e', decimals)
	}
	return texts
}

func formatEach(numbers []float64, format byte, decimals int) []string {
	texts := make([]string, len(numbers))
	for i, f := range numbers {
		switch {
		case math.IsNaN(f):
			texts[i] = "NaN"
		case math.IsInf(f, 1):
			texts[i] = " inf"
		case math.IsInf(f, -1):
			texts[i] = "-inf"
		case math.Signbit(f):
			texts[i] = strconv.FormatFloat(f, format, decimals, 64)
		default:
			texts[i] = " " + strconv.FormatFloat(f, format, decimals, 64)
		}
	}
	return texts
}

// trimZeros takes away the zeros that all decimals end in, but for one.
func trimZeros(texts []string) []string {
	cut := math.MaxInt
	for _, text := range texts {
		if point := strings.IndexByte(text, '.'); point >= 0 {
			zeros := len(text) - len(strings.TrimRight(text, "0"))
			cut = min(cut, zeros, len(text)-point-2)
		}
	}
	for i, text := range texts {
		if strings.IndexByte(text, '.') >= 0 {
			texts[i] = text[:len(text)-cut]
		}
	}
	return texts
}

// shortened returns a text as pandas shows it in a column.
func shortened(text string) string {
	const longest = 49 // and the blank before it
	// More than enough of a long text, so that escaping it costs little.
	if len(text) > 4*(longest+1) {
		text = strings.ToValidUTF8(text[:4*(longest+1)], "")
	}
	text = strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(text)
	if utf8.RuneCountInString(text) <= longest {
		return text
	}
	return string([]rune(text)[:longest-3]) + "..."
}
