package arch

import (
	"go/ast"
	"go/token"
	"testing"
)

// TestEveryExportedNameIsDocumented covers what a user of a package can name: types, functions, methods of exported
// types and interfaces, constants and variables. One comment over a group of constants or variables is enough.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.file.Name.Name == "main" || ast.IsGenerated(s.file) {
			continue
		}
		for _, u := range undocumented(s.file) {
			t.Errorf("%s: %s has no doc comment", s.at(u.pos), u.name)
		}
	}
}

type nameAt struct {
	name string
	pos  token.Pos
}

// undocumented returns the exported names of a file that have no comment.
func undocumented(file *ast.File) (names []nameAt) {
	add := func(name string, node ast.Node) { names = append(names, nameAt{name, node.Pos()}) }
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			receiver := receiverName(d)
			if d.Doc != nil || !d.Name.IsExported() || receiver != "" && !ast.IsExported(receiver) {
				continue
			}
			if receiver != "" {
				receiver += "."
			}
			add(receiver+d.Name.Name, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if !spec.Name.IsExported() {
						continue
					}
					if d.Doc == nil && spec.Doc == nil {
						add(spec.Name.Name, spec)
					}
					undocumentedMethods(spec, add)
				case *ast.ValueSpec:
					if d.Doc != nil || spec.Doc != nil || spec.Comment != nil {
						continue
					}
					for _, name := range spec.Names {
						if name.IsExported() {
							add(name.Name, name)
						}
					}
				}
			}
		}
	}
	return names
}

// undocumentedMethods adds the methods of an interface that have no comment. Who implements it has nothing else to
// go by.
func undocumentedMethods(spec *ast.TypeSpec, add func(string, ast.Node)) {
	face, ok := spec.Type.(*ast.InterfaceType)
	if !ok {
		return
	}
	for _, m := range face.Methods.List {
		if _, isMethod := m.Type.(*ast.FuncType); isMethod && m.Doc == nil && m.Comment == nil && m.Names[0].IsExported() {
			add(spec.Name.Name+"."+m.Names[0].Name, m)
		}
	}
}

// receiverName returns the name of the type that a method belongs to, or "" for a function.
func receiverName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	for e := f.Recv.List[0].Type; ; {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
