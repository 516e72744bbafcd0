package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"
)

// document is a file as nodes, of YAML or of JSON.
type document struct {
	data     []byte
	root     *yaml.Node
	anchors  *anchors // nil when it cannot have any
	released bool     // nodes are missing
	merged   map[*yaml.Node][]entry
	byKey    map[*yaml.Node]map[string]entry
}

// entry is a key of a mapping with its value; merge keys are already followed.
type entry struct {
	key   string
	node  *yaml.Node // the key in the file
	value *yaml.Node
}

// diagnoseFunc is told what is wrong at a node, and below which key if it is one's.
type diagnoseFunc func(n *yaml.Node, key, text, hint string)

// ignore is for those who only look something up.
func ignore(*yaml.Node, string, string, string) {}

func newDocument(data []byte, root *yaml.Node, a *anchors) *document {
	return &document{
		data: data, root: root, anchors: a,
		merged: map[*yaml.Node][]entry{}, byKey: map[*yaml.Node]map[string]entry{},
	}
}

// release forgets what a node holds, once it is decoded: the nodes of a large fleet take more memory than all that comes
// of them. positionOfPath reads the file again, if it is asked. Where there are anchors, something may yet be needed.
func (d *document) release(n *yaml.Node) {
	if d.anchors == nil || len(d.anchors.byName) == 0 {
		n.Content, d.released = nil, true
	}
}

// followAlias follows an alias. It returns nil when what stands there cannot be used, after telling why.
func (d *document) followAlias(n *yaml.Node, diagnose diagnoseFunc) *yaml.Node {
	at := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Tag {
	case tagString, tagInt, tagFloat, tagBool, tagNull, tagTimestamp, tagMapping, tagSequence, tagMerge:
		return n
	case tagNoAnchor:
		diagnose(at, "", "no anchor of this name is defined above",
			"define it with &name where it is first used, or put a text that begins with * in quotes")
	default:
		diagnose(n, "", "this YAML tag is not supported", "remove it")
	}
	return nil
}

// entries lists a mapping's keys in order, its own first and then those it
// merges (<<), of which the first wins.
func (d *document) entries(m *yaml.Node, diagnose diagnoseFunc) []entry {
	out := make([]entry, 0, len(m.Content)/2)
	first := make(map[string]*yaml.Node, len(m.Content)/2)
	var merge *yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		node, value := m.Content[i], m.Content[i+1]
		key, ok := d.keyOf(node)
		switch before := first[key]; {
		case !ok:
			diagnose(node, "", "a key must be a plain word", "")
		case before != nil && isMerge(node):
			diagnose(node, key, duplicateOf(before), "merge several with <<: [*one, *two]")
		case before != nil:
			diagnose(node, key, duplicateOf(before), "keep one of them")
		case isMerge(node):
			first[key], merge = node, value
		default:
			first[key] = node
			out = append(out, entry{key, node, value})
		}
	}
	for _, e := range d.merge(merge, diagnose) {
		if first[e.key] == nil {
			first[e.key] = e.node
			out = append(out, e)
		}
	}
	return out
}

func duplicateOf(first *yaml.Node) string {
	return fmt.Sprintf("duplicate key: it already stands on line %d", first.Line)
}

func isMerge(key *yaml.Node) bool { return key.Tag == tagMerge && key.Value == "<<" }

// keyOf returns a key as the file spells it: 0123e45 is no number.
func (d *document) keyOf(n *yaml.Node) (string, bool) {
	if n = d.followAlias(n, ignore); n == nil || n.Kind != yaml.ScalarNode {
		return "", false
	}
	return n.Value, true
}

// merge returns the entries of what stands behind a merge key: a mapping or a list of them.
func (d *document) merge(n *yaml.Node, diagnose diagnoseFunc) []entry {
	if n == nil {
		return nil
	}
	v := d.followAlias(n, diagnose)
	switch {
	case v == nil:
	case v.Kind == yaml.MappingNode:
		return d.mergedEntries(v, diagnose)
	case v.Kind == yaml.SequenceNode:
		var out []entry
		for _, item := range v.Content {
			switch m := d.followAlias(item, diagnose); {
			case m == nil:
			case m.Kind == yaml.MappingNode:
				out = append(out, d.mergedEntries(m, diagnose)...)
			default:
				diagnose(item, "<<", "only mappings can be merged", "")
			}
		}
		return out
	default:
		diagnose(n, "<<", "only mappings can be merged", "write <<: *name, where &name is a mapping")
	}
	return nil
}

// mergedEntries keeps what it found, so that mappings that merge each other many
// times over cost no more than their sum; a mapping that merges itself finds nothing.
func (d *document) mergedEntries(m *yaml.Node, diagnose diagnoseFunc) []entry {
	if known, ok := d.merged[m]; ok {
		return known
	}
	d.merged[m] = nil
	d.merged[m] = d.entries(m, diagnose)
	return d.merged[m]
}

// positionOfPath returns the position of the deepest place on the way to p that is in the file.
func (d *document) positionOfPath(p *path) position {
	if d.released {
		if whole, err := readDocument(d.data); err == nil { // as it was before
			*d = *whole
		}
	}
	found, n := d.root, d.root
	for _, to := range p.steps() {
		key, value := d.step(n, to)
		if value == nil {
			break
		}
		found, n = key, value
	}
	return positionOf(found)
}

// step goes from n to the key or list entry that to names: to where that stands, and to its value.
func (d *document) step(n *yaml.Node, to *path) (at, value *yaml.Node) {
	n = d.followAlias(n, ignore)
	switch {
	case n == nil:
	case n.Kind == yaml.MappingNode:
		e := d.index(n)[to.key]
		return e.node, e.value
	case n.Kind == yaml.SequenceNode && 0 <= to.index && to.index < len(n.Content):
		return n.Content[to.index], n.Content[to.index]
	}
	return nil, nil
}

// index keeps the entries of a mapping by key: many diagnostics may stand in a long one.
func (d *document) index(m *yaml.Node) map[string]entry {
	if known, ok := d.byKey[m]; ok {
		return known
	}
	byKey := map[string]entry{}
	for _, e := range d.entries(m, ignore) {
		byKey[e.key] = e
	}
	d.byKey[m] = byKey
	return byKey
}

func lookUp(entries []entry, key string) (entry, bool) {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	return entries[i], true
}
