package arch

import (
	"slices"
	"strings"
	"testing"
)

// layer is a folder with all that lies in it, but for folders that have a layer of their own.
type layer struct {
	folder string
	rank   int
	// only, where it is set, names the folders of ours that it may import, whatever their rank.
	only []string
}

// layers is the order of the house, from the ground up. A package imports what is in its own folder and what has a
// lower rank. The place of a package is that of the longest folder it lies in.
var layers = []layer{
	{folder: "metric", rank: 0},

	{folder: "internal/wire", rank: 1},
	{folder: "internal/pipe", rank: 1},
	{folder: "internal/machine", rank: 1},
	{folder: "internal/termview", rank: 1},

	// Pure logic: values without goroutines, clocks or sockets.
	{folder: "window", rank: 2, only: []string{"metric"}},
	{folder: "impulse", rank: 3, only: []string{"metric", "window"}},
	{folder: "router", rank: 4, only: []string{"metric", "window", "impulse"}},

	{folder: "connection", rank: 5, only: []string{"metric", "internal/wire", "internal/pipe"}},
	{folder: "actors", rank: 6},
	{folder: ".", rank: 7},
	// The hub stands beside the library: neither imports the other.
	{folder: "hub", rank: 7, only: []string{"metric", "internal/wire", "internal/pipe", "connection"}},

	// The test kits of the library, each usable by whoever tests with it.
	{folder: "impulse/impulsetest", rank: 8},
	{folder: "connection/connectiontest", rank: 8},
	{folder: "hub/hubtest", rank: 8},
	{folder: "internal/vectortest", rank: 0},
	{folder: "internal/check", rank: 8},
	{folder: "internal/bulk", rank: 1, only: []string{"metric"}},
	{folder: "internal/clicontext", rank: 0, only: []string{}},

	{folder: "internal/admin", rank: 9, only: []string{"metric", "connection", "hub"}},
	{folder: "internal/arch", rank: 9},
	{folder: "internal/bench", rank: 9},
	{folder: "internal/demo", rank: 9},

	{folder: "cmd", rank: 10},
	{folder: "examples", rank: 10},
}

// layerOf returns the layer of a folder: the entry with the longest name that holds it.
func layerOf(folder string) (found layer, ok bool) {
	for _, l := range layers {
		if inFolder(folder, l.folder) && (!ok || len(l.folder) > len(found.folder)) {
			found, ok = l, true
		}
	}
	return found, ok
}

// kits stands for all test kits in a list of folders.
const kits = "…test"

// isKit reports whether a folder is a package that helps others to test: hub/hubtest, hub/store/storetest.
func isKit(folder string) bool { return strings.HasSuffix(folder, "test") }

// refuses returns why a package of l may not import one of other, or "".
func (l layer) refuses(other layer) string {
	switch {
	case l.folder == other.folder:
		return ""
	case l.only != nil && !slices.Contains(l.only, other.folder):
		return "it may import nothing of ours but " + join(l.only)
	case other.rank >= l.rank:
		return "imports point down only"
	}
	return ""
}

func TestEveryFolderHasItsLayer(t *testing.T) {
	for _, p := range packages(t) {
		if !p.ours() {
			continue
		}
		if _, ok := layerOf(p.folder()); !ok {
			t.Errorf("%s has no place in the house: give it one in the table layers of internal/arch/layers_test.go",
				p.folder())
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	g := packages(t)
	eachImport(t, func(from *pkg, imported string) {
		to := g[imported]
		if to == nil || !to.ours() {
			return
		}
		a, okA := layerOf(from.folder())
		b, okB := layerOf(to.folder())
		if !okA || !okB {
			return // TestEveryFolderHasItsLayer says it
		}
		if why := a.refuses(b); why != "" {
			t.Errorf("%s imports %s: %s (table layers of internal/arch/layers_test.go)",
				from.folder(), to.folder(), why)
		}
	})
}

// TestKitsStayInTests: what is made for tests does not reach the programs of users.
func TestKitsStayInTests(t *testing.T) {
	eachImport(t, func(from *pkg, imported string) {
		if !inFolder(imported, module) || !isKit(folderOf(imported)) || isKit(from.folder()) {
			return
		}
		if l, ok := layerOf(from.folder()); ok && l.rank >= 9 && l.folder != "cmd" {
			return // benchmarks, checks, examples of how to test
		}
		t.Errorf("%s imports %s outside its tests", from.folder(), folderOf(imported))
	})
}

// TestLibraryNeverLinksTheHub looks at what is linked in the end, not only at direct imports.
func TestLibraryNeverLinksTheHub(t *testing.T) {
	for _, p := range packages(t) {
		if !p.ours() {
			continue
		}
		if l, ok := layerOf(p.folder()); !ok || l.rank > 7 || inFolder(p.folder(), "hub") {
			continue
		}
		for _, dep := range p.Deps {
			if inFolder(folderOf(dep), "hub") {
				t.Errorf("%s links %s: a program that embeds the library must not carry the server", p.folder(), dep)
			}
		}
	}
}

func TestLayerRules(t *testing.T) {
	tests := []struct {
		from, to string
		refused  bool
	}{
		{"window", "metric", false},
		{"window", "internal/wire", true},
		{"metric", "window", true},
		{"router", "impulse", false},
		{"impulse", "router", true},
		{"impulse/alert", "impulse", false},
		{"impulse", "impulse/impulsetest", true},
		{"impulse/impulsetest", "impulse", false},
		{"actors", "connection", false},
		{"connection", "actors", true},
		{".", "actors", false},
		{".", "hub", true},
		{"hub", ".", true},
		{"hub", "actors", true},
		{"hub/store", "connection", false},
		{"hub/hubtest", ".", false},
		{"internal/demo", "hub", false},
		{"cmd/komstream", "internal/demo", false},
		{"internal/wire", "internal/pipe", true},
	}
	for _, tt := range tests {
		a, okA := layerOf(tt.from)
		b, okB := layerOf(tt.to)
		if !okA || !okB {
			t.Errorf("%s or %s has no layer", tt.from, tt.to)
			continue
		}
		if why := a.refuses(b); (why != "") != tt.refused {
			t.Errorf("%s imports %s: refused %q, want refused %v", tt.from, tt.to, why, tt.refused)
		}
	}
	if _, ok := layerOf("utils"); ok {
		t.Error("a folder that nobody placed has a layer")
	}
}
