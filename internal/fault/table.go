package fault

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// Meaning is what an error of a backend means to the engine and to a person.
type Meaning struct {
	Class  Class
	Reason Reason // empty: what NoAnswer finds in the error itself
	Hint   string // {target} and what else a backend names stand for words that are known only then
}

// Table is what the errors of one backend mean, as data: of the rows that match an error the first
// counts. E is what the backend's answer or error is told by.
type Table[E any] []Row[E]

// Row is one line of a Table. When makes it.
type Row[E any] struct {
	matches func(E) bool
	meaning Meaning
}

// When returns a row: an error that matches has this meaning.
func When[E any](matches func(E) bool, c Class, r Reason, hint string) Row[E] {
	return Row[E]{matches, Meaning{c, r, hint}}
}

// Index returns the number of the row that counts for e, or -1 where none matches.
func (t Table[E]) Index(e E) int {
	for i, row := range t {
		if row.matches(e) {
			return i
		}
	}
	return -1
}

// Find returns what e means; ok is false where no row matches.
func (t Table[E]) Find(e E) (m Meaning, ok bool) {
	if i := t.Index(e); i >= 0 {
		return t[i].meaning, true
	}
	return Meaning{}, false
}

// Error returns cause as an *Error of this meaning. words are pairs of a name in the hint, braces
// included, and what stands for it.
func (m Meaning) Error(op, object string, cause error, words ...string) *Error {
	reason := m.Reason
	if reason == "" {
		reason = noAnswerReason(cause)
	}
	hint := m.Hint
	if len(words) > 0 {
		hint = strings.NewReplacer(words...).Replace(hint)
	}
	hint = cmp.Or(dateHint(cause, time.Now()), hint)
	return &Error{Class: m.Class, Reason: reason, Op: op, Object: object, Err: cause, Hint: hint}
}

// Is returns what matches errors that are one of targets, by errors.Is.
func Is(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

// As returns what matches errors that hold an E, by errors.As.
func As[E error]() func(error) bool {
	return func(err error) bool {
		_, ok := errors.AsType[E](err)
		return ok
	}
}

// All returns what matches where each of these does.
func All[E any](matches ...func(E) bool) func(E) bool {
	return func(e E) bool {
		return !slices.ContainsFunc(matches, func(match func(E) bool) bool { return !match(e) })
	}
}

// Any reports true of everything: it is for a table's last row.
func Any[E any](E) bool { return true }
