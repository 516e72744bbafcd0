package config

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The core tags, one of which every node has.
const (
	tagString    = "!!str"
	tagInt       = "!!int"
	tagFloat     = "!!float"
	tagBool      = "!!bool"
	tagNull      = "!!null"
	tagTimestamp = "!!timestamp" // what YAML 1.1 takes for a date, a text to us
	tagMapping   = "!!map"
	tagSequence  = "!!seq"
	tagMerge     = "!!merge"
	tagNoAnchor  = "!!rotatord/no-anchor" // of what stands for an anchor that is not there
)

// readYAML reads one YAML document. It never panics. Its error is a *syntaxError.
func readYAML(data []byte) (doc *document, err error) {
	defer func() {
		if r := recover(); r != nil { // a fault of the library is one of the file, as far as anybody can tell
			doc, err = nil, &syntaxError{position: position{1, 1}, text: notYAML + "it cannot be read"}
		}
	}()
	if err := refuseDirectives(data); err != nil {
		return nil, err
	}
	anchors := &anchors{byName: map[string]*yaml.Node{}}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(anchors,
		loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, err
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return nil, errEmpty()
	case err != nil:
		return nil, explainSyntax(err, data)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, &syntaxError{position: positionOf(&second),
			text: notYAML + "the file holds more than one YAML document", hint: "keep one"}
	case !errors.Is(err, io.EOF):
		return nil, explainSyntax(err, data)
	}
	if root := first.Content[0]; root.Tag != tagNull {
		return newDocument(data, root, anchors), nil
	}
	return nil, errEmpty()
}

// refuseDirectives refuses %YAML and %TAG, which nothing here needs.
func refuseDirectives(data []byte) error {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		switch text = bytes.TrimRight(text, " \t\r\n"); {
		case len(text) == 0, text[0] == '#':
		case text[0] == '%':
			return &syntaxError{position: position{line, 1}, text: notYAML + "YAML directives are not supported",
				hint: "remove the line"}
		default:
			return nil
		}
	}
	return nil
}

// anchors keeps what names stand for. An alias of a name that nothing has is given a node of its own, so that
// it is told where it stands, with all else that is wrong. It implements the library's plugin for that.
type anchors struct {
	byName   map[string]*yaml.Node
	repeated []*yaml.Node // anchors whose name was taken
}

// NewAliasDataContext implements yaml.AliasDataPlugin.
func (a *anchors) NewAliasDataContext(yaml.AliasDataServices) (yaml.AliasDataContext, error) {
	return a, nil
}

// BeginDocument implements yaml.AliasDataContext.
func (a *anchors) BeginDocument() error { return nil }

// EndDocument implements yaml.AliasDataContext.
func (a *anchors) EndDocument() error { return nil }

// DefineAnchor implements yaml.AliasDataContext: the first of a name counts.
func (a *anchors) DefineAnchor(name string, n *yaml.Node) error {
	if a.byName[name] != nil {
		a.repeated = append(a.repeated, n)
		return nil
	}
	a.byName[name] = n
	return nil
}

// ResolveAlias implements yaml.AliasDataContext.
func (a *anchors) ResolveAlias(name string) (*yaml.Node, bool, error) {
	if n := a.byName[name]; n != nil {
		return n, true, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tagNoAnchor}, true, nil
}

func positionOf(n *yaml.Node) position {
	return position{max(n.Line, 1), max(n.Column, 1)}
}
