package parley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDocumented holds that every package says what it is, in a doc.go unless it
// is internal or a program, and that every exported name of a package that games can
// import has a comment.
func TestDocumented(t *testing.T) {
	packages := make(map[string][]string) // files by folder
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch base := filepath.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			dir := filepath.ToSlash(filepath.Dir(name))
			packages[dir] = append(packages[dir], name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, files := range packages {
		internal := slices.Contains(strings.Split(dir, "/"), "internal")
		fset := token.NewFileSet()
		described := ""
		for _, name := range files {
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Doc != nil {
				described = name
			}
			if !internal && file.Name.Name != "main" && !ast.IsGenerated(file) {
				for _, n := range undocumented(file) {
					t.Errorf("%s: %s has no comment", fset.Position(n.Pos()), n.Name)
				}
				if file.Doc != nil && filepath.Base(name) != "doc.go" && len(files) > 1 {
					t.Errorf("%s: the package comment belongs into doc.go", name)
				}
			}
		}
		if described == "" {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// undocumented returns the exported names of a file that no comment describes. A
// comment on a group of constants or variables is one on each; Error methods need none.
func undocumented(file *ast.File) (out []*ast.Ident) {
	missing := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		if name.IsExported() && !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c != nil }) {
			out = append(out, name)
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(receiver(d)) && d.Name.Name != "Error" {
				missing(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					missing(s.Name, s.Doc, s.Comment, d.Doc)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						missing(name, s.Doc, s.Comment, d.Doc)
					}
				}
			}
		}
	}
	return out
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch e := x.(type) {
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.IndexListExpr:
			x = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// TestUndocumented holds that a missing comment is found.
func TestUndocumented(t *testing.T) {
	const src = `package p
type A struct{}
func (A) M() {}
func (A) Error() string { return "" }
// B is here.
type B[T any] struct{}
// N is here.
func (b *B[T]) N() {}
func (b *B[T]) O() {}
type c struct{}
func (c) P() {}
// All of these.
const ( D = 1; E = 2 )
var F, g int
var H int // is here
func I() {}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range undocumented(file) {
		got = append(got, n.Name)
	}
	if want := []string{"A", "M", "O", "F", "I"}; !slices.Equal(got, want) {
		t.Errorf("undocumented names are %v, want %v", got, want)
	}
}
