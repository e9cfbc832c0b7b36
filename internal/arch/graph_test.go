package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/komstream/komstream"

// pkg is what `go list` tells about a package.
type pkg struct {
	Dir        string
	ImportPath string
	Name       string
	Standard   bool
	Module     *struct{ Path string }
	Imports    []string
	Deps       []string
	Error      *struct{ Err string }
}

// ours reports whether p is of this module. The path decides: go list names no module for a package that is missing.
func (p *pkg) ours() bool { return inFolder(p.ImportPath, module) }

// folder returns the place of one of our packages in the repository: "hub/store", or "." for the root package.
func (p *pkg) folder() string { return folderOf(p.ImportPath) }

func folderOf(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// graph is every package of this module and all that they link, tests aside, by import path.
type graph map[string]*pkg

// loadGraph runs `go list` once for all tests. The platform is fixed, so that every machine sees the same graph.
var loadGraph = sync.OnceValues(func() (graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-e",
		"-json=Dir,ImportPath,Name,Standard,Module,Imports,Deps,Error", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.Bytes())
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		g[p.ImportPath] = p
	}
})

func packages(t *testing.T) graph {
	t.Helper()
	g, err := loadGraph()
	if err != nil {
		t.Fatal(err)
	}
	if g[module+"/metric"] == nil {
		t.Fatal("go list does not know the package metric: the graph is not that of this repository")
	}
	return g
}

// eachImport calls f for every import of a package of ours, tests aside. A package that go list cannot read is an
// error of its own.
func eachImport(t *testing.T, f func(from *pkg, imported string)) {
	t.Helper()
	for _, p := range packages(t) {
		if !p.ours() {
			continue
		}
		if p.Error != nil && p.Name == "" {
			t.Errorf("package %s: %s", p.folder(), strings.TrimSpace(p.Error.Err))
		}
		for _, imported := range p.Imports {
			f(p, imported)
		}
	}
}

// inFolder reports whether folder is parent itself or lies in it.
func inFolder(folder, parent string) bool {
	return folder == parent || parent != "." && strings.HasPrefix(folder, parent+"/")
}
