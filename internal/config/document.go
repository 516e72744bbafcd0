package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// document is a parsed file with its anchors resolved by name.
type document struct {
	root     ast.Node
	anchors  map[string]*ast.AnchorNode
	repeated []*ast.AnchorNode // anchors whose name was taken
	merged   map[*ast.MappingNode][]entry
	indexed  map[*ast.MappingNode]map[string]entry
}

// entry is a key of a mapping with its value; merge keys are already followed.
type entry struct {
	key   string
	node  ast.Node // the key in the file
	value ast.Node
}

// blame is told of a fault at a node.
type blame func(n ast.Node, key, text, hint string)

func newDocument(root ast.Node) *document {
	d := &document{
		root: root, anchors: map[string]*ast.AnchorNode{},
		merged: map[*ast.MappingNode][]entry{}, indexed: map[*ast.MappingNode]map[string]entry{},
	}
	ast.Walk(d, root)
	return d
}

// Visit implements ast.Visitor: it notes the anchors.
func (d *document) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := a.Name.GetToken().Value
		if _, taken := d.anchors[name]; taken {
			d.repeated = append(d.repeated, a)
		} else {
			d.anchors[name] = a
		}
	}
	return d
}

// resolve follows aliases and steps inside anchors and the core tags. It gives
// nil when that cannot be done, after telling why.
func (d *document) resolve(n ast.Node, say blame) ast.Node {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			if !coreTag(v.Start.Value) {
				say(v, "", "this YAML tag is not supported", "remove it")
				return nil
			}
			n = v.Value
		case *ast.AliasNode:
			a := d.anchors[v.Value.GetToken().Value]
			if a == nil || !before(a, v) {
				say(v, "", "no anchor of this name is defined above", "define it with &name where it is first used")
				return nil
			}
			n = a.Value
		default:
			return n
		}
	}
	say(n, "", "aliases go round in circles", "")
	return nil
}

func coreTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return true
	}
	return false
}

func before(a, b ast.Node) bool {
	p, q := positionOf(a), positionOf(b)
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// entries lists a mapping's keys in order, its own first and then those it
// merges (<<), of which the first wins.
func (d *document) entries(m *ast.MappingNode, say blame) []entry {
	out := make([]entry, 0, len(m.Values))
	have := make(map[string]bool, len(m.Values))
	var merge ast.Node
	for _, v := range m.Values {
		key, ok := keyText(v.Key)
		switch {
		case !ok:
			say(v.Key, "", "a key must be a plain word", "")
		case v.Key.IsMergeKey() && merge == nil:
			merge = v.Value
		case v.Key.IsMergeKey():
			say(v.Key, "<<", "duplicate key", "merge several with <<: [*one, *two]")
		case have[key]:
			say(v.Key, key, "duplicate key", "keep one of them")
		default:
			have[key] = true
			out = append(out, entry{key, v.Key, v.Value})
		}
	}
	for _, e := range d.merge(merge, say) {
		if !have[e.key] {
			have[e.key] = true
			out = append(out, e)
		}
	}
	return out
}

func keyText(k ast.MapKeyNode) (string, bool) {
	var n ast.Node = k
	if q, ok := n.(*ast.MappingKeyNode); ok {
		n = q.Value
	}
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	switch v := n.(type) {
	case *ast.MergeKeyNode:
		return "<<", true
	case ast.ScalarNode:
		return scalarText(v)
	}
	return "", false
}

// scalarText is a scalar as the file spells it: 0123e45 is no number to an id.
func scalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// merge gives the entries of what stands behind a merge key: a mapping or a list of them.
func (d *document) merge(n ast.Node, say blame) []entry {
	if n == nil {
		return nil
	}
	switch v := d.resolve(n, say).(type) {
	case nil:
	case *ast.MappingNode:
		return d.mergeMapping(v, say)
	case *ast.SequenceNode:
		var out []entry
		for _, item := range v.Values {
			if m, ok := d.resolve(item, say).(*ast.MappingNode); ok {
				out = append(out, d.mergeMapping(m, say)...)
				continue
			}
			say(item, "<<", "only mappings can be merged", "")
		}
		return out
	default:
		say(n, "<<", "only mappings can be merged", "write <<: *name, where &name is a mapping")
	}
	return nil
}

// mergeMapping keeps what it found, so that mappings that merge each other many
// times over cost no more than their sum; a mapping that merges itself finds nothing.
func (d *document) mergeMapping(m *ast.MappingNode, say blame) []entry {
	if known, ok := d.merged[m]; ok {
		return known
	}
	d.merged[m] = nil
	d.merged[m] = d.entries(m, say)
	return d.merged[m]
}

// find gives the position of the deepest place on the way to p that is in the file.
func (d *document) find(p *path) position {
	found, n := positionOf(d.root), d.root
	for _, step := range p.steps() {
		var ok bool
		if found, n, ok = d.step(found, n, step); !ok {
			break
		}
	}
	return found
}

// step goes from n to the key or entry that to names.
func (d *document) step(found position, n ast.Node, to *path) (position, ast.Node, bool) {
	switch v := d.resolve(n, unheard).(type) {
	case *ast.MappingNode:
		if e, ok := d.index(v)[to.key]; ok {
			return positionOf(e.node), e.value, true
		}
	case *ast.SequenceNode:
		if 0 <= to.index && to.index < len(v.Values) {
			n = v.Values[to.index]
			return positionOf(n), n, true
		}
	}
	return found, nil, false
}

func unheard(ast.Node, string, string, string) {}

// index keeps the entries of a mapping by key: many faults may stand in a long one.
func (d *document) index(m *ast.MappingNode) map[string]entry {
	if known, ok := d.indexed[m]; ok {
		return known
	}
	byKey := map[string]entry{}
	for _, e := range d.entries(m, unheard) {
		byKey[e.key] = e
	}
	d.indexed[m] = byKey
	return byKey
}

func lookUp(entries []entry, key string) (entry, bool) {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	return entries[i], true
}
