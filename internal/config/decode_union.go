package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/internal/secret"
)

// decodeSource decodes a secret.Source. People paste secrets here, as the value or
// even as a key: neither is ever repeated.
func (d *decoder) decodeSource(n *yaml.Node, v reflect.Value, p *path) {
	if n.Tag == tagNull {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.refuse(p, "must say where the secret is found, not hold the secret", secret.SourceHint)
		return
	}
	var s secret.Source
	known := map[string]*string{"env": &s.Env, "file": &s.File, "credential": &s.Credential}
	keyless := func(n *yaml.Node, _, text, hint string) { d.add(positionOf(n), p.String(), text, hint) }
	for _, e := range d.doc.entries(n, keyless) {
		field := known[e.key]
		if field == nil {
			d.add(positionOf(e.node), p.String(), "unknown key", secret.SourceHint)
			continue
		}
		at := p.child(e.key).withNode(e.node)
		if d.decode(e.value, reflect.ValueOf(field).Elem(), at); d.reported[at.String()] {
			d.excuse(p.String())
		}
	}
	v.Set(reflect.ValueOf(s))
}

// decodeSink decodes one member of the union of sinks, chosen by its key "type".
func (d *decoder) decodeSink(n *yaml.Node, v reflect.Value, p *path) {
	if n.Kind != yaml.MappingNode {
		d.refuse(p, "must be a mapping with the sink's type and its keys", "")
		return
	}
	entries := d.entriesOf(n, p)
	kind, at, ok := d.sinkType(entries, p)
	if !ok {
		return
	}
	build := d.specs[kind]
	switch {
	case build != nil:
		spec := build()
		d.decodeFields(entries, reflect.ValueOf(spec).Elem(), p)
		v.Set(reflect.ValueOf(spec))
	case at == nil:
		d.add(positionOf(p.node), p.child("type").String(), "a sink needs a type", suggestion("", sortedNames(d.specs)))
	default:
		d.refuse(at, "there is no type of sink"+called(at, kind), suggestion(kind, sortedNames(d.specs)))
	}
}

// sinkType returns a sink's type, and where it stands; nil when it has none. When something else stands
// there, that is reported, and ok is false.
func (d *decoder) sinkType(entries []entry, p *path) (kind string, at *path, ok bool) {
	e, found := lookUp(entries, "type")
	if !found {
		return "", nil, true
	}
	at = p.child("type").withNode(e.node)
	n := d.doc.followAlias(e.value, d.refuseBelow(at))
	if n == nil {
		return "", at, false
	}
	kind, ok = d.text(n, at)
	return kind, at, ok
}
