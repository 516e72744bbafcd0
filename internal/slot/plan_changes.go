package slot

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
)

// Changes are what one configuration has of a kind that another has not, by name: what a reload tells.
type Changes struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []Change `json:"changed,omitempty"`
}

// Change is something that is configured otherwise.
type Change struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"` // that differ, also where a default follows from another key
}

// ComparePlans says what next has changed of old; both are sorted by relay, then type. A slot of another name is
// still the same.
func ComparePlans(old, next []*Plan) (out Changes) {
	var gone, fresh []*Plan
	for len(old) > 0 || len(next) > 0 {
		switch order := firstInOrder(old, next); {
		case order < 0:
			gone, old = append(gone, old[0]), old[1:]
		case order > 0:
			fresh, next = append(fresh, next[0]), next[1:]
		default:
			out.compare(old[0], next[0])
			old, next = old[1:], next[1:]
		}
	}
	out.match(gone, fresh)
	return out
}

// firstInOrder tells which list's first plan comes first; negative: that of old.
func firstInOrder(old, next []*Plan) int {
	switch {
	case len(next) == 0:
		return -1
	case len(old) == 0:
		return 1
	}
	return cmp.Or(cmp.Compare(old[0].Relay, next[0].Relay), cmp.Compare(old[0].Key.Type, next[0].Key.Type))
}

func (c *Changes) compare(old, next *Plan) {
	if !old.Same(next) {
		c.Changed = append(c.Changed, Change{next.Slot(), old.differingKeys(next)})
	}
}

// match finds, among plans without one of their name on the other side, those that have only another name now.
func (c *Changes) match(gone, fresh []*Plan) {
	byKey := make(map[moq.Key]*Plan, len(gone))
	for _, p := range gone {
		byKey[p.Key] = p
	}
	renamed := map[moq.Key]bool{}
	for _, p := range fresh {
		if old := byKey[p.Key]; old != nil {
			renamed[p.Key] = true
			c.compare(old, p)
		} else {
			c.Added = append(c.Added, p.Slot())
		}
	}
	for _, p := range gone {
		if !renamed[p.Key] {
			c.Removed = append(c.Removed, p.Slot())
		}
	}
	slices.SortFunc(c.Changed, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
}

// differingKeys lists the keys of the configuration that two plans differ by. LeastLife follows from them.
func (p *Plan) differingKeys(q *Plan) (keys []string) {
	for _, c := range []struct {
		key  string
		same bool
	}{
		{"name", p.Relay == q.Relay},
		{"id", p.Key.RelayID == q.Key.RelayID},
		{"account", p.Account == q.Account && p.Key.AccountID == q.Key.AccountID},
		{"labels", maps.Equal(p.Labels, q.Labels)},
		{"operations", slices.Equal(p.Operations, q.Operations)},
		{"strategy", p.Strategy == q.Strategy},
		{"schedule", p.sameExpr(q)},
		{"timezone", p.Timezone == q.Timezone},
		{"jitter", p.Jitter == q.Jitter},
		{"initial", p.Initial == q.Initial},
		{"catch_up", p.CatchUp == q.CatchUp},
		{"grace", p.Grace == q.Grace},
		{"settle", p.Settle == q.Settle},
		{"lifetime", p.Lifetime == q.Lifetime},
		{"retire", p.Matching == q.Matching},
		{"verify", p.Verify == q.Verify},
		{"probe_interval", p.ProbeInterval == q.ProbeInterval},
		{"sinks", slices.Equal(p.Targets, q.Targets)},
	} {
		if !c.same {
			keys = append(keys, c.key)
		}
	}
	return keys
}
