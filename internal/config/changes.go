package config

import (
	"reflect"
	"slices"

	"github.com/rotatord/rotatord/internal/slot"
)

// ChangedSettings lists the keys of the whole installation whose values next has otherwise: "log.level". What is by
// name, and what slots inherit, is none of them.
func (c *Config) ChangedSettings(next *Config) (keys []string) {
	before, after := reflect.ValueOf(c).Elem(), reflect.ValueOf(next).Elem()
	for key, f := range structFields(before.Type()).byKey {
		a, b := before.FieldByIndex(f.index), after.FieldByIndex(f.index)
		switch {
		case a.Kind() == reflect.Map, a.Type() == reflect.TypeFor[Defaults]():
		case a.Kind() == reflect.Struct:
			for _, below := range differingKeys(a, b) {
				keys = append(keys, key+"."+below)
			}
		case !reflect.DeepEqual(a.Interface(), b.Interface()):
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// ChangedSinks says what next changes of the sinks.
func (c *Config) ChangedSinks(next *Config) slot.Changes { return changesOf(c.Sinks, next.Sinks) }

// ChangedAccounts says what next changes of the accounts.
func (c *Config) ChangedAccounts(next *Config) slot.Changes {
	return changesOf(c.Accounts, next.Accounts)
}

func changesOf[V any](old, next map[string]V) (out slot.Changes) {
	for _, name := range sortedNames(old) {
		if _, ok := next[name]; !ok {
			out.Removed = append(out.Removed, name)
		}
	}
	for _, name := range sortedNames(next) {
		before, ok := old[name]
		if !ok {
			out.Added = append(out.Added, name)
		} else if keys := differingKeys(reflect.ValueOf(before), reflect.ValueOf(next[name])); len(keys) > 0 {
			out.Changed = append(out.Changed, slot.Change{Name: name, Keys: keys})
		}
	}
	return out
}

// differingKeys lists the keys by which two structs differ, or pointers to them.
func differingKeys(a, b reflect.Value) (keys []string) {
	a, b = indirect(a), indirect(b)
	if a.Type() != b.Type() {
		return []string{"type"}
	}
	for key, f := range structFields(a.Type()).byKey {
		if !reflect.DeepEqual(a.FieldByIndex(f.index).Interface(), b.FieldByIndex(f.index).Interface()) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
