package impulse

import (
	"context"
	"testing"
	"time"

	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

type oneWindow struct{ *window.Window }

func (w oneWindow) ViewAt(_ int, cut uint64) window.View { return w.Window.ViewAt(cut) }

// TestRunnerKeepsNoViews looks at the memory that a runner reuses: a view left there would pin a window's columns.
func TestRunnerKeepsNoViews(t *testing.T) {
	w := oneWindow{window.New(window.Config{})}
	w.Append(1, timeAt(1), numberOf(1), metric.Ticks(0))
	r, err := NewRunner(RunnerConfig{
		Impulse: Impulse{Name: "x", On: URIs("a"), Do: func(_ context.Context, u *Update) error {
			if u.View("a").Len() != 1 {
				t.Error("the view is empty")
			}
			return nil
		}},
		Windows: []window.ID{1}, Views: w, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	refill := Refill(1)
	r.Run(context.Background(), &refill)
	for _, v := range r.run.views[:cap(r.run.views)] {
		if v.Len() != 0 {
			t.Error("a view is kept")
		}
	}
}
