package config

import (
	"slices"
	"strings"
)

// nearest returns the known word that was probably meant; "" when none is near.
func nearest(word string, known []string) string {
	best, least := "", max(1, min(len(word)/3, 3))+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if i := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(k, word) }); best == "" && len(word) > 2 && i >= 0 {
		return known[i]
	}
	return best
}

// suggestion is a hint: the word that was probably meant, or what there is.
func suggestion(word string, known []string) string {
	if hint := didYouMean(word, known); hint != "" {
		return hint
	}
	const most = 12
	switch {
	case len(known) == 0:
		return ""
	case len(known) > most:
		return "known are " + strings.Join(known[:most], ", ") + " and more"
	}
	return "known: " + strings.Join(known, ", ")
}

// didYouMean is a hint: the word that was probably meant, if one is near.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// alternatives joins words: a, b or c.
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance counts the edits from a to b: a byte added, left out or replaced,
// or two neighbours swapped.
func distance(a, b string) int {
	const tooLong = 64 // keys and names are shorter; keeps the cost small
	if len(a) > tooLong || len(b) > tooLong {
		return tooLong
	}
	older, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, last, row = last, row, older
	}
	return last[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
