package hub_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/hubtest"
)

func TestSendHookFanOutHistory(t *testing.T) {
	h := hubtest.New(t)
	a, b := dial(t, h, "alice", ""), dial(t, h, "alice", "")
	b.hook(4404, "cpu")
	a.send(4200, dp("cpu", 1, "1.50"))
	f := b.next()
	if diff := cmp.Diff([]string{"cpu=1.50"}, f.items()); diff != "" || f.Pos != 1 {
		t.Errorf("notification %+v: %s", f, diff)
	}
	a.send(4200, dp("cpu", 2, 7), ds("df", 2, "text"))
	if diff := cmp.Diff([]string{"cpu=7"}, b.next().items()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"7", "1.50"}, a.history("cpu")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"text"}, b.history("alice:df")); diff != "" {
		t.Error(diff)
	}
}
