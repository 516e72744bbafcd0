package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// goFile is a Go file, taken apart into its functions and the rest.
type goFile struct {
	text      string
	name      string                   // of the package
	functions map[string]*ast.FuncDecl // by receiver and name
	order     []*ast.FuncDecl
	set       *token.FileSet
}

func parseGoFile(text string) (*goFile, error) {
	s := &goFile{text: text, functions: map[string]*ast.FuncDecl{}, set: token.NewFileSet()}
	file, err := parser.ParseFile(s.set, "", text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	s.name = file.Name.Name
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			s.functions[s.signature(f)] = f
			s.order = append(s.order, f)
		}
	}
	return s, nil
}

func (s *goFile) offset(p token.Pos) int { return s.set.Position(p).Offset }

// signature is all of a function up to its body. It is the function's key: a mutant that changes it changes more than
// what the function does.
func (s *goFile) signature(f *ast.FuncDecl) string {
	return s.text[s.offset(f.Pos()):s.offset(f.Body.Pos())]
}

// function is the text of a function; "" when there is none of that key.
func (s *goFile) function(key string) string {
	f := s.functions[key]
	if f == nil {
		return ""
	}
	return s.text[s.offset(f.Pos()):s.offset(f.End())]
}

// renamed is the text of a function under another name.
func (s *goFile) renamed(key, name string) string {
	f := s.functions[key]
	from, to := s.offset(f.Name.Pos()), s.offset(f.Name.End())
	return s.text[s.offset(f.Pos()):from] + name + s.text[to:s.offset(f.End())]
}

// outside is all that stands outside the bodies of functions, but for spaces.
func (s *goFile) outside() string {
	var out strings.Builder
	end := 0
	for _, f := range s.order {
		out.WriteString(s.text[end:s.offset(f.Body.Pos())])
		end = s.offset(f.Body.End())
	}
	out.WriteString(s.text[end:])
	return strings.Join(strings.Fields(out.String()), " ")
}

// named returns what gives a name to every parameter, or receiver, of a list, and the arguments that hand them on.
func (s *goFile) named(list *ast.FieldList) (edits []edit, arguments []string) {
	for _, p := range list.List {
		dots := ""
		if _, variadic := p.Type.(*ast.Ellipsis); variadic {
			dots = "..."
		}
		at := s.offset(p.Type.Pos())
		unnamed := fmt.Sprintf("unnamed%d", at)
		if len(p.Names) == 0 {
			edits, arguments = append(edits, edit{at, at, unnamed + " "}), append(arguments, unnamed+dots)
		}
		for _, n := range p.Names {
			name := n.Name
			if name == "_" { // it stands alone
				name = unnamed
				edits = append(edits, edit{s.offset(n.Pos()), s.offset(n.End()), name})
			}
			arguments = append(arguments, name+dots)
		}
	}
	return edits, arguments
}
