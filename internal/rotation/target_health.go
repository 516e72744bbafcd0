package rotation

import (
	"cmp"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/slot"
)

// healthChange is what people are told of a target.
type healthChange struct {
	slot.HealthChange
	target        slot.Target
	before, after slot.TargetHealth
	first         bool       // nobody has looked before, since the start or the last delivery
	repair        string     // when it gets a value again; "" where that is not asked
	err           error      // why it is not well, as far as an error says it
	event         slot.Event // of a drift
}

// changeOf is what a look at a target, or a delivery, has people told; none when nothing has changed. w.mu is held.
func (w *worker) changeOf(t slot.Target, before, after slot.TargetHealth, l slot.Inspection) []healthChange {
	c := healthChange{HealthChange: after.ChangeFrom(before, l.Depth), target: t, before: before, after: after, err: w.ensureNotes().Errors.At(t.Location)}
	if c.HealthChange == slot.Unchanged {
		return nil
	}
	v := w.view()
	c.repair = v.Repair(t, after.State)
	if c.HealthChange == slot.Drifted {
		c.event = w.newEvent(slot.EventDrifted)
		c.event.Cause, c.event.By = "", "" // of the rotation, not of this
		c.event.Detail = t.Sink + " " + t.Target + " is " + string(after.Drift)
	}
	return []healthChange{c}
}

// tellHealth tells everybody what has changed of targets. w.mu is not held.
func (w *worker) tellHealth(changed []healthChange) {
	var events []slot.Event
	for _, c := range changed {
		w.logHealth(c)
		if c.HealthChange == slot.Drifted {
			w.engine.Observer.Drifted(c.target.Sink)
			events = append(events, c.event)
		}
	}
	if len(events) > 0 {
		_ = w.save(events...)
	}
}

func (w *worker) logHealth(c healthChange) {
	fields := []zap.Field{
		zap.String("sink", c.target.Sink), zap.String("target", c.target.Target), zap.Bool("required", c.target.Required),
		zap.String("state", string(cmp.Or(c.after.State, slot.TargetOK))),
	}
	if !c.isNews() {
		fields = append(fields, zap.String("before", string(cmp.Or(c.before.State, slot.TargetOK))))
	}
	if c.HealthChange == slot.WellAgain {
		lasted := max(0, w.engine.now().Sub(c.before.Since.Time()).Round(time.Second))
		w.log().Info("a target is well again", append(fields, zap.Duration("lasted", lasted))...)
		return
	}
	fields = append(fields, zap.Time("since", c.after.Since.Time()))
	if c.after.Drift != "" {
		fields = append(fields, zap.String("drift", string(c.after.Drift)))
	}
	if c.repair != "" {
		fields = append(fields, zap.String("repaired", c.repair))
	}
	if c.err != nil {
		fields = append(fields, zap.Error(c.err))
	}
	w.log().Warn(c.message(), fields...)
}

// isNews reports whether nobody knows how the target was before.
func (c healthChange) isNews() bool { return c.first && c.before.State == "" }

// message is of a target that is not well.
func (c healthChange) message() string {
	switch {
	case c.HealthChange == slot.Drifted:
		return "a target is not as it was delivered"
	case c.HealthChange == slot.StillUnwell:
		return "a target is still not well"
	case c.isNews():
		return "a target is not well"
	}
	return "a target is not well any more"
}
