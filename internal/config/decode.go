package config

import (
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// decoder fills Go values from a document and refuses all that has no place in
// them. Struct fields are named by their yaml tag; embedded structs are inline;
// an enum in a field's jsonschema tag is enforced. A field whose key is absent
// keeps what it holds, so defaults are simply set before.
type decoder struct {
	*collector
	doc     *document
	specs   map[string]func() sinks.Spec
	structs map[reflect.Type]*fields
	spare   map[reflect.Type]*spare
}

// spare are values of one type, made together: a fleet's lie closer so than among
// what decoding leaves behind.
type spare struct {
	list reflect.Value
	next int
}

const mostSpare = 256

// take gives a new value of type t, by its address.
func (d *decoder) take(t reflect.Type) reflect.Value {
	s := d.spare[t]
	if s == nil {
		s = &spare{list: reflect.MakeSlice(reflect.SliceOf(t), 1, 1)}
		d.spare[t] = s
	}
	if s.next == s.list.Len() {
		n := min(2*s.next, mostSpare)
		s.list, s.next = reflect.MakeSlice(s.list.Type(), n, n), 0
	}
	s.next++
	return s.list.Index(s.next - 1).Addr()
}

// fromScalar is implemented by structs that may also be written as one word.
type fromScalar interface{ setScalar(text string) }

// defaulter is implemented by structs that start from defaults of their own.
type defaulter interface{ setDefaults() }

// misplacer knows better than "unknown key" what is wrong with some keys.
type misplacer interface {
	misplaced(key string) (text, hint string)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sourceType   = reflect.TypeFor[secret.Source]()
	specType     = reflect.TypeFor[sinks.Spec]()
)

func newDecoder(c *collector, doc *document, specs map[string]func() sinks.Spec) *decoder {
	return &decoder{collector: c, doc: doc, specs: specs, structs: map[reflect.Type]*fields{}, spare: map[reflect.Type]*spare{}}
}

func (d *decoder) fault(p *path, text, hint string) {
	n := d.doc.root
	if p != nil {
		n = p.node
	}
	d.add(positionOf(n), p.String(), text, hint)
}

// sayAt reports the document's own faults at the node they are in, as below p.
func (d *decoder) sayAt(p *path) blame {
	return func(n ast.Node, key, text, hint string) {
		at := p
		if key != "" {
			at = p.child(key)
		}
		d.add(positionOf(n), at.String(), text, hint)
	}
}

// decode fills v from n, which stands at p.
func (d *decoder) decode(n ast.Node, v reflect.Value, p *path) {
	n = d.doc.resolve(n, d.sayAt(p))
	if n == nil {
		return
	}
	switch v.Type() {
	case sourceType:
		d.source(n, v, p)
		return
	case durationType:
		d.duration(n, v, p)
		return
	case specType:
		d.sink(n, v, p)
		return
	}
	d.byKind(n, v, p)
}

func (d *decoder) byKind(n ast.Node, v reflect.Value, p *path) {
	switch v.Kind() {
	case reflect.Pointer:
		target := d.take(v.Type().Elem())
		if t, ok := target.Interface().(defaulter); ok {
			t.setDefaults()
		}
		d.decode(n, target.Elem(), p)
		v.Set(target)
	case reflect.Struct:
		d.structure(n, v, p)
	case reflect.Map:
		d.mapping(n, v, p)
	case reflect.Slice:
		d.list(n, v, p)
	default:
		d.scalar(n, v, p)
	}
}

func (d *decoder) structure(n ast.Node, v reflect.Value, p *path) {
	if s, ok := v.Addr().Interface().(fromScalar); ok {
		if text, ok := plainText(n); ok {
			s.setScalar(text)
			return
		}
	}
	m := d.keys(n, p)
	if m == nil {
		return
	}
	known := d.fieldsOf(v.Type())
	for _, e := range d.doc.entries(m, d.sayAt(p)) {
		at := p.child(e.key).at(e.node)
		f, ok := known.byKey[e.key]
		if !ok {
			d.unknown(v, known, at)
			continue
		}
		d.field(e.value, v.FieldByIndex(f.index), f, at)
	}
}

func (d *decoder) field(n ast.Node, v reflect.Value, f field, p *path) {
	d.decode(n, v, p)
	word := indirect(v)
	if len(f.enum) == 0 || word.Kind() != reflect.String || slices.Contains(f.enum, word.String()) {
		return
	}
	if !d.blamed[p.String()] {
		d.fault(p, "is not one of the words that may stand here", suggestion(word.String(), f.enum))
	}
}

func indirect(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}

func (d *decoder) unknown(v reflect.Value, known *fields, p *path) {
	if m, ok := v.Addr().Interface().(misplacer); ok {
		if text, hint := m.misplaced(p.key); text != "" {
			d.fault(p, text, hint)
			return
		}
	}
	if meant := nearest(p.key, known.names); meant != "" {
		d.excuse(p.up.child(meant).String())
	}
	d.fault(p, "unknown key", suggestion(p.key, known.names))
}

// keys gives the mapping that n is; nil when it is none, or empty.
func (d *decoder) keys(n ast.Node, p *path) *ast.MappingNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m
	case *ast.NullNode:
		return nil // all keys below it are commented out, say
	}
	d.fault(p, "must be a mapping of keys to values", "")
	return nil
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, p *path) {
	m := d.keys(n, p)
	if m == nil {
		return
	}
	entries := d.doc.entries(m, d.sayAt(p))
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, value, p.child(e.key).at(e.node))
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), value)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, p *path) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(p, "must be a list", "write it as [one, two]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		d.decode(item, v.Index(i), p.item(i).at(item))
	}
}

