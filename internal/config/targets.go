package config

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
)

// resolveTargets renders the slot's targets.
func (r *resolver) resolveTargets(slot *Slot, scope *slotScope) {
	refs, from := scope.sinks()
	list := scope.place(from).child("sinks")
	if from == builtIn {
		r.problem(list, "the slot has no sink", "give sinks here, on the relay or in defaults")
		return
	}
	slot.Targets = make([]Target, 0, len(refs))
	for i := range refs {
		if spec := r.usable[refs[i].Sink]; spec != nil {
			r.addTarget(slot, &refs[i], spec, list.item(i))
		}
	}
}

func (r *resolver) addTarget(slot *Slot, ref *SinkRef, spec sinks.Spec, p *path) {
	template := spec.TargetTemplate()
	if ref.Path != "" {
		template, p = ref.Path, p.child("path")
	}
	target, location, err := r.locate(slot, spec, template)
	if err != nil {
		r.problem(p, slot.Name()+" has no target in this sink: "+err.Error(), "")
		return
	}
	if !r.claim(slot, ref.Sink, location) {
		return
	}
	r.tryContent(slot, ref.Sink, spec)
	shared := spec.Shared()
	slot.Targets = append(slot.Targets, Target{
		Sink: ref.Sink, Target: target, Location: location,
		Required: ref.required(), Adopt: shared.Existing == sinks.Adopt, ProbeInterval: shared.ProbeInterval,
	})
}

// trial is what contents differ by, as far as a template can tell without the names.
type trial struct {
	sink     string
	strategy moq.Strategy
}

// tryContent makes a content of a sink for a token of a strategy, once: what the slots' own names
// change shows right before each mint.
func (r *resolver) tryContent(slot *Slot, sink string, spec sinks.Spec) {
	of := trial{sink, slot.Strategy}
	if r.tried[of] {
		return
	}
	r.tried[of] = true
	p := topLevel("sinks").child(sink)
	content, err := spec.Render(&r.templates, sinks.Trial(r.names(slot), sinks.TrialSize, slot.Strategy == moq.InPlace))
	if err != nil {
		f := fault.Of(err)
		r.problem(p, fmt.Sprintf("no content can be made of a token of %s (%s): %v", slot.Name(), slot.Strategy, f.Err),
			"correct the sink's template or fields; under in_place .TokenID and .ExpiresAt may be empty")
		return
	}
	if err := sinks.Fits("", "", content, spec.MaxContent()); err != nil {
		r.warn(p, sinks.TooLargeAsGuessed(err), "")
	}
}

func (r *resolver) names(slot *Slot) sinks.Names {
	return sinks.Names{
		Relay: slot.Relay, RelayID: slot.Key.RelayID, Type: string(slot.Key.Type),
		Account: slot.Account, AccountID: slot.Key.AccountID, Instance: r.cfg.Instance,
	}
}

func (r *resolver) locate(slot *Slot, spec sinks.Spec, template string) (target, location string, err error) {
	target, err = r.templates.RenderTarget(template, r.names(slot))
	if err != nil {
		return "", "", err
	}
	location, err = spec.Locate(target)
	if strings.HasSuffix(location, target) { // share the memory
		target = location[len(location)-len(target):]
	}
	return target, location, err
}

// claim takes a location for the slot under resolution, which is the next of
// the list; another slot's, or its own, is refused.
func (r *resolver) claim(slot *Slot, sink, location string) bool {
	next := int32(len(r.cfg.slots))
	owner, taken := r.locations[location]
	if !taken {
		r.locations[location] = next
		return true
	}
	p := topLevel("relays").child(slot.Relay).child("tokens").child(string(slot.Key.Type))
	first := slot
	if owner != next {
		first = &r.cfg.slots[owner]
	}
	r.problem(p, "its target in sink "+sink+" is also the target of "+first.Name()+" in sink "+sinkAt(first, location),
		"tell targets apart with {{.Relay}}, {{.Type}} or another path")
	return false
}

func sinkAt(s *Slot, location string) string {
	for _, t := range s.Targets {
		if t.Location == location {
			return t.Sink
		}
	}
	return ""
}
