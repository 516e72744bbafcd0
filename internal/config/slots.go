package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/sinks"
)

const (
	initialNow      = "now"
	initialSchedule = "schedule"
	retireOwn       = "own"
	retireMatching  = "matching"

	// Manual is the schedule of a slot that has none.
	Manual = "manual"

	defaultSchedule = "0 4 * * 1"
	defaultTimezone = "UTC"
)

// Slot is one token type of one relay with everything that the configuration
// says of it, resolved.
type Slot struct {
	Key     moq.Key
	Relay   string // name in the configuration
	Account string // name in the configuration
	Labels  map[string]string

	Strategy moq.Strategy
	Expr     string              // the schedule as written; Manual for none
	Schedule *scheduler.Schedule // nil: manual
	Timezone string
	Jitter   time.Duration
	Initial  string // now | schedule
	CatchUp  bool
	Grace    time.Duration // zero for in_place
	Lifetime time.Duration // zero for in_place
	Retire   string        // own | matching
	Verify   bool
	Targets  []Target
}

// Name is the slot's name in the configuration, relay/type.
func (s *Slot) Name() string { return s.Relay + "/" + string(s.Key.Type) }

// Target is one place that a slot's token is delivered to.
type Target struct {
	Sink          string // name in the configuration
	Target        string // rendered path or secret id
	Location      string // the place, whatever the sink is called
	Required      bool
	Adopt         bool
	ProbeInterval time.Duration
}

// origin is where a setting was given; the larger, the nearer to the slot.
type origin int

const (
	builtIn origin = iota - 1
	inDefaults
	onRelay
	onToken
)

// slotScope is a slot under resolution: its settings from far to near, and where
// they stand.
type slotScope struct {
	layers [3]*Settings // by origin
	places [3]*path
}

// place is where settings of origin o stand; what is built in is missing at the token.
func (s *slotScope) place(o origin) *path {
	if o == builtIn {
		o = onToken
	}
	return s.places[o]
}

// nearestOf gives the setting that counts and where it was given.
func nearestOf[T any](s *slotScope, get func(*Settings) *T, fallback T) (T, origin) {
	for o := onToken; o > builtIn; o-- {
		if v := get(s.layers[o]); v != nil {
			return *v, o
		}
	}
	return fallback, builtIn
}

func (s *slotScope) sinks() ([]SinkRef, origin) {
	return nearestOf(s, func(s *Settings) *[]SinkRef {
		if s.Sinks == nil {
			return nil
		}
		return &s.Sinks
	}, nil)
}

// given makes an absent word nil.
func given[T ~string](word *T) *T {
	if *word == "" {
		return nil
	}
	return word
}

func (c *checker) addSlot(relay, account string, r *Relay, typ moq.TokenType, t *Token, p *path) {
	scope := &slotScope{
		layers: [3]*Settings{&c.cfg.Defaults.Settings, &r.Settings, &t.Settings},
		places: [3]*path{root("defaults"), p, p.child("tokens").child(string(typ))},
	}
	c.checkSettings(&t.Settings, scope.place(onToken))
	c.warnRetire(t.Retire, scope.place(onToken))
	slot := Slot{
		Key:   moq.Key{AccountID: c.accountID(account), RelayID: r.ID, Type: typ},
		Relay: relay, Account: account, Labels: r.Labels,
		Retire: cmp.Or(t.Retire, r.Retire, retireOwn),
	}
	slot.Strategy, _ = nearestOf(scope, func(s *Settings) *moq.Strategy { return given(&s.Strategy) }, moq.Overlap)
	slot.CatchUp, _ = nearestOf(scope, func(s *Settings) *bool { return s.CatchUp }, true)
	slot.Verify, _ = nearestOf(scope, func(s *Settings) *bool { return s.Verify }, true)
	slot.Initial, _ = nearestOf(scope, func(s *Settings) *string { return given(&s.Initial) }, initialOf(slot.Strategy))
	if slot.Strategy == moq.InPlace {
		c.refuseOverlapKeys(t, scope)
		slot.Retire = retireOwn
	}
	c.time(&slot, scope)
	c.aim(&slot, scope)
	c.cfg.slots = append(c.cfg.slots, slot)
}

