// Package slot is the pure core of rotatord: what is known of one slot, and what
// that says to do next.
//
// A View brings together the Record (all that is durable about the slot), the Plan
// (what the configuration wants of it), the Observation (what this process has seen,
// and may forget) and the time. Decide returns the next Action for it, and nothing
// else decides: package rotation carries the action out, puts the outcome into the
// record by one of the transitions, makes that durable, and asks again. A crash at
// any instant leaves a record that says where to go on, so there is no recovery code
// beside the normal one.
//
// Nothing here waits, locks, logs, reads a clock or reaches outside the process; the
// linter forbids it. testdata has a transcript for each promise of docs/guarantees.md:
// a view in, the action out.
package slot

import "time"

// Decide returns the next step for a slot. It is pure: the same record, plan,
// observations and time give the same step. The order of the parts is the order
// of the guarantees: what is under way is finished before anything new begins.
//
// A part is made of checks, most of them called …First: each returns true where nothing stands in its way, else false
// and the action that comes before.
func Decide(v View) Action {
	var until time.Time
	for _, part := range []func(*View) Action{
		(*View).takeBack, (*View).dateFirstSight, (*View).adoptSchedule, (*View).flush, (*View).endFailure, (*View).deliverOptional,
		(*View).deliverRequired, (*View).startDue, (*View).retireTokens, (*View).reclaimOrphans, (*View).checkDrift,
	} {
		a := v.afterTakeOver(part(&v))
		wait, nothing := a.(Wait)
		if !nothing {
			return a
		}
		until = earlierOf(until, wait.Until)
	}
	return Wait{until}
}
