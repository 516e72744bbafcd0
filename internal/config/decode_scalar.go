package config

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// scalarText returns a scalar as the file spells it, or as its quotes hold it; ok is false for what is none, or
// absent.
func scalarText(n *yaml.Node) (text string, ok bool) {
	return n.Value, n.Kind == yaml.ScalarNode && n.Tag != tagNull
}

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, p *path) {
	text, ok := d.text(n, p)
	if !ok {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		d.decodeBool(n, v, p)
	case reflect.Int:
		d.decodeInt(n, v, p)
	case reflect.Float64:
		d.decodeFloat(n, v, p)
	default:
		d.refuse(p, "cannot be configured", "")
	}
}

func (d *decoder) text(n *yaml.Node, p *path) (string, bool) {
	text, ok := scalarText(n)
	switch {
	case ok:
	case n.Tag == tagNull:
		d.refuse(p, "has no value", "give one, or remove the key")
	case isTemplate(n):
		d.refuse(p, "must be a single value: unquoted, {{ begins a mapping", "put it in quotes")
	default:
		d.refuse(p, "must be a single value", "")
	}
	return text, ok
}

// isTemplate reports whether n is what YAML takes {{.Relay}} for: a mapping within a mapping.
func isTemplate(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode &&
		n.Content[0].Line == n.Line && n.Content[0].Column == n.Column+1
}

func (d *decoder) decodeBool(n *yaml.Node, v reflect.Value, p *path) {
	b, err := strconv.ParseBool(strings.ToLower(n.Value))
	if n.Tag != tagBool || err != nil {
		d.refuse(p, "must be true or false"+butNot(p, n.Value), "without quotes")
		return
	}
	v.SetBool(b)
}

func (d *decoder) decodeInt(n *yaml.Node, v reflect.Value, p *path) {
	i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
	if n.Tag != tagInt || err != nil {
		d.refuse(p, "must be a whole number"+butNot(p, n.Value), "decimal digits, without quotes")
		return
	}
	v.SetInt(i)
}

func (d *decoder) decodeFloat(n *yaml.Node, v reflect.Value, p *path) {
	f, err := strconv.ParseFloat(n.Value, v.Type().Bits())
	if n.Tag != tagInt && n.Tag != tagFloat || err != nil {
		d.refuse(p, "must be a number"+butNot(p, n.Value), "such as 0.5, without quotes")
		return
	}
	v.SetFloat(f)
}

func (d *decoder) decodeDuration(n *yaml.Node, v reflect.Value, p *path) {
	text, ok := d.text(n, p)
	if !ok {
		return
	}
	t, err := ParseDuration(text)
	if err != nil {
		d.refuse(p, err.Error()+butNot(p, text), "")
		return
	}
	v.SetInt(int64(t))
}
