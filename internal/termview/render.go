package termview

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// The styles name the sixteen colours of the terminal, which its owner chose to be readable on the background.
var (
	styleTitle  = lipgloss.NewStyle().Bold(true)
	styleHead   = lipgloss.NewStyle().Foreground(lipgloss.BrightBlack)
	styleSpark  = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
	styleFault  = lipgloss.NewStyle().Foreground(lipgloss.Red)
	styleHealth = map[Health]lipgloss.Style{
		Unwell: lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true),
		Busy:   lipgloss.NewStyle().Foreground(lipgloss.Yellow).Bold(true),
		Well:   lipgloss.NewStyle().Foreground(lipgloss.Green).Bold(true),
	}
	marks = map[Health]string{Unwell: "✗", Busy: "…", Well: "●"}
)

// minWidth is what a view needs at least; a narrower terminal gets this much and cuts it.
const minWidth = 24

// Render returns the view of s in at most height lines of at most width columns, joined by newlines, without one at
// the end. A height of zero or less means as many lines as it takes. Where the terminal is narrow, columns are left
// out; where it is low, rows are, and the last row says how many. The text holds the escape sequences of colours;
// a [Screen] takes them out where they are not wanted.
func Render(s Snapshot, width, height int) string {
	width = max(width, minWidth)
	totals := totalLines(s.Totals, width)
	if height > 0 {
		totals = totals[:min(len(totals), max(1, height/8))] // the tables matter more
	}
	metrics, impulses := rows(len(s.Metrics), len(s.Impulses), height-1-len(totals), height > 0)

	lines := []string{header(s, width)}
	lines = append(lines, metricTable(s.Metrics, width, metrics)...)
	lines = append(lines, impulseTable(s.Impulses, width, impulses)...)
	if len(totals) > 0 {
		lines = append(lines, "")
		lines = append(lines, totals...)
	}
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	return strings.Join(lines, "\n")
}

// rows shares out the lines that the header and the totals leave. Each table needs a blank line and a head; the
// metrics get what the impulses do not need, and never less than half.
func rows(metrics, impulses, lines int, limited bool) (int, int) {
	if !limited {
		return metrics, impulses
	}
	lines-- // the blank line above the totals
	if metrics > 0 {
		lines -= 2
	}
	if impulses > 0 {
		lines -= 2
	}
	lines = max(0, lines)
	forImpulses := min(impulses, max(lines/2, lines-metrics))
	return min(metrics, lines-forImpulses), forImpulses
}

// header is the first line: title and state left, peer and uptime right, what fits of them.
func header(s Snapshot, width int) string {
	state := marks[s.Health] + " " + clean(s.State)
	title := clean(s.Title)
	left := lipgloss.Width(title) + 2 + lipgloss.Width(state)
	line := styleTitle.Render(title) + "  " + styleHealth[s.Health].Render(state)
	if title == "" {
		left -= 2
		line = styleHealth[s.Health].Render(state)
	}
	if left > width {
		return styleHealth[s.Health].Render(strings.TrimRight(fit(state, width), " "))
	}
	for _, tail := range []string{clean(s.Peer) + "  " + clock(s.Uptime), clock(s.Uptime)} {
		if tail = strings.TrimSpace(tail); left+2+lipgloss.Width(tail) <= width {
			return line + right(tail, width-left)
		}
	}
	return line
}

