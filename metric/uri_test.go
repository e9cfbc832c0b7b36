package metric

import (
	"regexp"
	"strings"
	"testing"
)

func TestURIParts(t *testing.T) {
	for _, c := range []struct {
		uri, owner, local, name, parent string
		hasParent                       bool
	}{
		{"cpu", "", "cpu", "cpu", "", false},
		{"host1.cpu.user", "", "host1.cpu.user", "user", "host1.cpu", true},
		{"Bob:cpu", "bob", "cpu", "cpu", "", false},
		{"Bob.x:host1.cpu", "bob.x", "host1.cpu", "cpu", "Bob.x:host1", true},
		{"a.b:c", "a.b", "c", "c", "", false},
	} {
		u := URI(c.uri)
		parent, hasParent := u.Parent()
		if u.Check() != nil || u.Owner() != c.owner || string(u.Local()) != c.local || u.Name() != c.name ||
			string(parent) != c.parent || hasParent != c.hasParent || u.IsLocal() != (c.owner == "") {
			t.Errorf("%s: owner %q, local %q, name %q, parent %q %v", u, u.Owner(), u.Local(), u.Name(), parent, hasParent)
		}
		if hasParent && parent.Child(u.Name()) != u {
			t.Errorf("%s is not the child of its parent", u)
		}
		if child := u.Child("x.y"); child.Check() != nil || !child.IsBelow(u) || !child.Within(u) || u.Within(child) {
			t.Errorf("%s is not below %s", child, u)
		}
	}
	if got := URI("").Child("a.b"); got != "a.b" {
		t.Errorf("the child of nothing is %q", got)
	}
}

func TestURIWithin(t *testing.T) {
	for _, c := range []struct {
		uri, ancestor string
		within, below bool
	}{
		{"cpu", "cpu", true, false},
		{"cpu.user", "cpu", true, true},
		{"cpu.user.x", "cpu", true, true},
		{"cpux", "cpu", false, false},
		{"cpux.user", "cpu", false, false},
		{"cpu", "cpu.user", false, false},
		{"Cpu.user", "cpu", false, false},
		{"bob:cpu.user", "BOB:cpu", true, true},
		{"bob:cpu", "Bob:cpu", true, false},
		{"bob:cpu.user", "cpu", false, false},
		{"cpu.user", "bob:cpu", false, false},
		{"bob:cpu.user", "bob", false, false},
		{"bob.x:cpu", "bob", false, false},
		{"a", "", false, false},
	} {
		if got := URI(c.uri).Within(URI(c.ancestor)); got != c.within {
			t.Errorf("%s within %s: got %v", c.uri, c.ancestor, got)
		}
		if got := URI(c.uri).IsBelow(URI(c.ancestor)); got != c.below {
			t.Errorf("%s below %s: got %v", c.uri, c.ancestor, got)
		}
	}
}

func TestURIForAUser(t *testing.T) {
	for _, c := range []struct{ uri, user, own, global string }{
		{"cpu", "alice", "cpu", "alice:cpu"},
		{"cpu", "Alice", "cpu", "alice:cpu"},
		{"ALICE:Cpu", "alice", "Cpu", "alice:Cpu"},
		{"alice:Cpu", "ALICE", "Cpu", "alice:Cpu"},
		{"BOB:Cpu.x", "alice", "bob:Cpu.x", "bob:Cpu.x"},
	} {
		if got := URI(c.uri).For(c.user); string(got) != c.own {
			t.Errorf("%s for %s: got %s, want %s", c.uri, c.user, got, c.own)
		}
		if got := URI(c.uri).Global(c.user); string(got) != c.global {
			t.Errorf("%s of %s: got %s, want %s", c.uri, c.user, got, c.global)
		}
	}
}

var (
	levels   = `[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*`
	uriShape = regexp.MustCompile(`\A(` + levels + `:)?` + levels + `\z`)
	userName = regexp.MustCompile(`\A` + levels + `\z`)
)

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"a", "Bob:a.b", "a..b", ":a", "a:", "a:b:c", ".a", "a.", "ñ", "a\n", strings.Repeat("u", 257) + ":a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		owner, _, global := strings.Cut(text, ":")
		want := uriShape.MatchString(text) && !(global && len(owner) > MaxUsername)
		u, err := ParseURI(text)
		if (err == nil) != want || (URI(text).Check() == nil) != want {
			t.Fatalf("%q: got %v, want valid %v", text, err, want)
		}
		name, userErr := ParseUsername(text)
		if wantUser := userName.MatchString(text) && len(text) <= MaxUsername; (userErr == nil) != wantUser || wantUser && name != strings.ToLower(text) {
			t.Fatalf("%q: got %q, %v, want a user name %v", text, name, userErr, wantUser)
		}
		if err != nil {
			return
		}
		if again, err := ParseURI(string(u)); err != nil || again != u || !u.Within(u) || u.IsBelow(u) {
			t.Fatalf("%q becomes %q, then %q, %v", text, u, again, err)
		}
		if g := u.Global("me"); g.IsLocal() || g.Check() != nil || g.Local() != u.Local() || g.For("ME").Global("me") != g {
			t.Fatalf("%q is %q of all", u, g)
		}
		if parent, ok := u.Parent(); ok && (parent.Check() != nil || !u.IsBelow(parent)) {
			t.Fatalf("%q below %q", u, parent)
		}
	})
}