func initialOf(s moq.Strategy) string {
	if s == moq.InPlace {
		return initialSchedule
	}
	return initialNow
}

// refuseOverlapKeys refuses, on the token itself, what in_place has no use for.
func (c *checker) refuseOverlapKeys(t *Token, scope *slotScope) {
	p := scope.place(onToken)
	for key, given := range map[string]bool{"grace": t.Grace != nil, "lifetime": t.Lifetime != nil, "retire": t.Retire != ""} {
		c.require(!given, p.child(key), "has no meaning under strategy in_place: the old token dies at once", "remove it, or use strategy: overlap")
	}
}

// aim resolves the slot's targets.
func (c *checker) aim(slot *Slot, scope *slotScope) {
	refs, from := scope.sinks()
	list := scope.place(from).child("sinks")
	if from == builtIn {
		c.fault(list, "the slot has no sink", "give sinks here, on the relay or in defaults")
		return
	}
	slot.Targets = make([]Target, 0, len(refs))
	for i := range refs {
		if spec := c.usable[refs[i].Sink]; spec != nil {
			c.addTarget(slot, &refs[i], spec, list.item(i))
		}
	}
}

func (c *checker) addTarget(slot *Slot, ref *SinkRef, spec sinks.Spec, p *path) {
	template := spec.TargetTemplate()
	if ref.Path != "" {
		template, p = ref.Path, p.child("path")
	}
	target, location, err := c.locate(slot, spec, template)
	if err != nil {
		c.fault(p, slot.Name()+" has no target in this sink: "+err.Error(), "")
		return
	}
	if !c.claim(slot, ref.Sink, location) {
		return
	}
	c.tryContent(slot, ref.Sink, spec)
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
func (c *checker) tryContent(slot *Slot, sink string, spec sinks.Spec) {
	of := trial{sink, slot.Strategy}
	if c.tried[of] {
		return
	}
	c.tried[of] = true
	p := root("sinks").child(sink)
	content, err := spec.Render(&c.templates, sinks.Trial(c.names(slot), sinks.TrialSize, slot.Strategy == moq.InPlace))
	if err != nil {
		f := fault.Of(err)
		c.fault(p, fmt.Sprintf("no content can be made of a token of %s (%s): %v", slot.Name(), slot.Strategy, f.Err),
			"correct the sink's template or fields; under in_place .TokenID and .ExpiresAt may be empty")
		return
	}
	if err := sinks.Fits("", "", content, spec.MaxContent()); err != nil {
		c.warn(p, sinks.TooLargeAsGuessed(err), "")
	}
}

func (c *checker) names(slot *Slot) sinks.Names {
	return sinks.Names{
		Relay: slot.Relay, RelayID: slot.Key.RelayID, Type: string(slot.Key.Type),
		Account: slot.Account, AccountID: slot.Key.AccountID, Instance: c.cfg.Instance,
	}
}

func (c *checker) locate(slot *Slot, spec sinks.Spec, template string) (target, location string, err error) {
	target, err = c.templates.RenderTarget(template, c.names(slot))
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
func (c *checker) claim(slot *Slot, sink, location string) bool {
	next := int32(len(c.cfg.slots))
	owner, taken := c.locations[location]
	if !taken {
		c.locations[location] = next
		return true
	}
	p := root("relays").child(slot.Relay).child("tokens").child(string(slot.Key.Type))
	first := slot
	if owner != next {
		first = &c.cfg.slots[owner]
	}
	c.fault(p, "its target in sink "+sink+" is also the target of "+first.Name()+" in sink "+sinkAt(first, location),
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
