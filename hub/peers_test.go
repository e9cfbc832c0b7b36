package hub_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/bus"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/hub/store/memstore"
)

// TestHubsHearEachOther joins two hubs on one store: what one stores reaches the sessions of the other, once, in
// order, under the rights of the reader.
func TestHubsHearEachOther(t *testing.T) {
	var line bus.Direct
	s := memstore.New()
	a := hubtest.Start(t, hub.Joined(hub.Config{}, s, line.Join()))
	a.User("alice")
	a.User("bob")
	must(t, a.Share(context.Background(), "alice", "cpu", "bob"))
	// The accounts of a hub are read when it starts.
	b := hubtest.Start(t, hub.Joined(hub.Config{}, s, line.Join()))
	reader := func(user string) *client {
		cookie, err := b.CookieOf(user)
		must(t, err)
		return connect(t, b, cookie, "")
	}
	alice, bob, writer := reader("alice"), reader("bob"), dial(t, a, "alice", "")
	alice.hook(4404, "cpu.user")
	alice.hook(4404, "df")
	bob.hook(4404, "alice:cpu.user")
	writer.hook(4404, "cpu.user")
	var want, wantBob []string
	for i := range 50 {
		writer.send(4200, dp("cpu.user", i, i), ds("df", i, fmt.Sprint("text ", i)), dp("other", i, i))
		want = append(want, fmt.Sprintf("df=text %d cpu.user=%d", i, i))
		wantBob = append(wantBob, fmt.Sprintf("alice:cpu.user=%d", i))
	}
	for name, x := range map[string]struct {
		c    *client
		want []string
	}{"alice": {alice, want}, "bob": {bob, wantBob}} {
		var got []string
		for range x.want {
			f := x.c.next()
			text := ""
			for i, item := range f.items() {
				if i > 0 {
					text += " "
				}
				text += item
			}
			if f.Pos != uint64(len(got)+1) {
				t.Errorf("%s: message %d has position %d", name, len(got), f.Pos)
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if more := x.c.quiet(); len(more) > 0 {
			t.Errorf("%s got %d messages too many", name, len(more))
		}
	}
	alice.hook(4200, "cpu.user") // it knows by now
	if rows := alice.history("cpu.user"); len(rows) != 50 {
		t.Errorf("the other hub reads %d rows, want 50", len(rows))
	}
}
