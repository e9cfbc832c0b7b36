package arch

import (
	"go/ast"
	"strconv"
	"strings"
	"testing"
)

// TestNoTestSleeps: a sleep in a test is too short on a busy machine and too long on every other. In a synctest
// bubble it is neither, and stands for "time passes": there it is allowed, in the body of the bubble and in helpers
// whose doc comment says that they run in a bubble.
func TestNoTestSleeps(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		for _, call := range sleepsOutsideBubbles(s.file) {
			t.Errorf("%s: a test sleeps: wait for a channel or a condition, or run it in a synctest bubble "+
				"(and let a helper's comment say that it runs in one)", s.at(call.Pos()))
		}
	}
}

// sleepsOutsideBubbles returns the calls of time.Sleep that run on the real clock.
func sleepsOutsideBubbles(file *ast.File) (sleeps []*ast.CallExpr) {
	clock := importName(file, "time")
	bubble := importName(file, "testing/synctest")
	if clock == "" {
		return nil
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && bubble != "" && strings.Contains(f.Doc.Text(), "bubble") {
			continue
		}
		ast.Inspect(d, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if isCall(call, bubble, "Test") {
				return false // what is inside runs on the bubble's clock
			}
			if isCall(call, clock, "Sleep") {
				sleeps = append(sleeps, call)
			}
			return true
		})
	}
	return sleeps
}

// importName returns the name under which a file knows a package, or "" when it does not import it.
func importName(file *ast.File, path string) string {
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != path {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// isCall reports whether call is pkg.name(…).
func isCall(call *ast.CallExpr, pkg, name string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name || pkg == "" {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg
}
