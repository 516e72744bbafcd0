package fault

import (
	"errors"
	"fmt"
)

// NamedAtMost is how many errors a Several names.
const NamedAtMost = 10

// Several collects errors of one kind, of which there may be many, and names the first few.
type Several struct {
	named []error
	more  int
}

// Add adds one.
func (s *Several) Add(err error) {
	if len(s.named) == NamedAtMost {
		s.more++
		return
	}
	s.named = append(s.named, err)
}

// Err returns them as one error; nil when there are none.
func (s *Several) Err() error {
	if s.more > 0 {
		return errors.Join(append(s.named, fmt.Errorf("and %d more", s.more))...)
	}
	return errors.Join(s.named...)
}
