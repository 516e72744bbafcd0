package config

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// resolveTargets renders the plan's targets.
func (r *resolver) resolveTargets(plan *slot.Plan, scope *slotScope) {
	refs, from := scope.sinks()
	list := scope.pathOf(from).child("sinks")
	if from == builtIn {
		if r.reported[topLevel("defaults").child("sinks").String()] {
			return // nothing can be said of what they were meant to be
		}
		r.diagnose(list, "the slot has no sink", "give sinks here, on the relay or in defaults")
		return
	}
	r.usesDefaultSinks = r.usesDefaultSinks || from == inDefaults
	plan.Targets = make([]slot.Target, 0, len(refs))
	for i := range refs {
		if spec := r.usable[refs[i].Sink]; spec != nil {
			r.addTarget(plan, &refs[i], spec, list.item(i))
		}
	}
}

func (r *resolver) addTarget(plan *slot.Plan, ref *SinkRef, spec sinks.Spec, p *path) {
	template := spec.TargetTemplate()
	if ref.Path != "" {
		template, p = ref.Path, p.child("path")
	}
	target, location, err := r.renderTarget(plan, spec, template)
	if err != nil {
		hint := ""
		if target == "" { // the template yields none
			hint = sinks.TargetHint
		}
		r.diagnose(p, shownSlot(plan)+" has no target in this sink: "+err.Error(), hint)
		return
	}
	if !r.takeLocation(plan, ref.Sink, location) {
		return
	}
	r.noteFolder(ref.Sink, spec, template)
	r.tryContent(plan, ref.Sink, spec)
	shared := spec.Shared()
	plan.Targets = append(plan.Targets, slot.Target{
		Sink: ref.Sink, Target: target, Location: location,
		Required: ref.required(), Adopt: shared.Existing == sinks.Adopt,
	})
	if every := shared.ProbeInterval; plan.ProbeInterval == 0 || every < plan.ProbeInterval {
		plan.ProbeInterval = every
	}
}

// contentKind is what contents differ by, as far as a template can tell without the names.
type contentKind struct {
	sink     string
	strategy moq.Strategy
}

// tryContent makes a content of a sink for a token of a strategy, once: what the slots' own names
// change shows right before each mint.
func (r *resolver) tryContent(plan *slot.Plan, sink string, spec sinks.Spec) {
	of := contentKind{sink, plan.Strategy}
	if r.tried[of] {
		return
	}
	r.tried[of] = true
	p := topLevel("sinks").child(sink)
	content, err := spec.Render(&r.templates, sinks.Trial(r.namesOf(plan), sinks.TrialSize, plan.Strategy == moq.InPlace))
	if err != nil {
		f := fault.Of(err)
		r.diagnose(p,
			fmt.Sprintf("no content can be made of a token of %s (%s): %v", shownSlot(plan), plan.Strategy, f.Err),
			"correct the sink's template or fields; under in_place .TokenID and .ExpiresAt may be empty")
		return
	}
	if err := sinks.Fits("", "", content, spec.MaxContent()); err != nil {
		r.warn(p, sinks.TooLargeAsGuessed(err), "")
	}
}

func (r *resolver) namesOf(plan *slot.Plan) sinks.Names {
	return sinks.Names{
		Relay: plan.Relay, RelayID: plan.Key.RelayID, Type: string(plan.Key.Type),
		Account: plan.Account, AccountID: plan.Key.AccountID, Instance: r.cfg.Instance,
	}
}

func (r *resolver) renderTarget(plan *slot.Plan, spec sinks.Spec, template string) (target, location string, err error) {
	target, err = r.templates.RenderTarget(template, r.namesOf(plan))
	if err != nil {
		return "", "", err
	}
	location, err = spec.Locate(target)
	if strings.HasSuffix(location, target) { // share the memory
		target = location[len(location)-len(target):]
	}
	return target, location, err
}

// takeLocation takes a location for the plan, and reports whether it may: what another slot has, or the plan itself
// already, is refused.
func (r *resolver) takeLocation(plan *slot.Plan, sink, location string) bool {
	first := r.locations[location]
	if first == nil {
		r.locations[location] = plan
		return true
	}
	p := topLevel("relays").child(plan.Relay).child("tokens").child(string(plan.Key.Type))
	there := first.Targets[slot.TargetAt(first.Targets, location)].Sink
	r.diagnose(p,
		"its target in sink "+shownName(sink)+" is also the target of "+shownSlot(first)+" in sink "+shownName(there),
		"tell targets apart with {{.Relay}}, {{.Type}} or another path")
	return false
}
