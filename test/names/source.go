package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// sourcePackage is the functions of one folder.
type sourcePackage struct {
	dir       string
	functions []function
	asked     map[string]bool // names of methods that an interface of the package asks for
}

type function struct {
	name, owner string // owner is the type of a method, else "the package"
}

// load returns the packages under root, sorted by folder.
func load(root string) ([]sourcePackage, error) {
	byDir := map[string]*sourcePackage{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "test" || name == "testdata" || name == "tmp" || name == ".git"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		return readFile(byDir, path)
	})
	var packages []sourcePackage
	for _, p := range byDir {
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b sourcePackage) int { return strings.Compare(a.dir, b.dir) })
	return packages, err
}

func readFile(byDir map[string]*sourcePackage, path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if byDir[dir] == nil {
		byDir[dir] = &sourcePackage{dir: dir, asked: map[string]bool{}}
	}
	byDir[dir].addFile(file)
	return nil
}

func (p *sourcePackage) addFile(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			p.functions = append(p.functions, function{name: n.Name.Name, owner: ownerOf(n)})
		case *ast.InterfaceType:
			for _, method := range n.Methods.List {
				for _, name := range method.Names {
					p.asked[name.Name] = true
				}
			}
		}
		return true
	})
}

// ownerOf returns the name of the type that a method belongs to.
func ownerOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return "the package"
	}
	owner := fn.Recv.List[0].Type
	for {
		switch t := owner.(type) {
		case *ast.StarExpr:
			owner = t.X
		case *ast.IndexExpr:
			owner = t.X
		case *ast.Ident:
			return t.Name
		default:
			return "?"
		}
	}
}
