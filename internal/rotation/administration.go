package rotation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// Administration answers what people ask beyond the status of a slot (that is Engine.Statuses): what a relay
// holds, what has happened, what will. Its methods are safe for concurrent use.
type Administration struct{ engine *Engine }

// NewAdministration returns the administration of an engine's slots.
func NewAdministration(e *Engine) Administration { return Administration{e} }

// History returns the newest events first, of one slot, one relay (typ empty) or all (both empty).
func (a Administration) History(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	events, err := a.history(ctx, relay, typ, limit)
	for i := range events {
		events[i].Detail = boundedMessage(events[i].Detail)
	}
	return events, err
}

func (a Administration) history(ctx context.Context, relay, typ string, limit int) ([]slot.Event, error) {
	if relay == "" {
		return a.engine.Journal.History(ctx, nil, limit)
	}
	slots, err := a.engine.slotsOfRelay(relay)
	if err != nil {
		return nil, err
	}
	if typ != "" {
		slots = slices.DeleteFunc(slots, func(w *worker) bool { return string(w.record.Key.Type) != typ })
	}
	if len(slots) == 0 {
		return nil, fault.Newf(fault.Permanent, fault.NotFound, "find slot", relay+"/"+typ, "the relay has, and had, no such token").
			WithHint("`rotatord history %s` shows what was done with all that it had", relay)
	}
	var out []slot.Event
	var errs []error
	for _, w := range slots {
		events, err := a.engine.Journal.History(ctx, &w.record.Key, limit)
		errs = append(errs, err)
		out = mergeNewest(out, events, limit)
	}
	return out, errors.Join(errs...)
}

// mergeNewest merges two lists of newest-first events.
func mergeNewest(x, y []slot.Event, limit int) []slot.Event {
	out := make([]slot.Event, 0, len(x)+len(y))
	for len(x)+len(y) > 0 && (limit <= 0 || len(out) < limit) {
		if len(y) == 0 || len(x) > 0 && !x[0].At.Before(y[0].At) {
			out, x = append(out, x[0]), x[1:]
		} else {
			out, y = append(out, y[0]), y[1:]
		}
	}
	return out
}

// Forecast returns the runs of all slots that begin by until, in no order.
func (a Administration) Forecast(until time.Time) []slot.Run {
	var out []slot.Run
	for _, n := range *a.engine.slots.configured.Load() {
		n.slot.locked(func() {
			if v := n.slot.view(); v.Plan != nil {
				out = append(out, v.Forecast(until)...)
			}
		})
	}
	return out
}
