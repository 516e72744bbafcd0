package slot

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// form is a way to say something. A word in capitals stands for any one word, TIME for a date and a time, TEXT
// for the rest. What follows a comma are further clauses, which do has to take.
type form struct {
	words string
	do    func(*clause)
}

// clause is what was said in a form: the words in the places of its capitals, and what came after commas.
type clause struct {
	s       *transcript
	words   []string
	further []string
}

// understand does what a line says in one of a few forms. What is not said in one of them is an error.
func (s *transcript) understand(forms []form, text string) {
	clauses := strings.Split(text, ", ")
	for _, f := range forms {
		words, ok := match(f.words, clauses[0])
		if !ok {
			continue
		}
		c := &clause{s, words, clauses[1:]}
		f.do(c)
		if len(c.further) > 0 {
			s.fatalf("nothing can follow: %q", c.further)
		}
		return
	}
	known := make([]string, len(forms))
	for i, f := range forms {
		known[i] = f.words
	}
	s.fatalf("%q is not understood; what is: %s", clauses[0], strings.Join(known, " | "))
}

func match(pattern, text string) (found []string, ok bool) {
	words := strings.Fields(text)
	for _, p := range strings.Fields(pattern) {
		n := 1
		switch p {
		case "TIME":
			n = 2
		case "TEXT":
			n = max(1, len(words))
		}
		if len(words) < n {
			return nil, false
		}
		said := strings.Join(words[:n], " ")
		if words = words[n:]; len(p) > 1 && p == strings.ToUpper(p) {
			found = append(found, said)
		} else if p != said {
			return nil, false
		}
	}
	return found, len(words) == 0
}

// each understands the clauses after the commas.
func (c *clause) each(forms ...form) {
	further := c.further
	c.further = nil
	for _, text := range further {
		c.s.understand(forms, text)
	}
}

// list is the ith word and what came after commas: things of one kind.
func (c *clause) list(i int) []string {
	all := append([]string{c.words[i]}, c.further...)
	c.further = nil
	return all
}

func (c *clause) time(i int) time.Time {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, c.words[i]); err == nil {
			return t
		}
	}
	c.s.fatalf("%q is no time such as 2026-11-24 00:00", c.words[i])
	return time.Time{}
}

func (c *clause) timestamp(i int) Timestamp { return TimestampOf(c.time(i)) }

func (c *clause) duration(i int) time.Duration { return c.s.duration(c.words[i]) }

func (s *transcript) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fatalf("%q is no duration such as 90s or 24h", text)
	}
	return d
}

func (c *clause) number(i int) int {
	n, err := strconv.Atoi(c.words[i])
	if err != nil {
		c.s.fatalf("%q is no number", c.words[i])
	}
	return n
}

// letter is the name of a token, and of the rotation that minted it: later letters are later rotations.
func (s *transcript) letter(name string) string {
	if len(name) != 1 || !strings.Contains("ABCDEFGHJKMNPQRSTVWXYZ", name) {
		s.fatalf("%q is no name of a token, a letter from A to Z but I, L, O and U", name)
	}
	return name
}

// rotationID is the id of the rotation that a letter names.
func (s *transcript) rotationID(name string) string {
	return strings.Repeat("0", 25) + strings.ToLower(s.letter(name))
}

// nameOf is the letter of a rotation id.
func nameOf(rotationID string) string { return strings.ToUpper(strings.TrimLeft(rotationID, "0")) }

func oneOf[T ~string](s *transcript, text string, known ...T) T {
	if !slices.Contains(known, T(text)) {
		s.fatalf("%q is none of %q", text, known)
	}
	return T(text)
}
