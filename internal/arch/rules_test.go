package arch

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The rules themselves, on sources that break them: a check that cannot fail is worth nothing.

func TestUndocumentedFindsEveryForm(t *testing.T) {
	const text = `package p

type Bare struct{}

// Fine is documented.
type Fine struct{}

func (*Fine) Method() {}

func (Generic[T]) Method() {}

func (hidden) Method() {}

// Generic is documented.
type Generic[T any] struct{}

type hidden struct{}

// Face is documented.
type Face interface {
	// Said is documented.
	Said()
	Unsaid()
	error
}

// The group is documented.
const (
	A = 1
	B = 2
)

var Loose, loose = 1, 2

func Free() {}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range undocumented(file) {
		got = append(got, n.name)
	}
	want := []string{"Bare", "Fine.Method", "Generic.Method", "Face.Unsaid", "Loose", "Free"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("undocumented names (-want +got):\n%s", diff)
	}
}

func TestSleepsOutsideBubblesAreFound(t *testing.T) {
	const text = `package p

import (
	"testing"
	"testing/synctest"
	clock "time"
)

func TestReal(t *testing.T) { clock.Sleep(1) }

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { clock.Sleep(1) })
	clock.Sleep(2)
}

// settle lets a second pass in the bubble it runs in.
func settle() { clock.Sleep(1) }

func helper() { clock.Sleep(1) }
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p_test.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, call := range sleepsOutsideBubbles(file) {
		got = append(got, fset.Position(call.Pos()).Line)
	}
	if diff := cmp.Diff([]int{9, 13, 19}, got); diff != "" {
		t.Errorf("lines with sleeps on the real clock (-want +got):\n%s", diff)
	}
}
