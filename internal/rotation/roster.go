package rotation

import (
	"cmp"
	"slices"

	"github.com/rotatord/rotatord/internal/moq"
)

// roster is the configured slots, sorted by relay, then type. A map by name would
// take five times the memory.
type roster []entry

// entry is a slot under the plan that names it.
type entry struct {
	plan *Plan
	slot *slot
}

func (r roster) sort() {
	slices.SortFunc(r, func(a, b entry) int { return a.compare(b.plan.Relay, b.plan.Key.Type) })
}

func (e entry) compare(relay string, typ moq.TokenType) int {
	return cmp.Or(cmp.Compare(e.plan.Relay, relay), cmp.Compare(e.plan.Key.Type, typ))
}

// find gives the slot of a name; nil when none is configured under it.
func (r roster) find(relay string, typ moq.TokenType) *slot {
	i, found := slices.BinarySearchFunc(r, typ, func(e entry, t moq.TokenType) int { return e.compare(relay, t) })
	if !found {
		return nil
	}
	return r[i].slot
}

// has tells whether the slot is configured under the plan's name.
func (r roster) has(s *slot, p *Plan) bool { return p != nil && r.find(p.Relay, p.Key.Type) == s }
