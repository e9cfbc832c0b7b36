package arch

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/root-deps.txt anew")

// allowance says which folders may import a third-party package, or what lies below it. cmd and examples are
// programs, at the top: they may import whatever the library uses without standing here.
type allowance struct {
	path    string
	folders []string
}

// thirdParty is every third-party package that non-test code imports. What is not here is not allowed: a new one
// needs a line here, and a line of reason among the decisions in docs.
var thirdParty = []allowance{
	{"github.com/asynkron/protoactor-go", []string{"actors"}},
	{"github.com/gorilla/websocket", []string{"connection", "hub", "internal/bench", kits}},
	{"github.com/cenkalti/backoff/v4", []string{"connection"}},
	{"go.uber.org/zap", []string{"actors", "connection", ".", "hub"}},
	{"github.com/go-json-experiment/json/jsontext", []string{"internal/wire", "connection", "hub"}},
	{"github.com/google/uuid", []string{"internal/wire", "connection", "actors", "hub"}},
	{"github.com/cockroachdb/pebble/v2", []string{"hub"}},
	{"golang.org/x/crypto", []string{"hub"}},
	{"golang.org/x/time", []string{"hub"}},
	{"github.com/prometheus/client_golang", []string{"hub"}},
	{"golang.org/x/sync", []string{"hub", "connection", "internal/bench"}},

	// Sub-packages that bring their own, so that nobody else links it.
	{"go.etcd.io/bbolt", []string{"connection/spool"}},
	{"github.com/netresearch/go-cron", []string{"impulse/cron"}},
	{"gonum.org/v1/gonum", []string{"window/stats"}},
	{"go.opentelemetry.io/otel", []string{"otelkomstream"}},

	// Programs and what only they use.
	{"github.com/shirou/gopsutil/v4", []string{"internal/machine"}},
	{"charm.land/lipgloss/v2", []string{"internal/termview", "cmd"}},
	{"github.com/charmbracelet/colorprofile", []string{"internal/termview"}},
	{"golang.org/x/term", []string{"internal/termview", "cmd"}},
	{"github.com/guptarohit/asciigraph", []string{"internal/termview", "cmd"}},
	{"github.com/spf13/cobra", []string{"cmd"}},

	// What tests use may stand in the test kits and in the checks.
	{"github.com/google/go-cmp", []string{kits, "internal/check"}},
	{"go.uber.org/goleak", []string{kits, "internal/check"}},
	{"pgregory.net/rapid", []string{kits, "internal/check"}},
}

// exclusive packages stand for a purpose that not even a program has beside the folder that is named for it.
var exclusive = []string{"github.com/cockroachdb/pebble/v2", "go.etcd.io/bbolt", "github.com/shirou/gopsutil/v4"}

// refusesModule returns why a package in folder may not import a third-party package, or "".
func refusesModule(folder, imported string) string {
	i := slices.IndexFunc(thirdParty, func(a allowance) bool { return inFolder(imported, a.path) })
	if i < 0 {
		return "the module is not in use here: add it to the table thirdParty of internal/arch/modules_test.go, " +
			"and its reason to the decisions in docs"
	}
	a := thirdParty[i]
	program := inFolder(folder, "cmd") || inFolder(folder, "examples")
	if program && !slices.Contains(exclusive, a.path) {
		return ""
	}
	if slices.ContainsFunc(a.folders, func(f string) bool { return inFolder(folder, f) || f == kits && isKit(folder) }) {
		return ""
	}
	return "only " + join(a.folders) + " may (table thirdParty of internal/arch/modules_test.go)"
}

func TestThirdPartyStaysInItsPlace(t *testing.T) {
	g := packages(t)
	eachImport(t, func(from *pkg, imported string) {
		to := g[imported]
		if imported == "C" || to == nil || to.Standard || to.ours() {
			return
		}
		if why := refusesModule(from.folder(), imported); why != "" {
			t.Errorf("%s imports %s: %s", from.folder(), imported, why)
		}
	})
}

func TestThirdPartyRules(t *testing.T) {
	tests := []struct {
		folder, imported string
		refused          bool
	}{
		{"actors", "github.com/asynkron/protoactor-go/actor", false},
		{"router", "github.com/asynkron/protoactor-go/actor", true},
		{".", "github.com/asynkron/protoactor-go/actor", true},
		{"examples/own-system", "github.com/asynkron/protoactor-go/actor", false},
		{"hub/store", "github.com/cockroachdb/pebble/v2", false},
		{"hub/store", "github.com/cockroachdb/pebble/v2/sstable", false},
		{"cmd/komstream", "github.com/cockroachdb/pebble/v2", true},
		{"connection", "go.etcd.io/bbolt", true},
		{"connection/spool", "go.etcd.io/bbolt", false},
		{"window", "gonum.org/v1/gonum/stat", true},
		{"connection", "github.com/gorilla/websocket", false},
		{"actors", "github.com/gorilla/websocket", true},
		{"cmd/komstream", "github.com/spf13/cobra", false},
		{"hub", "github.com/spf13/cobra", true},
		{"hub", "github.com/unheard/of", true},
		{"hub/store/storetest", "github.com/google/go-cmp/cmp", false},
		{"hub/store", "github.com/google/go-cmp/cmp", true},
	}
	for _, tt := range tests {
		if why := refusesModule(tt.folder, tt.imported); (why != "") != tt.refused {
			t.Errorf("%s imports %s: refused %q, want refused %v", tt.folder, tt.imported, why, tt.refused)
		}
	}
}

// TestMetricImportsTheStandardLibraryOnly: the vocabulary is what everybody else builds on.
func TestMetricImportsTheStandardLibraryOnly(t *testing.T) {
	g := packages(t)
	for _, dep := range g[module+"/metric"].Deps {
		if p := g[dep]; p != nil && !p.Standard {
			t.Errorf("metric links %s", dep)
		}
	}
}

// TestRootLinks compares what a program links by importing the root package with the list in testdata: our own
// packages one by one, and the modules of everybody else.
func TestRootLinks(t *testing.T) {
	g := packages(t)
	root := g[module]
	if root == nil || root.Name == "" {
		t.Skip("the root package does not exist yet")
	}
	set := map[string]bool{}
	for _, dep := range root.Deps {
		switch p := g[dep]; {
		case p == nil || p.Standard:
		case p.ours():
			set[dep] = true
		case p.Module != nil:
			set[p.Module.Path] = true
		}
	}
	got := make([]string, 0, len(set))
	for name := range set {
		got = append(got, name)
	}
	slices.Sort(got)

	file := filepath.Join("testdata", "root-deps.txt")
	if *update {
		const head = "# What a program links by importing the root package. Written by: go test ./internal/arch -run TestRootLinks -update\n"
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(head+strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it: go test ./internal/arch -run TestRootLinks -update)", err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the root package links is not what %s says (-file +linked):\n%s"+
			"If that is wanted: go test ./internal/arch -run TestRootLinks -update", file, diff)
	}
}

// join lists names as a sentence does.
func join(names []string) string {
	return strings.Join(names, ", ")
}
