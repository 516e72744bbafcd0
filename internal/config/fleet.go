package config

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"

	"github.com/rotatord/rotatord/internal/sinks"
)

// fleetBytes is the size from which on a file is worth a reader of its own.
const fleetBytes = 64 << 10

// parseFleet reads the file of a large fleet whose relays are plain: each is
// read, decoded and forgotten by itself, on all processors, instead of through a
// tree of the whole file, which takes a gigabyte and seconds for 100,000 slots.
// It knows no positions, so it gives nil for whatever is wrong, or just worth a
// warning, or not plain: then the file is read again, thoroughly.
func parseFleet(name string, data []byte, specs map[string]func() sinks.Spec, known []timing) *Config {
	rest, relays, ok := cutRelays(data)
	if !ok || checkBytes(data) != nil {
		return nil
	}
	root, err := parseText(rest)
	if err != nil || root == nil {
		return nil
	}
	found, doc, cfg := newCollector(name), newDocument(root), defaultConfig()
	decodeConfig(newDecoder(found, doc, specs), cfg)
	if len(found.faults) > 0 || len(cfg.Relays) > 0 {
		return nil
	}
	if cfg.Relays, ok = decodeRelays(relays); !ok {
		return nil
	}
	newChecker(cfg, found, doc, known).check()
	if len(found.faults) > 0 || len(cfg.warnings) > 0 {
		return nil
	}
	return cfg
}

// cutRelays cuts the entries of the top-level key relays out of a file; rest
// keeps the key itself.
func cutRelays(data []byte) (rest, relays []byte, ok bool) {
	const key = "\nrelays:\n"
	start := bytes.Index(data, []byte(key))
	if start < 0 {
		return nil, nil, false
	}
	start += len(key)
	end := start
	for end < len(data) && (data[end] == ' ' || data[end] == '\n' || data[end] == '#') {
		line := bytes.IndexByte(data[end:], '\n')
		if line < 0 {
			end = len(data)
			break
		}
		end += line + 1
	}
	return bytes.Join([][]byte{data[:start], data[end:]}, nil), data[start:end], true
}

// decodeRelays decodes the entries of the relays' mapping, in as many pieces as
// keep the processors busy.
func decodeRelays(text []byte) (map[string]*Relay, bool) {
	pieces := cutPieces(string(text), 4*runtime.GOMAXPROCS(0))
	found := make([][]namedRelay, len(pieces))
	var wg sync.WaitGroup
	for i, piece := range pieces {
		wg.Go(func() { found[i] = decodePiece(piece) })
	}
	wg.Wait()
	n := 0
	for _, list := range found {
		n += len(list)
	}
	relays := make(map[string]*Relay, n)
	for _, list := range found {
		if list == nil {
			return nil, false
		}
		for _, r := range list {
			relays[r.name] = r.relay
		}
	}
	return relays, len(relays) == n && n > 0 // else two have one name
}

type namedRelay struct {
	name  string
	relay *Relay
}

// cutPieces cuts a block mapping into about n pieces of whole entries.
func cutPieces(text string, n int) []string {
	indent := len(text) - len(strings.TrimLeft(text, " "))
	var pieces []string
	for size := len(text)/n + 1; text != ""; {
		at := entryAfter(text, min(size, len(text)), indent)
		pieces, text = append(pieces, text[:at]), text[at:]
	}
	return pieces
}

// entryAfter finds the first line after at that begins an entry: a word, indented
// by just indent.
func entryAfter(text string, at, indent int) int {
	for {
		line := strings.IndexByte(text[at:], '\n')
		if line < 0 {
			return len(text)
		}
		at += line + 1
		rest := strings.TrimLeft(text[at:min(at+indent+1, len(text))], " ")
		if len(rest) == 1 && isWord(rest[0]) {
			return at
		}
	}
}

// decodePiece decodes some relays; nil when one of them is wrong or not plain.
func decodePiece(text string) []namedRelay {
	d := newDecoder(newCollector(""), newDocument(&ast.NullNode{}), nil)
	list, ok := []namedRelay{}, true
	for indent := len(text) - len(strings.TrimLeft(text, " ")); ok && text != ""; {
		end := entryAfter(text, 0, indent)
		list, ok = d.relay(list, strings.Clone(text[:end])) // what is kept of it shall not keep all
		text = text[end:]
	}
	if !ok {
		return nil
	}
	return list
}

// relay adds the relay that a block describes, if it is no mere comment.
func (d *decoder) relay(list []namedRelay, block string) ([]namedRelay, bool) {
	r := plainReader{lines: plainLines(block)}
	if len(r.lines) == 0 {
		return list, true
	}
	m, ok := r.mapping(0)
	if !ok || r.next < len(r.lines) || len(m.Values) != 1 {
		return nil, false
	}
	entry, relay := d.doc.entries(m, unheard)[0], new(*Relay)
	d.decode(entry.value, reflect.ValueOf(relay).Elem(), root("relays").child(entry.key))
	return append(list, namedRelay{entry.key, *relay}), len(d.faults) == 0
}
