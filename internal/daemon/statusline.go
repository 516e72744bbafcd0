package daemon

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/rotation"
)

// statusLine says in one line what this process does.
func (d *daemon) statusLine() string {
	if e := d.engine(); e != nil {
		return slotsLine(e.CountSlots())
	}
	if r := d.replica.Load(); r != nil {
		return r.line()
	}
	return errStarting.Error()
}

// slotsLine says of all slots, in one line, how many there are, and how many are in trouble.
func slotsLine(c rotation.Counts) string {
	parts := []string{fmt.Sprintf("%d slots", c.Slots)}
	if c.Failing > 0 {
		parts = append(parts, fmt.Sprintf("%d failing", c.Failing))
	}
	if c.InBlackout > 0 {
		parts = append(parts, fmt.Sprintf("%d in blackout", c.InBlackout))
	}
	return strings.Join(parts, ", ")
}
