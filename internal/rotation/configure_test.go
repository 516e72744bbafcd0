package rotation

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// So many slots get their plans on all processors.
func TestAReloadOfALargeFleetReachesThoseThatItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 4000, "disk")
		f.start()
		f.engine.Quiesce(t.Context())
		removed, same, moved := f.plans[1], copyOf(f.plans[2]), copyOf(f.plans[3999])
		before := f.engine.plansInForce()
		left := []string{removed.Targets[0].Location, moved.Targets[0].Location}
		moved.Targets[0].Location = "file://disk/elsewhere"
		f.plans[2], f.plans[3999] = same, moved
		f.plans = slices.Delete(f.plans, 1, 2)
		f.configure()

		after := f.engine.plansInForce()
		maps.DeleteFunc(after, func(k moq.Key, p *slot.Plan) bool { return before[k] == p })
		if want := map[moq.Key]*slot.Plan{removed.Key: nil, moved.Key: moved}; !maps.Equal(after, want) {
			t.Errorf("new plans are %v, want %v", after, want)
		}
		former := f.engine.left.Load().former
		if got := slices.Sorted(maps.Keys(former)); !slices.Equal(got, left) {
			t.Errorf("slots have left %v, want %v", got, left)
		}
		for _, e := range *f.engine.slots.configured.Load() {
			if e.slot != f.engine.slots.workerOf(e.plan.Key) || e.plan != e.slot.currentPlan() {
				t.Fatalf("%s is another slot, or has another plan", e.plan.Slot())
			}
		}
		f.kill()
	})
}

// plansInForce are those of all slots; nil: it is not configured.
func (e *Engine) plansInForce() map[moq.Key]*slot.Plan {
	plans := map[moq.Key]*slot.Plan{}
	for w := range e.slots.eachWorker() {
		plans[w.record.Key] = w.currentPlan()
	}
	return plans
}
