package impulse_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func nothing(context.Context, *impulse.Update) error { return nil }

func valid() impulse.Impulse {
	return impulse.Impulse{Name: "a.b", On: impulse.URIs("cpu", "friend:cpu"), Do: nothing}
}

func TestCheckNamesEveryFault(t *testing.T) {
	tests := []struct {
		name   string
		change func(*impulse.Impulse)
		want   []string // field of each fault, in order
	}{
		{"valid", func(*impulse.Impulse) {}, nil},
		{"every field set", func(i *impulse.Impulse) {
			i.Past = impulse.Past{Delta: time.Hour, Count: 3}
			i.On[0].Past = impulse.Past{Count: 9}
			i.MinExecDelta, i.Overload = time.Second, impulse.DropOldest(impulse.MaxQueue)
			i.Breaker = impulse.Breaker{Failures: -1, Pause: time.Second, MaxPause: time.Second}
		}, nil},
		{"no name", func(i *impulse.Impulse) { i.Name = "" }, []string{"Name"}},
		{"bad name", func(i *impulse.Impulse) { i.Name = "a..b" }, []string{"Name"}},
		{"global name", func(i *impulse.Impulse) { i.Name = "me:a" }, []string{"Name"}},
		{"no metric", func(i *impulse.Impulse) { i.On = nil }, []string{"On"}},
		{"bad uri", func(i *impulse.Impulse) { i.On[1].URI = "x y" }, []string{"On[1].URI"}},
		{"one metric twice", func(i *impulse.Impulse) { i.On = impulse.URIs("cpu", "x", "cpu") }, []string{"On[2].URI"}},
		{"two spellings", func(i *impulse.Impulse) { i.On = impulse.URIs("cpu", "ME:cpu", "a:cpu", "A:cpu") }, []string{"On[1].URI", "On[3].URI"}},
		{"case of levels differs", func(i *impulse.Impulse) { i.On = impulse.URIs("cpu", "CPU") }, nil},
		{"negative past", func(i *impulse.Impulse) { i.Past.Delta = -1 }, []string{"Past"}},
		{"negative past of an input", func(i *impulse.Impulse) { i.On[1].Past.Count = -1 }, []string{"On[1].Past"}},
		{"negative interval", func(i *impulse.Impulse) { i.MinExecDelta = -time.Second }, []string{"MinExecDelta"}},
		{"queue of none", func(i *impulse.Impulse) { i.Overload = impulse.Queue(0) }, []string{"Overload"}},
		{"negative queue", func(i *impulse.Impulse) { i.Overload = impulse.DropOldest(-1) }, []string{"Overload"}},
		{"huge queue", func(i *impulse.Impulse) { i.Overload = impulse.Queue(1 << 40) }, []string{"Overload"}},
		{"no policy", func(i *impulse.Impulse) { i.Overload = 7 }, []string{"Overload"}},
		{"negative pauses", func(i *impulse.Impulse) { i.Breaker.Pause, i.Breaker.MaxPause = -1, -1 }, []string{"Breaker.Pause", "Breaker.MaxPause"}},
		{"pauses the wrong way round", func(i *impulse.Impulse) { i.Breaker.Pause, i.Breaker.MaxPause = 2, 1 }, []string{"Breaker.MaxPause"}},
		{"no function", func(i *impulse.Impulse) { i.Do = nil }, []string{"Do"}},
		{"everything", func(i *impulse.Impulse) { *i = impulse.Impulse{MinExecDelta: -1} }, []string{"Name", "On", "MinExecDelta", "Do"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := valid()
			test.change(&i)
			err := i.Check("Me")
			var got []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, fault := range joined.Unwrap() {
					var invalid *impulse.InvalidError
					if !errors.As(fault, &invalid) {
						t.Fatalf("fault %v is no InvalidError", fault)
					}
					if invalid.Impulse != i.Name || invalid.Value == "" || invalid.Rule == "" {
						t.Errorf("incomplete fault %+v", invalid)
					}
					got = append(got, invalid.Field)
				}
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("faults of %v, want of %v: %v", got, test.want, err)
			}
		})
	}
}

func TestCheckKeepsTheCause(t *testing.T) {
	i := valid()
	i.On[0].URI = "not a uri"
	err := i.Check("me")
	var cause *metric.InvalidError
	if !errors.As(err, &cause) || cause.Field != "uri" {
		t.Fatalf("no cause in %v", err)
	}
	for _, part := range []string{`"a.b"`, "On[0].URI", `"not a uri"`, "must be a uri"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

func TestOverloadPrintsAsWritten(t *testing.T) {
	tests := []struct {
		policy impulse.Overload
		want   string
	}{
		{0, "Queue(1024)"},
		{impulse.Queue(7), "Queue(7)"},
		{impulse.Queue(1), "Coalesce"},
		{impulse.Coalesce, "Coalesce"},
		{impulse.DropOldest(3), "DropOldest(3)"},
		{impulse.Queue(0), "Queue(0)"},
		{impulse.Queue(-2), "Queue(-2)"},
		{impulse.DropOldest(-2), "DropOldest(-2)"},
		{5, "Overload(5)"},
	}
	for _, test := range tests {
		if got := test.policy.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestWithCopies(t *testing.T) {
	first := valid()
	on := impulse.URIs("x")
	second := first.With("second", on...)
	on[0].URI = "changed"
	if first.Name != "a.b" || len(first.On) != 2 || second.Name != "second" || second.On[0].URI != "x" || second.Do == nil {
		t.Errorf("got %v and %v", first, second)
	}
}

func TestPastOfAnInputIsItsOwnOrTheImpulses(t *testing.T) {
	i := valid()
	i.Past = impulse.Past{Delta: time.Hour}
	i.On[1].Past = impulse.Past{Count: 5}
	if got := i.PastOf(0); got != i.Past {
		t.Errorf("got %v", got)
	}
	if got := i.PastOf(1); got != (impulse.Past{Count: 5}) {
		t.Errorf("got %v", got)
	}
}

func TestImpulsePrints(t *testing.T) {
	if got, want := valid().String(), "a.b on cpu, friend:cpu"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := valid().With("x", make([]impulse.Input, 10)...).String(), " and 2 more"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}

func TestContextCarriesTheMark(t *testing.T) {
	if name, ok := impulse.FromContext(context.Background()); ok || name != "" {
		t.Errorf("a plain context is inside a run of %q", name)
	}
	ctx, cancel := context.WithCancel(impulse.NewContext(context.Background(), "a"))
	defer cancel()
	if name, ok := impulse.FromContext(ctx); !ok || name != "a" {
		t.Errorf("got %q, %v", name, ok)
	}
}
