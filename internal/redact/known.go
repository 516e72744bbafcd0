package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"hash/maphash"
	"net/url"
	"strings"
)

// secretForms returns what the secrets may look like in a text.
func (c Cleaner) secretForms() (all [][]byte) {
	for _, s := range c.secrets {
		all = append(all, formsOf(s.Reveal())...)
	}
	return all
}

// hideKnown hides what v shows of the secrets whose forms are known.
func hideKnown(v view, known [][]byte, hidden spans) {
	text := foldAlphabets(v.text)
	found := newGrams(text)
	for _, form := range known {
		if len(form) < run {
			hideWhole(v, text, form, hidden)
			continue
		}
		for i := 0; i+run <= len(form); i++ {
			found.takeEach(form[i:i+run], func(at int) { hidden.hidePart(v, at, at+run) })
		}
	}
}

func hideWhole(v view, text, form []byte, hidden spans) {
	for at := 0; ; at += len(form) {
		next := bytes.Index(text[at:], form)
		if next < 0 {
			return
		}
		at += next
		hidden.hidePart(v, at, at+len(form))
	}
}

// formsOf returns what a secret looks like to alike: in the views of it, and in base64 and hexadecimal.
// What it is escaped with needs no form: a view of the text has it undone.
func formsOf(s string) [][]byte {
	if len(s) < shortest {
		return nil
	}
	texts := []string{Printable(s)}
	for _, v := range viewsOf(s) {
		texts = append(texts, string(v.text))
	}
	for _, inner := range withoutRepeats(s, quotedJSON(s), url.QueryEscape(s)) {
		texts = append(texts, base64Forms(inner)...)
		digits := hex.EncodeToString([]byte(inner))
		texts = append(texts, digits, strings.ToUpper(digits))
	}
	var out [][]byte
	for _, text := range withoutRepeats(texts...) {
		if len(text) >= shortest {
			out = append(out, foldAlphabets([]byte(text)))
		}
	}
	return out
}

func withoutRepeats(list ...string) []string {
	seen := make(map[string]bool, len(list))
	out := list[:0:0]
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// base64Forms returns what base64 makes of s behind none, one and two other bytes: those characters
// that depend on s alone.
func base64Forms(s string) []string {
	out := make([]string, 3)
	for before := range out {
		whole := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + s))
		first, last := (8*before+5)/6, 8*(before+len(s))/6
		out[before] = whole[first:max(first, last)]
	}
	return out
}

// foldAlphabets maps characters that encodings use for each other to one: the two alphabets of base64,
// and the two spaces of an address.
func foldAlphabets(text []byte) []byte {
	out := bytes.Clone(text)
	for i, b := range out {
		switch b {
		case ' ', '-':
			out[i] = '+'
		case '_':
			out[i] = '/'
		}
	}
	return out
}

// grams finds the places of every run of characters in a text.
type grams struct {
	text  []byte
	seed  maphash.Seed
	heads []int32 // by hash, one more than the first place; 0: none
	next  []int32 // by place, one more than the next of that hash
}

func newGrams(text []byte) grams {
	size := 1
	for size < len(text) {
		size *= 2
	}
	g := grams{text: text, seed: maphash.MakeSeed(), heads: make([]int32, size), next: make([]int32, len(text)+1)}
	for at := 0; at+run <= len(text); at++ {
		h := g.hashOf(text[at : at+run])
		g.next[at], g.heads[h] = g.heads[h], int32(at+1)
	}
	return g
}

func (g *grams) hashOf(gram []byte) uint64 {
	return maphash.Bytes(g.seed, gram) & uint64(len(g.heads)-1)
}

// takeEach calls found for each place of gram, once for all times: a text that repeats one run
// without end is walked through once.
func (g *grams) takeEach(gram []byte, found func(at int)) {
	for link := &g.heads[g.hashOf(gram)]; *link != 0; {
		at := int(*link - 1)
		if !bytes.Equal(g.text[at:at+run], gram) {
			link = &g.next[at]
			continue
		}
		found(at)
		*link = g.next[at]
	}
}
