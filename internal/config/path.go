package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// path is a place in the configuration: a key of a mapping or an entry of a
// list, below another place. nil is the root. While decoding, node is what
// stands there in the file.
type path struct {
	up    *path
	key   string
	index int // of a list entry; -1 for a key
	node  *yaml.Node
}

// topLevel is the path of a key that is below no other.
func topLevel(key string) *path { return (*path)(nil).child(key) }

func (p *path) child(key string) *path { return &path{up: p, key: key, index: -1} }

func (p *path) item(i int) *path { return &path{up: p, index: i} }

// withNode is p with what stands there.
func (p *path) withNode(n *yaml.Node) *path {
	p.node = n
	return p
}

// descendant follows a dotted path of keys, the last of which may be a list's with the
// number of an entry: redirect_hosts[0].
func (p *path) descendant(dotted string) *path {
	keys, entry, _ := strings.Cut(strings.TrimSuffix(dotted, "]"), "[")
	i, err := strconv.Atoi(entry)
	if err != nil {
		keys = dotted
	}
	for key := range strings.SplitSeq(keys, ".") {
		if key != "" {
			p = p.child(key)
		}
	}
	if err == nil {
		return p.item(i)
	}
	return p
}

// String writes the path as relays.live-main.tokens.subscribe.sinks[0].path. A key that may be a
// secret in the wrong place is left out.
func (p *path) String() string {
	var b strings.Builder
	below := false
	for _, step := range p.steps() {
		switch {
		case step.index >= 0:
			b.WriteString("[" + strconv.Itoa(step.index) + "]")
		case b.Len() > 0:
			b.WriteString("." + shownKey(step.key, below))
		default:
			b.WriteString(shownKey(step.key, below))
		}
		below = below || isForSecrets(step.key)
	}
	return b.String()
}

// steps lists the places from the root's child down to p.
func (p *path) steps() []*path {
	var out []*path
	for ; p != nil; p = p.up {
		out = append(out, p)
	}
	slices.Reverse(out)
	return out
}
