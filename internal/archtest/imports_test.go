package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/solotick/solotick"
	top    = "../.."
)

// A goFile is one parsed file.
type goFile struct {
	name    string // from the top of the module
	dir     string
	test    bool
	imports []string
	syntax  *ast.File
}

// goFiles parses every file of the module, whatever system it is for.
func goFiles(t *testing.T) (*token.FileSet, []goFile) {
	t.Helper()
	fset := token.NewFileSet()
	var files []goFile
	walk(t, func(name string) {
		if path.Ext(name) != ".go" || strings.HasPrefix(name, "tools/") {
			return
		}
		syntax, err := parser.ParseFile(fset, filepath.Join(top, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f := goFile{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
		for _, spec := range syntax.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
	})
	if len(files) < 50 {
		t.Fatalf("found %d Go files: the walk has lost its way", len(files))
	}
	return fset, files
}

// walk calls do with every regular file of the module.
func walk(t *testing.T, do func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(top), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == ".git" || name == "bin" || strings.HasSuffix(name, "testdata/rapid")) {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			do(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// within says whether p is one of the paths or below one.
func within(p string, paths []string) bool {
	return slices.ContainsFunc(paths, func(above string) bool { return p == above || strings.HasPrefix(p, above+"/") })
}

// ownDir returns the folder of a package of this module.
func ownDir(p string) (string, bool) {
	if p == module {
		return ".", true
	}
	return strings.CutPrefix(p, module+"/")
}

func isStandard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

// TestImports holds the table.
func TestImports(t *testing.T) {
	_, files := goFiles(t)
	rows := map[string]row{}
	for _, r := range table {
		if _, twice := rows[r.dir]; twice {
			t.Errorf("the table has two rows for %s", r.dir)
		}
		if r.why == "" {
			t.Errorf("the row for %s gives no reason", r.dir)
		}
		rows[r.dir] = r
	}
	used := map[string]map[string]bool{} // by folder
	for _, f := range files {
		r, ok := rows[f.dir]
		if !ok && !within(f.dir, []string{"examples"}) {
			t.Errorf("%s: the table has no row for %s", f.name, f.dir)
			continue
		}
		if used[f.dir] == nil {
			used[f.dir] = map[string]bool{}
		}
		for _, p := range f.imports {
			switch dir, own := ownDir(p); {
			case own && dir == "cmd/solotick":
				t.Errorf("%s imports %s: a command is imported by nobody", f.name, p)
			case f.test || !ok || isStandard(p):
			case own && !slices.Contains(r.own, dir), !own && !slices.Contains(r.other, p):
				t.Errorf("%s imports %s, which its row does not allow\n\t%s: %s", f.name, p, f.dir, r.why)
			case own:
				used[f.dir][dir] = true
			default:
				used[f.dir][p] = true
			}
		}
	}
	for _, r := range table {
		if used[r.dir] == nil {
			t.Errorf("stale row: there is no package in %s", r.dir)
			continue
		}
		for _, p := range slices.Concat(r.own, r.other) {
			if !used[r.dir][p] {
				t.Errorf("stale row: %s may import %s and does not", r.dir, p)
			}
		}
	}
}

// TestPure keeps clock, chance, network and machine out of the core.
func TestPure(t *testing.T) {
	fset, files := goFiles(t)
	pure := map[string]bool{}
	for _, r := range table {
		pure[r.dir] = r.pure
	}
	for _, f := range files {
		if f.test || !pure[f.dir] {
			continue
		}
		for _, p := range f.imports {
			if within(p, impure) {
				t.Errorf("%s imports %s: %s is pure", f.name, p, f.dir)
			}
		}
		clock := localName(f.syntax, "time")
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, clock) && slices.Contains(clocks, sel.Sel.Name) {
				t.Errorf("%s: time.%s: %s is pure", fset.Position(n.Pos()), sel.Sel.Name, f.dir)
			}
			return true
		})
	}
}

// TestLibraryIsCheap asks the go command what a program that imports the library
// gets, on each system. Its answer follows from the files that goFiles reads, so
// a cached result of this test is a right one.
func TestLibraryIsCheap(t *testing.T) {
	goFiles(t)
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", ".")
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "GOOS="+system)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v: %s", err, stderrOf(err))
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/elect") {
			t.Fatalf("%s: go list -deps gives %q: not the library's", system, deps)
		}
		for _, p := range deps {
			_, own := ownDir(p)
			if !own && within(p, expensive) {
				t.Errorf("on %s, whoever imports the library gets %s", system, p)
			}
		}
	}
}

func stderrOf(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}

// TestDNSLibrary keeps the DNS library in a few folders and out of what others
// can see, so that it can be exchanged.
func TestDNSLibrary(t *testing.T) {
	fset, files := goFiles(t)
	may := map[string]bool{}
	for _, r := range table {
		may[r.dir] = slices.Contains(r.other, mdns)
	}
	for _, f := range files {
		local := localName(f.syntax, mdns)
		if local == "" {
			continue
		}
		if !may[f.dir] {
			t.Errorf("%s imports the DNS library", f.name) // in a test: the other files are held by the table
		}
		if f.test || within(f.dir, []string{"internal"}) {
			continue
		}
		for _, n := range exported(f.syntax) {
			ast.Inspect(n, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, local) {
					t.Errorf("%s: %s.%s shows in an exported declaration", fset.Position(n.Pos()), local, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// exported returns what a file shows to other packages: signatures, types
// without their unexported fields, and variables with their values, which may
// give them their types.
func exported(file *ast.File) []ast.Node {
	var nodes []ast.Node
	fields := func(list *ast.FieldList) {
		for _, f := range list.List {
			if len(f.Names) == 0 || slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
				nodes = append(nodes, f.Type)
			}
		}
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			if f.Name.IsExported() && (f.Recv == nil || receiverExported(f.Recv)) {
				nodes = append(nodes, f.Type)
			}
			continue
		}
		for _, spec := range decl.(*ast.GenDecl).Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if !s.Name.IsExported() {
					continue
				}
				switch typ := s.Type.(type) {
				case *ast.StructType:
					fields(typ.Fields)
				case *ast.InterfaceType:
					fields(typ.Methods)
				default:
					nodes = append(nodes, typ)
				}
			case *ast.ValueSpec:
				if slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
					nodes = append(nodes, s)
				}
			}
		}
	}
	return nodes
}

func receiverExported(recv *ast.FieldList) bool {
	typ := recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return !ok || id.IsExported() // a generic receiver counts as exported
}

// localName is the name that a file has for an imported package; empty: none.
func localName(file *ast.File, p string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(p) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(p)
	}
	return ""
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
