package clicontext

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// environment returns a getenv of some variables.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{[]string{"KOMSTREAM_CONFIG", "here.json", "XDG_CONFIG_HOME", "/xdg"}, "here.json"},
		{[]string{"XDG_CONFIG_HOME", "/xdg"}, "/xdg/komstream/config.json"},
	} {
		if got, err := Path(environment(tt.env...)); err != nil || got != tt.want {
			t.Errorf("%v: %q, %v, want %q", tt.env, got, err, tt.want)
		}
	}
	t.Setenv("HOME", "/home/alice")
	t.Setenv("XDG_CONFIG_HOME", "")
	got, err := Path(environment("XDG_CONFIG_HOME", "relative"))
	if err != nil || !strings.HasPrefix(got, "/home/alice/") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFileIsWrittenAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "config.json")
	f, err := Load(path)
	if err != nil || len(f.Contexts) != 0 {
		t.Fatalf("%+v, %v", f, err)
	}
	work := Context{Hub: "https://hub.example.org", User: "alice", Key: "/keys/alice.priv"}
	for _, name := range []string{"work", "home"} {
		if err := f.Set(name, work); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	got, err := Load(path)
	if diff := cmp.Diff(f, got); diff != "" || err != nil {
		t.Errorf("read %v (-written +read):\n%s", err, diff)
	}
	if !slices.Equal(got.Names(), []string{"home", "work"}) {
		t.Errorf("names %q", got.Names())
	}
}

func TestCurrentContext(t *testing.T) {
	f := File{Contexts: map[string]Context{}}
	if err := f.Use("-"); err == nil {
		t.Error("there is no previous context")
	}
	for _, name := range []string{"a", "b"} {
		if err := f.Set(name, Context{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a", "b", "a"} {
		if err := f.Use("-"); err != nil || f.Current != want {
			t.Errorf("current %q, %v, want %q", f.Current, err, want)
		}
	}
	if err := f.Remove("a"); err != nil || f.Current != "" {
		t.Errorf("current %q, %v", f.Current, err)
	}
	for _, err := range []error{f.Remove("a"), f.Use("a")} {
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("error %v", err)
		}
	}
	for _, name := range []string{"", "-", "a b", "ü", strings.Repeat("x", 65)} {
		if err := f.Set(name, Context{}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	for _, text := range []string{`{"contxts":{}}`, `[]`, ``} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestResolve(t *testing.T) {
	f := File{Current: "now", Contexts: map[string]Context{
		"now":   {Hub: "now-hub", User: "now-user", Key: "now-key"},
		"other": {Hub: "other-hub", User: "other-user"},
	}}
	env := []string{"KOMSTREAM_HUB", "env-hub", "KOMSTREAM_KEY", "env-key"}
	for _, tt := range []struct {
		name  string
		flags Context
		named string
		env   []string
		want  Context
		err   string
	}{
		{name: "current", want: Context{"now-hub", "now-user", "now-key"}},
		{name: "environment before current", env: env, want: Context{"env-hub", "now-user", "env-key"}},
		{name: "named before environment", named: "other", env: env, want: Context{"other-hub", "other-user", "env-key"}},
		{name: "flag before all", flags: Context{User: "flag-user"}, named: "other", env: env,
			want: Context{"other-hub", "flag-user", "env-key"}},
		{name: "context of the environment", env: append(env, "KOMSTREAM_CONTEXT", "other"),
			want: Context{"env-hub", "other-user", "env-key"}},
		{name: "missing", named: "other", err: "no key is named: give --key FILE, set KOMSTREAM_KEY"},
		{name: "unknown", named: "third", err: `context "third": there is no such context`},
		{name: "unknown of the environment", env: []string{"KOMSTREAM_CONTEXT", "third"}, err: "no such context"},
	} {
		got, err := f.Resolve(tt.flags, tt.named, environment(tt.env...))
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
	}
}
