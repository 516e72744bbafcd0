package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fields are the keys that a struct takes.
type fields struct {
	byKey map[string]field
	names []string // sorted
}

type field struct {
	index []int
	enum  []string // words that may stand there; nil: any
}

func (d *decoder) fieldsOf(t reflect.Type) *fields {
	known := d.structs[t]
	if known == nil {
		known = structFields(t)
		d.structs[t] = known
	}
	return known
}

func structFields(t reflect.Type) *fields {
	out := &fields{byKey: map[string]field{}}
	for _, f := range reflect.VisibleFields(t) {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" || key == "-" || !f.IsExported() {
			continue // an embedded struct: its fields are visible themselves
		}
		out.byKey[key] = field{f.Index, enumOf(f)}
	}
	out.names = sortedNames(out.byKey)
	return out
}

// enumOf reads the words from the tag that the schema is made of.
func enumOf(f reflect.StructField) []string {
	var out []string
	for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		if word, ok := strings.CutPrefix(part, "enum="); ok {
			out = append(out, word)
		}
	}
	return out
}

func sortedNames[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
