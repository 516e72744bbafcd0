package config

import (
	"iter"

	"github.com/rotatord/rotatord/internal/slot"
)

// Plans are what the configuration wants of each slot, sorted by relay and type. Slots alike share a policy.
// The slice is shared, and plans are immutable: do not write to them.
func (c *Config) Plans() []*slot.Plan { return c.plans }

// PlansByRelay yields each relay's name in the configuration with its plans, in their order.
func (c *Config) PlansByRelay() iter.Seq2[string, []*slot.Plan] {
	return func(yield func(string, []*slot.Plan) bool) {
		for plans := c.plans; len(plans) > 0; {
			n := 1
			for n < len(plans) && plans[n].Relay == plans[0].Relay {
				n++
			}
			if !yield(plans[0].Relay, plans[:n]) {
				return
			}
			plans = plans[n:]
		}
	}
}
