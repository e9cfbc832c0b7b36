package komstream_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"testing"

	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/metric"
)

// The rules of TestGoldenStore: where this library deliberately is not the original's store, and why. A rule looks at
// the step and the original's result, never at the name or place of a sequence.
var storeReasons = []storeReason{
	{ruleInsert, "what is written outside a transaction is sent: there is no store of values that the hub does not have"},
	{ruleRequests, "the ranges asked of the hub are not compared: windows are loaded as a whole at Bind and after a " +
		"loss, History asks page by page, and neither remembers ranges (the lazy store lost samples by that)"},
	{ruleEqual, "an equal value is an update: one message of the hub is one trigger, and loops are known by `via`"},
	{ruleReversed, "a range whose end is before its start is a mistake that deserves an error, not an empty answer"},
	{ruleOpen, "an open range needs no count, since it is read page by page as the loop goes on"},
	{ruleValues, "numbers are bounded decimals in ASCII: the hub refuses NaN, and true equals 1 in the original's language only"},
	{ruleOwn, "the views of a run show one cut; what the run emits is not stored before the hub has taken it"},
}

const (
	ruleInsert   = "inserts are sent"
	ruleRequests = "requests are not compared"
	ruleEqual    = "equal values fire"
	ruleReversed = "reversed bounds are an error"
	ruleOpen     = "open ranges need no count"
	ruleValues   = "booleans and NaN are no numbers"
	ruleOwn      = "a run does not see what it emits"
)

type storeReason struct{ name, why string }

// storeBook applies the rules and counts which were needed.
type storeBook struct{ used map[string]int }

func storeRules() *storeBook { return &storeBook{map[string]int{}} }

func (b *storeBook) note(rule string) { b.used[rule]++ }

// check fails for rules that no case of the project's own vectors needs.
func (b *storeBook) check(t *testing.T) {
	t.Helper()
	for _, r := range storeReasons {
		if b.used[r.name] == 0 && vectortest.Own() {
			t.Errorf("rule %q excuses nothing", r.name)
		}
		t.Logf("rule %q: %d", r.name, b.used[r.name])
	}
}

// accept changes whether a value can be written.
func (b *storeBook) accept(kind string, v json.RawMessage, want *bool) {
	if kind == "d" || !*want {
		return
	}
	m := storeNumber.FindStringSubmatch(valueText(v))
	if m != nil {
		if exponent, err := strconv.Atoi("0" + m[1]); err == nil && exponent <= metric.MaxExponent {
			return
		}
	}
	*want = false
	b.note(ruleValues)
}

// storeNumber is a bounded decimal in ASCII; it catches the digits of the exponent.
var storeNumber = regexp.MustCompile(
	`^\s*[+-]?(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?(\d+))?\s*$`)

// fire changes whether an update makes impulses run.
func (b *storeBook) fire(want *bool) {
	if !*want {
		*want = true
		b.note(ruleEqual)
	}
}

// raise reports whether a get that the original refuses, for its missing count, is answered.
func (b *storeBook) raise(op *storeOp) bool {
	if op.Raises == "" {
		return false
	}
	b.note(ruleOpen)
	return true
}

// reverse reports whether a range is refused.
func (b *storeBook) reverse(from, to *metric.TimeUUID) bool {
	if from == nil || to == nil || from.Ticks() <= to.Ticks() {
		return false
	}
	b.note(ruleReversed)
	return true
}

// ownWrites reports whether a run has emitted what the original would have shown it.
func (b *storeBook) ownWrites(written map[metric.TimeUUID]string) bool {
	if len(written) == 0 {
		return false
	}
	b.note(ruleOwn)
	return true
}