// plainText gives a scalar's text; an absent value is none.
func plainText(n ast.Node) (string, bool) {
	if _, null := n.(*ast.NullNode); null {
		return "", false
	}
	return scalarText(n)
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, p *path) {
	text, ok := d.text(n, p)
	if !ok {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		d.boolean(n, v, p)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.integer(n, text, v, p)
	case reflect.Float32, reflect.Float64:
		d.float(n, text, v, p)
	default:
		d.fault(p, "cannot be configured", "")
	}
}

func (d *decoder) text(n ast.Node, p *path) (string, bool) {
	text, ok := plainText(n)
	if _, null := n.(*ast.NullNode); null {
		d.fault(p, "has no value", "give one, or remove the key")
	} else if !ok {
		d.fault(p, "must be a single value", "")
	}
	return text, ok
}

func (d *decoder) boolean(n ast.Node, v reflect.Value, p *path) {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		d.fault(p, "must be true or false", "without quotes")
		return
	}
	v.SetBool(b.Value)
}

func (d *decoder) integer(n ast.Node, text string, v reflect.Value, p *path) {
	i, err := strconv.ParseInt(text, 10, v.Type().Bits())
	if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
		d.fault(p, "must be a whole number", "decimal digits, without quotes")
		return
	}
	v.SetInt(i)
}

func (d *decoder) float(n ast.Node, text string, v reflect.Value, p *path) {
	f, err := strconv.ParseFloat(text, v.Type().Bits())
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if err == nil {
			v.SetFloat(f)
			return
		}
	}
	d.fault(p, "must be a number", "such as 0.5, without quotes")
}

func (d *decoder) duration(n ast.Node, v reflect.Value, p *path) {
	text, ok := d.text(n, p)
	if !ok {
		return
	}
	t, err := ParseDuration(text)
	if err != nil {
		d.fault(p, err.Error(), "")
		return
	}
	v.SetInt(int64(t))
}

// source decodes a secret.Source. People paste secrets here, as the value or
// even as a key: neither is ever repeated.
func (d *decoder) source(n ast.Node, v reflect.Value, p *path) {
	m, ok := n.(*ast.MappingNode)
	if _, null := n.(*ast.NullNode); null {
		return
	}
	if !ok {
		d.fault(p, "must say where the secret is found, not hold the secret", sourceHint)
		return
	}
	var s secret.Source
	known := map[string]*string{"env": &s.Env, "file": &s.File, "credential": &s.Credential}
	deaf := func(n ast.Node, _, text, hint string) { d.add(positionOf(n), p.String(), text, hint) }
	for _, e := range d.doc.entries(m, deaf) {
		at := p.child(e.key).at(e.node)
		if field := known[e.key]; field != nil {
			d.decode(e.value, reflect.ValueOf(field).Elem(), at)
			d.excuseIf(at, p)
			continue
		}
		d.add(positionOf(e.node), p.String(), "unknown key", sourceHint)
	}
	v.Set(reflect.ValueOf(s))
}

func (d *decoder) excuseIf(blamed, p *path) {
	if d.blamed[blamed.String()] {
		d.excuse(p.String())
	}
}

const sourceHint = "write {env: NAME}, {file: PATH} or {credential: NAME}"

// sink decodes one member of the union of sinks, chosen by its key "type".
func (d *decoder) sink(n ast.Node, v reflect.Value, p *path) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.fault(p, "must be a mapping with the sink's type and its keys", "")
		return
	}
	kind, at := d.sinkType(m, p)
	build := d.specs[kind]
	switch {
	case build != nil:
		spec := build()
		d.structure(m, reflect.ValueOf(spec).Elem(), p)
		v.Set(reflect.ValueOf(spec))
	case at == nil:
		d.add(positionOf(p.node), p.child("type").String(), "a sink needs a type", suggestion("", sortedNames(d.specs)))
	default:
		d.fault(at, "there is no such type of sink", suggestion(kind, sortedNames(d.specs)))
	}
}

func (d *decoder) sinkType(m *ast.MappingNode, p *path) (string, *path) {
	e, ok := lookUp(d.doc.entries(m, unheard), "type")
	if !ok {
		return "", nil
	}
	text, _ := plainText(d.doc.resolve(e.value, unheard))
	return text, p.child("type").at(e.node)
}
