package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// relayLimit is how many tokens a relay holds at most; slotMost is what one slot needs.
const (
	relayLimit = 10
	slotMost   = 3
)

// online is one read-only tour of everything a configuration names.
type online struct {
	*app
	cfg    *config.Config
	ports  *ports
	known  map[string]slot.Status // by slot, when a daemon answers
	silent map[string]bool        // by relay id: Cloudflare does not say that the relay exists
	offers map[string]error       // by relay id: why tokens cannot be listed
	places map[string]string      // by place: the slot and the target that were found there first
	bad    int

	quiet   bool   // faults and warnings alone, and what they are about
	heading string // what is looked at, until it is said
}

func newOnline(ctx context.Context, a *app, cfg *config.Config) (*online, error) {
	p, err := openPorts(ctx, cfg, nil, surroundings{
		environment: a.env, metrics: metrics.New(metrics.Options{}), warn: func(text string) { a.say("  warn  %s", text) },
	})
	if err != nil {
		return nil, err
	}
	o := &online{app: a, cfg: cfg, ports: p, known: map[string]slot.Status{}, silent: map[string]bool{}, offers: map[string]error{}, places: map[string]string{}}
	slots, err := adminapi.NewClient(cfg.Server.AdminSocket).Slots(ctx)
	if err != nil {
		return o, nil //nolint:nilerr // without a daemon less is known, and that is said
	}
	for _, s := range slots {
		o.known[s.Slot] = s
	}
	return o, nil
}

// byRelay gives the slots of each relay, in the order of the configuration.
func (o *online) byRelay() iter.Seq2[string, []config.Slot] {
	return func(yield func(string, []config.Slot) bool) {
		slots := o.cfg.Slots()
		for len(slots) > 0 {
			n := 1
			for n < len(slots) && slots[n].Relay == slots[0].Relay {
				n++
			}
			if !yield(slots[0].Relay, slots[:n]) {
				return
			}
			slots = slots[n:]
		}
	}
}

// turnTo says what is looked at from here on; when quiet, not before there is something to tell of it.
func (o *online) turnTo(format string, args ...any) {
	o.heading = fmt.Sprintf(format, linesOf(args)...)
	if !o.quiet {
		o.sayHeading()
	}
}

func (o *online) sayHeading() {
	if o.heading != "" {
		o.say("%s", o.heading)
	}
	o.heading = ""
}

func (o *online) fail(format string, args ...any) {
	o.bad++
	o.sayHeading()
	o.say("  FAIL  "+format, args...)
}

func (o *online) warn(format string, args ...any) {
	o.sayHeading()
	o.say("  warn  "+format, args...)
}

func (o *online) pass(format string, args ...any) { o.note("  ok    "+format, args...) }

// note says what is neither a fault nor a warning.
func (o *online) note(format string, args ...any) {
	if !o.quiet {
		o.say(format, args...)
	}
}

// checkRelay reaches a relay: does it exist, may its tokens be listed, is there room?
func (o *online) checkRelay(ctx context.Context, relay string, slots []config.Slot) {
	k := slots[0].Key
	o.turnTo("relay %s (%s, account %s)", relay, k.RelayID, slots[0].Account)
	client := o.ports.accounts[k.AccountID]
	r, err := client.Relay(ctx, moq.Priority{Urgency: moq.Routine}, k.RelayID)
	if err != nil {
		o.fail("%v", err)
		o.silent[k.RelayID] = true // and would say the same to the next question
		return
	}
	o.pass("it exists: %s", redact.Label(r.Name))
	tokens, err := client.List(ctx, moq.Priority{Urgency: moq.Routine}, k.RelayID)
	o.offers[k.RelayID] = err
	if err == nil {
		o.checkRoom(tokens, slots)
	}
}

// checkRoom counts others' tokens and three for each overlap slot.
func (o *online) checkRoom(tokens []moq.Token, slots []config.Slot) {
	others, need := 0, 0
	for _, t := range tokens {
		if owner, ok := moq.LabelInstance(t.Label); !ok || owner != o.cfg.Instance {
			others++
		}
	}
	for i := range slots {
		if slots[i].Strategy == moq.Overlap {
			need += slotMost
		}
	}
	if others+need > relayLimit {
		o.fail("no room: others hold %s and rotatord needs up to %d, but a relay holds %d; revoke tokens that nobody uses",
			count(others, "token"), need, relayLimit)
		return
	}
	o.pass("room: others hold %s, rotatord needs up to %d of the other %d places", count(others, "token"), need, relayLimit-others)
}

// checkSlot tells whether the slot's strategy is offered and its targets can be written.
func (o *online) checkSlot(ctx context.Context, s *config.Slot) {
	o.turnTo("slot %s (%s)", s.Name(), s.Strategy)
	o.checkStrategy(s)
	for _, t := range s.Targets {
		o.checkTarget(ctx, s, t)
	}
}

