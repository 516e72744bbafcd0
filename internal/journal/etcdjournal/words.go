package etcdjournal

import (
	"reflect"
	"slices"

	"github.com/rotatord/rotatord/internal/slot"
)

// words has records share their strings: a record names its rotation and its targets several times, and has the account,
// the sinks and the boot in common with the record before it. That is a quarter of the memory of a copy.
type words struct{ before, now []string }

// shareWords has a record that nobody else has yet use strings that are known.
func (w *words) shareWords(r *slot.Record) {
	w.before, w.now = w.now, w.before[:0]
	w.walk(reflect.ValueOf(r).Elem())
}

func (w *words) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(w.known(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			w.walk(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			w.walk(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.walk(v.Field(i))
			}
		}
	}
}

// known returns the string that is equal to one, which it is itself where there is no other.
func (w *words) known(s string) string {
	if i := slices.Index(w.now, s); i >= 0 {
		return w.now[i]
	}
	if i := slices.Index(w.before, s); i >= 0 {
		s = w.before[i]
	}
	w.now = append(w.now, s)
	return s
}
