package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/sinks"
)

// A digest is of what a configuration says otherwise than a documented default: a key that a later version brings
// changes none of those that do not give it, so that old and new replicas agree. Left out are secrets' sources and
// fields with the tag digest:"-". No list of the configuration has an order that means anything.

const digestSize = 16 // bytes: it tells two files apart that people wrote

// digester writes configurations in one form.
type digester struct {
	specs map[string]func() sinks.Spec
	known map[reflect.Type][]digestField
}

type digestField struct {
	key   string
	index []int
}

func digestOf(cfg *Config, specs map[string]func() sinks.Spec) string {
	d := &digester{specs, map[reflect.Type][]digestField{}}
	sum := sha256.Sum256(d.appendStruct(nil, reflect.ValueOf(cfg).Elem(), reflect.ValueOf(defaultConfig()).Elem()))
	return hex.EncodeToString(sum[:digestSize])
}

// countedFields lists the fields that count, by key.
func (d *digester) countedFields(t reflect.Type) []digestField {
	if known, ok := d.known[t]; ok {
		return known
	}
	var out []digestField
	for key, f := range structFields(t).byKey {
		if field := t.FieldByIndex(f.index); field.Tag.Get("digest") != "-" && field.Type != sourceType {
			out = append(out, digestField{key, f.index})
		}
	}
	slices.SortFunc(out, func(a, b digestField) int { return strings.Compare(a.key, b.key) })
	d.known[t] = out
	return out
}

// appendStruct writes the fields that differ from those of start.
func (d *digester) appendStruct(out []byte, v, start reflect.Value) []byte {
	out = append(out, '{')
	for _, f := range d.countedFields(v.Type()) {
		before := len(out)
		out = append(append(out, f.key...), ':')
		named := len(out)
		if out = d.appendField(out, v.FieldByIndex(f.index), start.FieldByIndex(f.index)); len(out) == named {
			out = out[:before]
		}
	}
	return append(out, '}')
}

// appendField writes nothing where v says no more than start.
func (d *digester) appendField(out []byte, v, start reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Map, reflect.Slice:
		if v.Len() == 0 {
			return out
		}
	case reflect.Pointer:
		if v.IsNil() {
			return out
		}
	case reflect.Struct:
		if reflect.DeepEqual(v.Interface(), start.Interface()) {
			return out
		}
		return d.appendStruct(out, v, start)
	default:
		if v.Equal(start) {
			return out
		}
	}
	return d.appendValue(out, v)
}

func (d *digester) appendValue(out []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Interface:
		return d.appendSink(out, v)
	case reflect.Pointer:
		if v.Elem().Kind() != reflect.Struct {
			return d.appendValue(out, v.Elem())
		}
		return d.appendStruct(out, v.Elem(), startOf(v.Type()))
	case reflect.Struct:
		return d.appendStruct(out, v, reflect.Zero(v.Type()))
	case reflect.Map:
		return d.appendMap(out, v)
	case reflect.Slice:
		return d.appendList(out, v)
	case reflect.String:
		return strconv.AppendQuote(out, v.String())
	}
	return fmt.Append(out, v.Interface())
}

// startOf is what a struct behind a pointer holds before it is decoded.
func startOf(t reflect.Type) reflect.Value {
	start := reflect.New(t.Elem())
	if s, ok := start.Interface().(defaulter); ok {
		s.setDefaults()
	}
	return start.Elem()
}

func (d *digester) appendSink(out []byte, v reflect.Value) []byte {
	spec := v.Interface().(sinks.Spec)
	kind := spec.Shared().Type
	start := reflect.ValueOf(d.specs[kind]()).Elem()
	return d.appendStruct(strconv.AppendQuote(out, kind), reflect.ValueOf(spec).Elem(), start)
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// appendMap writes of each entry a digest: a fleet's text would be as large as its file.
func (d *digester) appendMap(out []byte, v reflect.Value) []byte {
	out = append(out, '{')
	var entry []byte
	for _, key := range sortedKeys(v) {
		entry = d.appendValue(entry[:0], v.MapIndex(key))
		sum := sha256.Sum256(entry)
		out = append(strconv.AppendQuote(out, key.String()), sum[:]...)
	}
	return append(out, '}')
}

func (d *digester) appendList(out []byte, v reflect.Value) []byte {
	items := make([]string, v.Len())
	for i := range items {
		items[i] = string(d.appendValue(nil, v.Index(i)))
	}
	slices.Sort(items)
	out = append(out, '[')
	for _, item := range items {
		out = append(append(out, item...), ',')
	}
	return append(out, ']')
}