// metricTable returns a blank line, the head and at most limit rows.
func metricTable(metrics []Metric, width, limit int) []string {
	if len(metrics) == 0 || limit <= 0 {
		return nil
	}
	const valueWidth, rateWidth, leastName = 10, 9, 12
	rate := width >= 50
	rest := width - valueWidth - 1
	if rate {
		rest -= rateWidth + 1
	}
	// The name takes what it needs up to two fifths, the spark line the rest.
	name := leastName
	for _, m := range metrics {
		name = max(name, len(m.URI))
	}
	name = min(name, max(leastName, width*2/5))
	sparkWidth := rest - name - 1
	if sparkWidth < 6 {
		sparkWidth, name = 0, rest
	}

	row := func(uri, past, value, perSecond string) string {
		line := fit(uri, name)
		if sparkWidth > 0 {
			line += " " + past
		}
		line += " " + right(value, valueWidth)
		if rate {
			line += " " + right(perSecond, rateWidth)
		}
		return strings.TrimRight(line, " ")
	}
	lines := []string{"", styleHead.Render(row("METRIC", right("PAST", sparkWidth), "LAST", "RATE"))}
	shown, more := cut(len(metrics), limit, "metrics")
	for _, m := range metrics[:shown] {
		past, value := "", ""
		switch n := len(m.Past); {
		case n > 0:
			past, value = right(spark(m.Past, sparkWidth), sparkWidth), number(m.Past[n-1])
			past = styleSpark.Render(past)
		case m.Text != "":
			past, value = fit(clean(m.Text), sparkWidth), grouped(uint64(len(m.Text)))+" B"
		default:
			past, value = fit("", sparkWidth), "-"
		}
		lines = append(lines, row(clean(m.URI), past, value, number(m.Rate)+"/s"))
	}
	return append(lines, more...)
}

// impulseTable returns a blank line, the head and at most limit rows.
func impulseTable(impulses []Impulse, width, limit int) []string {
	if len(impulses) == 0 || limit <= 0 {
		return nil
	}
	type column struct {
		head  string
		width int
		from  int // the width of a view that shows it
		value func(Impulse) string
	}
	columns := []column{
		{"RUNS", 10, 0, func(i Impulse) string { return grouped(i.Runs) }},
		{"TOOK", 8, 36, func(i Impulse) string { return span(i.Took) }},
		{"WORST", 8, 50, func(i Impulse) string { return span(i.Worst) }},
		{"PENDING", 8, 60, func(i Impulse) string { return grouped(i.Pending) }},
		{"FAILED", 8, 70, func(i Impulse) string { return grouped(i.Failed) }},
	}
	name := width
	for _, c := range columns {
		if width >= c.from {
			name -= c.width + 1
		}
	}
	row := func(first string, cell func(column) string) string {
		line := fit(first, name)
		for _, c := range columns {
			if width >= c.from {
				line += " " + right(cell(c), c.width)
			}
		}
		return line
	}
	lines := []string{"", styleHead.Render(row("IMPULSE", func(c column) string { return c.head }))}
	shown, more := cut(len(impulses), limit, "impulses")
	for _, i := range impulses[:shown] {
		line := row(clean(i.Name), func(c column) string { return c.value(i) })
		if i.Failed > 0 {
			line = styleFault.Render(line)
		}
		lines = append(lines, line)
	}
	return append(lines, more...)
}

// cut returns how many of n rows are shown in limit lines, and the line about the others.
func cut(n, limit int, what string) (shown int, more []string) {
	if n <= limit {
		return n, nil
	}
	return limit - 1, []string{styleHead.Render("… " + grouped(uint64(n-limit+1)) + " more " + what)}
}

// totalLines writes the totals one after the other, in as many lines as that takes.
func totalLines(totals []Total, width int) []string {
	var lines []string
	line := ""
	for _, t := range totals {
		item := clean(t.Name) + " " + grouped(t.Count)
		switch {
		case line == "":
			line = item
		case lipgloss.Width(line)+3+lipgloss.Width(item) <= width:
			line += " · " + item
		default:
			lines = append(lines, strings.TrimRight(fit(line, width), " "))
			line = item
		}
	}
	if line != "" {
		lines = append(lines, strings.TrimRight(fit(line, width), " "))
	}
	return lines
}

// Line returns s as one line without colours: uptime, state, and the totals.
func Line(s Snapshot) string {
	parts := []string{clock(s.Uptime), clean(s.State)}
	for _, t := range s.Totals {
		parts = append(parts, clean(t.Name)+" "+grouped(t.Count))
	}
	return strings.Join(parts, "  ")
}
