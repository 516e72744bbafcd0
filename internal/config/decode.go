package config

import (
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// decoder is the first step: it fills Go values from a document and refuses all that has no place in
// them. Struct fields are named by their yaml tag; embedded structs are inline;
// an enum in a field's jsonschema tag is enforced. A field whose key is absent
// keeps what it holds, so defaults are simply set before.
type decoder struct {
	*report
	doc     *document
	specs   map[string]func() sinks.Spec
	structs map[reflect.Type]*fields
	left    int // nodes that may yet be decoded: aliases may stand for more than any file holds
}

// Far more nodes than a file has, and few enough to be decoded in seconds.
const (
	maxNodes        = 1_000_000
	maxNodesPerByte = 10
)

// fromScalar is implemented by structs that may also be written as one word.
type fromScalar interface{ setScalar(text string) }

// defaulter is implemented by structs that start from defaults of their own.
type defaulter interface{ setDefaults() }

// keyHinter knows better than "unknown key" what is wrong with some keys.
type keyHinter interface {
	hintForKey(key string) (text, hint string)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sourceType   = reflect.TypeFor[secret.Source]()
	specType     = reflect.TypeFor[sinks.Spec]()
)

func newDecoder(r *report, doc *document, specs map[string]func() sinks.Spec) *decoder {
	return &decoder{report: r, doc: doc, specs: specs, structs: map[reflect.Type]*fields{},
		left: maxNodes + maxNodesPerByte*len(doc.data)}
}

// decodeConfig decodes the whole document over the defaults in cfg. It reports whether there is any sense in
// looking at the result.
func (d *decoder) decodeConfig(cfg *Config) bool {
	if d.doc.anchors != nil {
		for _, n := range d.doc.anchors.repeated {
			d.add(positionOf(n), "", "another anchor has this name", "give each its own")
		}
	}
	d.decode(d.doc.root, reflect.ValueOf(cfg).Elem(), nil)
	return d.left > 0
}

func (d *decoder) refuse(p *path, text, hint string) {
	n := d.doc.root
	if p != nil {
		n = p.node
	}
	d.add(positionOf(n), p.String(), text, hint)
}

// refuseBelow reports what the document itself finds wrong at a node, as below p.
func (d *decoder) refuseBelow(p *path) diagnoseFunc {
	return func(n *yaml.Node, key, text, hint string) {
		at := p
		if key != "" {
			at = p.child(key)
		}
		d.add(positionOf(n), at.String(), text, hint)
	}
}

// decode fills v from n, which stands at p.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, p *path) {
	if !d.spend(1, n) {
		return
	}
	n = d.doc.followAlias(n, d.refuseBelow(p))
	if n == nil {
		return
	}
	switch v.Type() {
	case sourceType:
		d.decodeSource(n, v, p)
	case durationType:
		d.decodeDuration(n, v, p)
	case specType:
		d.decodeSink(n, v, p)
	default:
		d.decodeKind(n, v, p)
	}
}

// spend counts nodes, and reports once when they are too many.
func (d *decoder) spend(nodes int, at *yaml.Node) bool {
	if d.left > 0 && d.left <= nodes {
		d.add(positionOf(at), "", "aliases repeat too much here", "merge shorter mappings")
	}
	d.left -= nodes
	return d.left > 0
}

func (d *decoder) decodeKind(n *yaml.Node, v reflect.Value, p *path) {
	switch v.Kind() {
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		if t, ok := target.Interface().(defaulter); ok {
			t.setDefaults()
		}
		d.decode(n, target.Elem(), p)
		v.Set(target)
	case reflect.Struct:
		d.decodeStruct(n, v, p)
	case reflect.Map:
		d.decodeMapping(n, v, p)
	case reflect.Slice:
		d.decodeList(n, v, p)
	default:
		d.decodeScalar(n, v, p)
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, p *path) {
	if s, ok := v.Addr().Interface().(fromScalar); ok {
		if text, ok := scalarText(n); ok {
			s.setScalar(text)
			return
		}
	}
	d.decodeFields(d.entriesOf(n, p), v, p)
}

// decodeFields fills a struct from the entries of a mapping.
func (d *decoder) decodeFields(entries []entry, v reflect.Value, p *path) {
	known := d.fieldsOf(v.Type())
	for _, e := range entries {
		at := p.child(e.key).withNode(e.node)
		f, ok := known.byKey[e.key]
		if !ok {
			d.unknownKey(v, known, at)
			continue
		}
		d.decodeField(e.value, v.FieldByIndex(f.index), f, at)
	}
}

func (d *decoder) decodeField(n *yaml.Node, v reflect.Value, f field, p *path) {
	d.decode(n, v, p)
	if len(f.enum) == 0 || len(d.reported) > 0 && d.reported[p.String()] {
		return
	}
	if v = indirect(v); v.Kind() == reflect.String && !slices.Contains(f.enum, v.String()) {
		d.refuse(p, "must be "+alternatives(f.enum)+butNot(p, v.String()), didYouMean(v.String(), f.enum))
	}
}

func indirect(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}

func (d *decoder) unknownKey(v reflect.Value, known *fields, p *path) {
	if h, ok := v.Addr().Interface().(keyHinter); ok {
		if text, hint := h.hintForKey(p.key); text != "" {
			d.refuse(p, text, hint)
			return
		}
	}
	if meant := nearest(p.key, known.names); meant != "" {
		d.excuse(p.up.child(meant).String())
	}
	d.refuse(p, "unknown key", suggestion(p.key, known.names))
}

// entriesOf returns the entries of the mapping that n is; none when it is no mapping, or empty.
func (d *decoder) entriesOf(n *yaml.Node, p *path) []entry {
	switch {
	case n.Kind == yaml.MappingNode:
		entries := d.doc.entries(n, d.refuseBelow(p))
		d.spend(len(entries), n)
		return entries
	case n.Tag == tagNull:
		return nil // all keys below it are commented out, say
	}
	d.refuse(p, "must be a mapping of keys to values", "")
	return nil
}

func (d *decoder) decodeMapping(n *yaml.Node, v reflect.Value, p *path) {
	entries := d.entriesOf(n, p)
	if n.Kind != yaml.MappingNode {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, value, p.child(e.key).withNode(e.node))
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), value)
		d.doc.release(e.value)
	}
}

func (d *decoder) decodeList(n *yaml.Node, v reflect.Value, p *path) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(p, "must be a list", "write it as [one, two]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, v.Index(i), p.item(i).withNode(item))
	}
}