func (o *online) checkStrategy(s *config.Slot) {
	err := o.offers[s.Key.RelayID]
	switch {
	case o.silent[s.Key.RelayID]:
		o.warn("whether %s is offered cannot be told: its relay was not found", s.Strategy)
	case s.Strategy == moq.Overlap && err != nil && o.known[s.Name()].TokenID != "":
		o.fail("overlap: %v", rotation.OfferedBefore(err))
	case s.Strategy == moq.Overlap && err != nil:
		o.fail("overlap: %v", err)
	case s.Strategy == moq.Overlap:
		o.pass("overlap is offered: tokens can be listed; that they may be created shows only when one is")
	case fault.Of(err) != nil && fault.Of(err).Reason == fault.NotOffered:
		o.pass("the account does not list tokens, so in_place is its only strategy; that it is offered shows only when a token is rotated")
	case err != nil:
		o.fail("in_place: %v", err)
	default:
		o.warn("in_place: whether it is offered shows only when a token is rotated; the account offers overlap, which has no blackout")
	}
}

// checkTarget probes one target and says what it holds.
func (o *online) checkTarget(ctx context.Context, s *config.Slot, t config.Target) {
	where := t.Sink + " " + t.Target
	h, err := o.ports.sinks[t.Sink].Probe(ctx, t.Target, sinks.ProbeOptions{Read: s.Verify, Ours: o.mayBeOurs(s, t)})
	for _, w := range h.Warnings {
		o.warn("%s: %s", where, w)
	}
	if h.Untried != "" {
		o.note("  note  %s: not tried: needs a write (%s)", where, h.Untried)
	}
	switch {
	case err != nil && !t.Required:
		o.warn("%v (the sink is optional)", err)
	case err != nil:
		o.fail("%v", err)
	case o.isTaken(ctx, s, t):
	case !h.Known:
		o.pass("%s can be written; what it holds cannot be read", where)
	case !h.Exists:
		o.pass("%s can be written; it holds nothing yet", where)
	default:
		o.holds(s, t, h, where)
	}
}

// isTaken tells of a target that is where another's is, under another name.
func (o *online) isTaken(ctx context.Context, s *config.Slot, t config.Target) bool {
	place, err := o.ports.sinks[t.Sink].Place(ctx, t.Target)
	if err != nil || place == "" {
		return false // the probe has told of what is wrong
	}
	first, taken := o.places[place]
	switch {
	case !taken:
		o.places[place] = fmt.Sprintf("%s %s of slot %s", t.Sink, t.Target, s.Name())
		return false
	case strings.HasSuffix(first, " of slot "+s.Name()):
		o.warn("%s %s is the same place as %s, through a link or a mount: that works only if both have one content", t.Sink, t.Target, first)
		return false
	}
	say := o.fail
	if !t.Required {
		say = o.warn
	}
	say("%s %s is the same place as %s, through a link or a mount: only the slot that delivered there last can go on; give the other another path",
		t.Sink, t.Target, first)
	return true
}

func (o *online) holds(s *config.Slot, t config.Target, h sinks.Holding, where string) {
	size := len(h.Content.Reveal())
	switch state := o.stateOf(s, t); {
	case state == "ok":
		o.pass("%s can be written; it holds the token that rotatord delivered", where)
	case state == "never" && !t.Adopt:
		o.fail("%s holds something rotatord did not write (%d bytes): move it away, or set `existing: adopt` on sink %s", where, size, t.Sink)
	case state != "":
		o.warn("%s holds %d bytes; the daemon says of it: %s", where, size, state)
	case t.Adopt:
		o.pass("%s can be written; it holds %d bytes, which rotatord will take over if it did not write them", where, size)
	default:
		o.warn("%s holds %d bytes; without a running daemon it cannot be told whether rotatord wrote them. If not, the rotation "+
			"is refused: move them away, or set `existing: adopt` on sink %s", where, size, t.Sink)
	}
}

// mayBeOurs doubts what a target holds only where the daemon does.
func (o *online) mayBeOurs(s *config.Slot, t config.Target) func(secret.Value) bool {
	state := o.stateOf(s, t)
	return func(secret.Value) bool { return state != "never" && state != "changed" }
}

// stateOf is what the daemon says of a target; "" without a daemon.
func (o *online) stateOf(s *config.Slot, t config.Target) string {
	st, ok := o.known[s.Name()]
	if !ok {
		return ""
	}
	i := slices.IndexFunc(st.Sinks, func(ts slot.TargetStatus) bool { return ts.Sink == t.Sink && ts.Target == t.Target })
	if i < 0 {
		return ""
	}
	return st.Sinks[i].State
}

func (o *online) verdict() error {
	if o.bad == 0 {
		o.note("all is well")
		return nil
	}
	return fmt.Errorf("%s found", count(o.bad, "problem"))
}
