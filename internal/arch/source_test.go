package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	maxFileLines     = 600
	maxFunctionLines = 90
)

// source is one Go file of this module.
type source struct {
	path   string // with slashes, from the root of the repository
	folder string
	lines  int
	file   *ast.File
	fset   *token.FileSet
	err    error // it does not parse
}

func (s *source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// at returns the place of a position, to be clicked on.
func (s *source) at(pos token.Pos) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(pos).Line)
}

// loadSources reads every Go file of this module once: whatever its build constraints, but not testdata, hidden
// folders and nested modules.
var loadSources = sync.OnceValues(func() ([]*source, error) {
	root := filepath.Join("..", "..")
	var all []*source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(root, path, d.Name())
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s := &source{path: filepath.ToSlash(relative), fset: token.NewFileSet(), lines: strings.Count(string(text), "\n")}
		s.folder = filepath.ToSlash(filepath.Dir(relative))
		s.file, s.err = parser.ParseFile(s.fset, relative, text, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, s)
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no Go files in %s", root)
	}
	return all, err
})

func skipFolder(root, path, name string) error {
	if path == root {
		return nil
	}
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// sources returns every file that parses; one that does not is an error of the test.
func sources(t *testing.T) []*source {
	t.Helper()
	all, err := loadSources()
	if err != nil {
		t.Fatal(err)
	}
	parsed := make([]*source, 0, len(all))
	for _, s := range all {
		if s.err != nil {
			t.Errorf("%s does not parse: %v", s.path, s.err)
			continue
		}
		parsed = append(parsed, s)
	}
	return parsed
}

// TestEveryPackageIntroducesItself wants the package comment in doc.go, so that a newcomer knows where to start. A
// program may have it in main.go.
func TestEveryPackageIntroducesItself(t *testing.T) {
	const missing, noComment, done = 0, 1, 2
	state := map[string]int{}
	for _, s := range sources(t) {
		introduction := strings.HasSuffix(s.path, "doc.go") || s.file.Name.Name == "main" && strings.HasSuffix(s.path, "main.go")
		switch {
		case introduction && s.file.Doc != nil && len(s.file.Doc.Text()) > 40:
			state[s.folder] = done
		case introduction:
			state[s.folder] = max(state[s.folder], noComment)
		default:
			state[s.folder] = max(state[s.folder], missing)
		}
	}
	for folder, st := range state {
		switch st {
		case missing:
			t.Errorf("%s has no doc.go: every package introduces itself there (a program may in main.go)", folder)
		case noComment:
			t.Errorf("%s: doc.go has no package comment, or one that says nothing", folder)
		}
	}
}

func TestNoUnfinishedWork(t *testing.T) {
	mark := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, c := range group.List {
				if m := mark.FindString(c.Text); m != "" {
					t.Errorf("%s: a comment says %s: do it, or file it and leave it out", s.at(c.Pos()), m)
				}
			}
		}
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.file) {
			continue
		}
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by noun", s.path, s.lines, maxFileLines)
		}
		if s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d", s.at(f.Pos()), f.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

func TestNoInitRegistration(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init runs whether anybody wants it or not: let the caller ask", s.at(f.Pos()))
			}
		}
	}
}
