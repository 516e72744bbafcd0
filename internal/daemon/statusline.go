package daemon

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/slot"
)

// statusLine says of all slots, in one line, how many there are, and how many are in trouble.
func statusLine(slots func(yield func(*slot.Status) bool)) string {
	total, failing, blackout := 0, 0, 0
	slots(func(s *slot.Status) bool {
		total++
		if s.Failure != nil {
			failing++
		}
		if !s.BlackoutSince.IsZero() {
			blackout++
		}
		return true
	})
	parts := []string{fmt.Sprintf("%d slots", total)}
	if failing > 0 {
		parts = append(parts, fmt.Sprintf("%d failing", failing))
	}
	if blackout > 0 {
		parts = append(parts, fmt.Sprintf("%d in blackout", blackout))
	}
	return strings.Join(parts, ", ")
}
