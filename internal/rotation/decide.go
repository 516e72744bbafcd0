package rotation

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// action is one kind of step.
type action uint8

const (
	doWait       action = iota // nothing to do before until (zero: before something happens)
	doSave                     // make memory durable
	doReserve                  // ask for a place in the budget
	doLook                     // see what targets hold, and perhaps whether they could be written
	doList                     // see what the relay accepts
	doProve                    // see that the account answers
	doFailed                   // an attempt failed on what was seen
	doMint                     // journal the intent, call Cloudflare, journal the value
	doDeliver                  // bring the value to targets
	doConclude                 // every required target holds the value
	doTrail                    // bring the value to optional targets, on the side
	doDrop                     // every target holds the value: forget it
	doBeginGrace               // no target serves an adopted token any more: its grace begins
	doRevoke                   // revoke an old token
	doSweepLost                // revoke the token of a lost mint
	doAdoptLost                // keep the token of a lost mint: a target may serve it
	doForgetLost               // a lost mint can no longer turn up
)

// step is what to do next with a slot, as data.
type step struct {
	do      action
	until   time.Time
	due     due      // mint
	targets []Target // look, deliver, trail
	depth   depth    // look
	token   Token    // beginGrace, revoke, sweepLost, adoptLost
	lost    LostMint // sweepLost, adoptLost, forgetLost
	expired bool     // revoke: it was dead already
	where   Step     // failed, list: what it is for
	err     error    // failed
}

func waitUntil(t time.Time) step { return step{do: doWait, until: t} }

// view is everything that a decision is made from.
type view struct {
	r     *Record
	p     *Plan // nil: the slot left the configuration
	o     *observed
	sinks map[string]bool // sinks of the configuration

	watchNext Moment // when targets are looked at again
	sights    places[sight]

	watched   bool          // targets were looked at once at least
	unseenFor time.Duration // for how long slots that were not looked at yet are waited for

	now     time.Time
	clock   Reading   // elapsed clock now
	boot    Reading   // elapsed clock when this process began
	since   time.Time // instants before it were missed: process start, or the end of a suspension
	stopped bool      // the journal cannot be written: mint nothing
}

// decide gives the next step for a slot. It is pure: the same record, plan,
// observations and time give the same step. The order of the parts is the order
// of the guarantees: what is under way is finished before anything new begins.
func decide(v *view) step {
	next := waitUntil(time.Time{})
	for _, part := range []func(*view) step{
		(*view).persist, (*view).trail, (*view).finish, (*view).begin,
		(*view).retire, (*view).sweep, (*view).watch,
	} {
		s := part(v)
		if s.do != doWait {
			return s
		}
		next.until = earliest(next.until, s.until)
	}
	return next
}

// persist catches the journal up after a write that failed.
func (v *view) persist() step {
	if !v.o.dirty {
		return step{}
	}
	if until := v.o.saveNext.Time(); v.now.Before(until) {
		return waitUntil(until)
	}
	return step{do: doSave}
}

// finish brings the value at hand to every required target.
func (v *view) finish() step {
	rot := v.r.Rotation
	if v.r.Attempt != nil || !v.r.unfinished() {
		return step{}
	}
	missing := v.missing(rot, true)
	if len(missing) == 0 {
		return step{do: doConclude}
	}
	if until, shut := v.r.waits(v.now); shut {
		return waitUntil(until)
	}
	if v.yields() {
		return step{}
	}
	if s, ok := v.resumed(missing); !ok {
		return s
	}
	if rot.Strategy == moq.Overlap && !within(v.o.confirmed.Time(), v.now, confirmFor) {
		return v.confirm(missing)
	}
	return v.deliver(missing)
}

// yields tells whether an unfinished rotation leaves the turn to a newer one.
// When that one just failed to start, the value at hand is still the best there is.
func (v *view) yields() bool {
	if v.o.gone == v.r.Rotation.ID {
		return true
	}
	if v.p == nil || v.superseded() == "" {
		return false
	}
	f := v.r.Failure
	return f == nil || f.Step != StepPreflight && f.Step != StepMint
}

// confirm looks which of the missing targets answer and whether the token is
// still accepted, before a dead one is brought to a consumer.
func (v *view) confirm(missing []Target) step {
	if s, ok := v.see(missing, reads); !ok {
		return s
	}
	if answering := v.answering(missing); len(answering) == 0 {
		return step{do: doFailed, where: StepDeliver, err: v.trouble(missing)}
	}
	return step{do: doList, where: StepDeliver}
}

// deliver goes to the required targets that miss the value, except those seen a
// moment ago not to answer; the optional ones are served on the side.
func (v *view) deliver(missing []Target) step {
	if answering := v.answering(missing); len(answering) > 0 {
		missing = answering
	}
	return step{do: doDeliver, targets: missing}
}

// begin starts a rotation that is due.
func (v *view) begin() step {
	d := v.due()
	if d.cause == "" || d.at.After(v.now) {
		return waitUntil(d.at)
	}
	if until, shut := v.r.waits(v.now); shut {
		return waitUntil(until)
	}
	if v.stopped || v.o.dirty {
		return step{}
	}
	if a := v.r.Attempt; a != nil {
		return v.secure(step{do: doMint, due: d}) // locked out already: nothing to look at first
	}
	for _, check := range []func(*view) (step, bool){(*view).room, (*view).known, (*view).settled, (*view).placesKnown} {
		if s, ok := check(v); !ok {
			return s
		}
	}
	return v.secure(v.preflight(v.prove(step{do: doMint, due: d})))
}

// secure puts the wait for the budget before s: what is seen before a mint must
// not be stale when its turn comes.
func (v *view) secure(s step) step {
	switch {
	case v.o.reserved:
		return s
	case v.o.reserving:
		return step{}
	}
	return step{do: doReserve}
}

// preflight puts a trial of every required target before s.
func (v *view) preflight(s step) step {
	targets := required(v.p.Targets)
	if s, ok := v.see(targets, tries); !ok {
		s.targets = append(s.targets, optional(v.p.Targets)...)
		return s
	}
	err := v.trouble(targets)
	if err != nil && v.r.unfinished() && len(v.answering(targets)) > 0 {
		return s // it takes the place of an unfinished one: for every sink that answers
	}
	if err != nil {
		return step{do: doFailed, where: StepPreflight, err: err}
	}
	return s
}

// othersSeen has all slots looked at once before anything is begun for a place that does not hold what the
// slot delivered there: under another name, it may be where another delivered last.
func (v *view) othersSeen(targets []Target) (step, bool) {
	if v.unseenFor <= 0 {
		return step{}, true
	}
	if s, ok := v.see(targets, probes); !ok {
		return s, false
	}
	for _, t := range targets {
		l := v.o.looks.at(t.Location)
		own := l.known && l.exists && v.r.Receipts.At(t.Location).shows(l.digest)
		if l.err == nil && !own && v.sights.at(t.Location).place != 0 {
			return waitUntil(v.now.Add(v.unseenFor)), false
		}
	}
	return step{}, true
}

// placesKnown waits before there is a place in the budget, which others could use meanwhile.
func (v *view) placesKnown() (step, bool) { return v.othersSeen(required(v.p.Targets)) }

// resumed has a delivery that another process began look first whose the places are. In a blackout
// nothing is waited for; what is written over is looked at then (Engine.overtaken).
func (v *view) resumed(missing []Target) (step, bool) {
	if v.r.Rotation.Strategy == moq.InPlace {
		return step{}, true
	}
	targets := missing
	if v.p != nil {
		targets = required(v.p.Targets)
	}
	if !v.watched {
		if s, ok := v.see(targets, probes); !ok {
			return s, false
		}
	}
	return v.othersSeen(missing)
}

// prove puts proof that calls reach Cloudflare before the rotate call that begins a
// rotation: behind a wrong address or a portal its answer would prove nothing, and the
// consumers would count as locked out.
func (v *view) prove(s step) step {
	if v.p.Strategy != moq.InPlace || within(v.o.proved.Time(), v.now, provenFor) {
		return s
	}
	return step{do: doProve}
}

// room keeps a slot at three tokens: a fourth waits for the oldest grace to end.
func (v *view) room() (step, bool) {
	if v.p.Strategy != moq.Overlap {
		return step{}, true
	}
	if v.dead() {
		return step{do: doRevoke, token: *v.r.Served, expired: true}, false
	}
	held, waiting := v.held(), false
	for _, t := range v.r.Old {
		waiting = waiting || !t.Retire.IsZero()
	}
	switch {
	case held < slotTokens:
		return step{}, true
	case waiting:
		return step{}, false // retire says until when
	}
	return step{do: doFailed, where: StepPreflight, err: errThree}, false
}

var errThree = fault.Newf(fault.Retry, fault.Full, "start rotation", "",
	"the slot has three tokens, and none can be revoked while a required sink may still serve it").
	WithHint("bring the sink back, or take it out of the configuration")

// dead tells whether the served token has expired and its place is needed.
func (v *view) dead() bool {
	t := v.r.Served
	return t != nil && t.ID != "" && t.expired(v.now) && !v.now.Before(v.o.retireNext.Time()) && (v.p == nil || v.o.full || v.held() >= slotTokens)
}

func (t *Token) expired(now time.Time) bool { return t.Expires != 0 && !now.Before(t.Expires.Time()) }

// held counts the slot's tokens that Cloudflare may accept, without those that
// are left to expire.
func (v *view) held() int {
	n := 0
	if v.r.Served != nil && v.r.Served.ID != "" {
		n++
	}
	if v.r.unfinished() && v.r.Rotation.Token.ID != "" {
		n++
	}
	for i := range v.r.Old {
		if t := &v.r.Old[i]; !t.NotOurs && !v.left(t) {
			n++
		}
	}
	return n
}

// known lists the relay when the next steps need to know what it accepts.
func (v *view) known() (step, bool) {
	if v.o.full && slices.ContainsFunc(v.r.Old, func(t Token) bool { return t.expired(v.now) }) {
		if s := v.retire(); s.do != doWait {
			return s, false
		}
	}
	need := len(v.r.Lost) > 0 || v.p.Matching || v.o.full
	if !need || v.p.Strategy != moq.Overlap || v.o.listing.fresh(v.now) {
		return step{}, true
	}
	return step{do: doList, where: StepPreflight}, false
}

// settled deals with the tokens of lost mints before another one is minted.
func (v *view) settled() (step, bool) {
	if v.p.Strategy != moq.Overlap {
		return step{}, true
	}
	return v.settle()
}

// settle revokes the listed token of a lost mint, if no required target can have
// served it; else it is kept until its grace has passed. After a revocation that failed
// it waits like any other.
func (v *view) settle() (step, bool) {
	if !v.o.listing.fresh(v.now) {
		return step{}, true
	}
	for _, l := range v.r.Lost {
		t, ok := v.o.listing.byLabel(l.Label)
		if !ok {
			continue
		}
		tok := Token{ID: t.ID, RotationID: l.RotationID, Created: MomentOf(t.Created), Expires: MomentOf(t.Expires)}
		if until := v.o.retireNext.Time(); v.now.Before(until) {
			return waitUntil(until), false
		}
		if !l.Crashed { // its value never came: no target can have it
			return step{do: doSweepLost, lost: l, token: tok}, false
		}
		if s, ok := v.see(v.holders(), reads); !ok {
			return s, false
		}
		if v.everyHolder(func(h Target) bool { return v.untouched(h, &tok) }) {
			return step{do: doSweepLost, lost: l, token: tok}, false
		}
		return step{do: doAdoptLost, lost: l, token: tok}, false
	}
	return step{}, true
}

// untouched tells whether a target cannot have got the token: it is seen to hold
// what was delivered last, nothing when nothing was, or another listed token.
func (v *view) untouched(h Target, t *Token) bool {
	l, rc := v.o.looks.at(h.Location), v.r.Receipts.At(h.Location)
	switch {
	case l.err != nil || !l.known:
		return false
	case v.o.listing.shows(l):
		return !slices.Contains(l.ids, t.ID)
	case !l.exists:
		return rc.RotationID == ""
	}
	return rc.RotationID != "" && rc.RotationID != t.RotationID && driftOf(rc, l) == ""
}

// lacks tells whether a target is seen not to hold the token now, whatever it held before.
func (v *view) lacks(h Target, t *Token) bool {
	l := v.o.looks.at(h.Location)
	shown := func(d []byte) bool { return bytes.Equal(d, l.digest) }
	gone := !l.exists || len(t.Held) > 0 && !slices.ContainsFunc(t.Held, shown)
	return l.err == nil && l.known && gone || v.untouched(h, t)
}

func (v *view) everyHolder(ok func(Target) bool) bool {
	return !slices.ContainsFunc(v.holders(), func(h Target) bool { return !ok(h) })
}

// retire revokes an old token that has expired, or whose grace has ended and
// that no required target can be serving.
func (v *view) retire() step {
	if v.p == nil && v.dead() {
		return step{do: doRevoke, token: *v.r.Served, expired: true}
	}
	var next time.Time
	if sv := v.r.Served; v.p == nil && sv != nil && sv.ID != "" {
		next = sv.Expires.Time() // nobody renews it any more
	}
	for i := range v.r.Old {
		t := &v.r.Old[i]
		at, expired := v.ends(t)
		if at.IsZero() || at.After(v.now) {
			next = earliest(next, at)
			continue
		}
		if until := v.o.retireNext.Time(); v.now.Before(until) {
			return waitUntil(until)
		}
		if v.o.dirty {
			return step{}
		}
		if expired {
			return step{do: doRevoke, token: *t, expired: true}
		}
		if s := v.letGo(t); s.do != doWait {
			return s
		}
	}
	return waitUntil(next)
}

// letGo takes an old token a step on its way out: one whose grace has ended, or
// an adopted one, which has none yet.
func (v *view) letGo(t *Token) step {
	succeeded := func(h Target) bool { return v.r.Receipts.At(h.Location).RotationID > t.RotationID }
	switch {
	case t.Retire.IsZero(): // adopted
		return v.discard(step{do: doBeginGrace, token: t.withGrace(v.grace(), MomentOf(v.now), v.clock)})
	case v.everyHolder(succeeded):
		return v.release(t)
	case v.r.Served != nil && v.r.Served.RotationID > t.RotationID && !v.cramped():
		return step{} // the rotation that brings the others a successor comes first
	}
	return v.discard(step{do: doRevoke, token: *t})
}

// discard takes the step when no required target is seen to serve its token. One that
// was adopted may have been served until now: its grace begins. Where one may serve
// it, the rotation that its drift calls for comes first.
func (v *view) discard(then step) step {
	if s, ok := v.seeHolders(); !ok {
		return s
	}
	if !v.everyHolder(func(h Target) bool { return v.lacks(h, &then.token) }) {
		return step{}
	}
	return then
}

// seeHolders looks at the required targets before a token goes; all must answer.
func (v *view) seeHolders() (step, bool) {
	holders := v.holders()
	if s, ok := v.see(holders, reads); !ok {
		return s, false
	}
	if err := v.trouble(holders); err != nil {
		return step{do: doFailed, where: StepRetire, err: err}, false
	}
	return step{}, true
}

// grace is that of the configuration, or of the last rotation of a slot that left it.
func (v *view) grace() time.Duration {
	switch {
	case v.p != nil:
		return v.p.Grace
	case v.r.Rotation != nil:
		return v.r.Rotation.Grace
	}
	return 0
}

// ends is when a token may be revoked if no target serves it; zero: not known yet.
func (v *view) ends(t *Token) (at time.Time, expired bool) {
	if t.expired(v.now) || v.left(t) {
		return t.Expires.Time(), true
	}
	switch unfinished := v.r.unfinished(); {
	case unfinished && v.r.Rotation.Regrace && !t.Forced, t.Retire.IsZero() && (unfinished || v.r.Attempt != nil):
		return time.Time{}, false
	case t.Retire.IsZero():
		return v.now, false // adopted from a lost mint after the last rotation
	}
	if q := v.r.Request; q != nil && q.Compromised && !t.NotOurs && v.held() >= slotTokens {
		return v.now, false // a compromised slot has no graces: make room
	}
	return later(t.Retire.Time(), v.now.Add(v.elapses(t))), false
}

// elapses is how much of a token's grace has still to pass on the elapsed-time
// clock. Readings of another boot say nothing; then a short wait gives the wall
// clock time to be set.
func (v *view) elapses(t *Token) time.Duration {
	if t.Clock.Boot == v.clock.Boot {
		return max(0, t.Grace-(v.clock.Elapsed-t.Clock.Elapsed))
	}
	return max(0, min(t.Grace, otherBootWait)-(v.clock.Elapsed-v.boot.Elapsed))
}

// left tells whether a target that is no longer configured may hold the token:
// it is left to expire.
func (v *view) left(t *Token) bool {
	if t.Forced || t.RotationID == "" || v.p == nil {
		return false
	}
	for _, rc := range v.r.Receipts {
		held := rc.RotationID == t.RotationID || rc.Maybe == t.RotationID
		if held && !v.p.has(rc.Location) {
			return true
		}
	}
	return false
}

// release checks that every required target still holds a successor, then revokes.
func (v *view) release(t *Token) step {
	if !v.verifies() {
		return step{do: doRevoke, token: *t}
	}
	if s, ok := v.seeHolders(); !ok {
		return s
	}
	for _, h := range v.holders() {
		l := v.o.looks.at(h.Location)
		kind := driftOf(v.r.Receipts.At(h.Location), l)
		if kind != "" && (v.succeeded(t, l) || v.cramped() && v.lacks(h, t)) {
			continue
		}
		if kind != "" || !l.known {
			return step{do: doFailed, where: StepRetire, err: errServed(h, kind)}
		}
	}
	return step{do: doRevoke, token: *t}
}

// succeeded tells whether a target shows a newer token of the slot than t, though
// another than is known to have been delivered there.
func (v *view) succeeded(t *Token, l look) bool {
	newer := func(o *Token) bool { return o.RotationID > t.RotationID && slices.Contains(l.ids, o.ID) }
	return v.r.Served != nil && newer(v.r.Served) || slices.ContainsFunc(v.r.Old, func(o Token) bool { return newer(&o) })
}

// cramped tells whether a rotation that is due has no room: then a target that was
// wiped, overwritten or gained would stay so for ever, because no old token could go.
func (v *view) cramped() bool {
	return v.isDue() && v.held() >= slotTokens
}

func errServed(t Target, kind driftKind) error {
	return fault.Newf(fault.Retry, fault.Mismatch, "retire old token", t.Sink+" "+t.Target,
		"the target is %s since the last delivery", orElse(string(kind), "unreadable")).
		WithHint("the old token stays until the target is known to hold a newer one")
}

// holders are the required targets that must hold a successor before a token goes.
func (v *view) holders() []Target {
	if v.p != nil {
		return required(v.p.Targets)
	}
	if v.r.Rotation == nil {
		return nil
	}
	return slices.DeleteFunc(required(v.r.Rotation.Targets), func(t Target) bool { return !v.sinks[t.Sink] })
}

func (v *view) verifies() bool {
	if v.p != nil {
		return v.p.Verify
	}
	return v.r.Rotation != nil && v.r.Rotation.Verify
}

// sweep looks for the tokens of lost mints again and again for a day.
func (v *view) sweep() step {
	if len(v.r.Lost) == 0 || v.o.dirty {
		return step{}
	}
	if until := v.o.sweepNext.Time(); v.now.Before(until) {
		return waitUntil(until)
	}
	if s, ok := v.settle(); !ok {
		return s
	}
	var next time.Time
	for _, l := range v.r.Lost {
		end := l.At.Add(lostFor)
		if v.o.swept.Time().After(end) {
			return step{do: doForgetLost, lost: l}
		}
		next = earliest(next, sweepAt(l, v.o.swept.Time()))
	}
	if !next.After(v.now) {
		return step{do: doList, where: StepRetire}
	}
	return waitUntil(next)
}

// sweepAt doubles the time between two looks for a lost mint, up to the last one after a day.
func sweepAt(l LostMint, swept time.Time) time.Time {
	gap := max(time.Minute, 2*swept.Sub(l.At))
	return l.At.Add(min(gap, lostFor+time.Second))
}

// trail serves optional targets beside the required ones, waiting for none, and
// forgets the value when all have it.
func (v *view) trail() step {
	rot := v.r.Rotation
	if rot == nil || len(rot.Sealed) == 0 || v.r.Attempt != nil {
		return step{}
	}
	missing := v.missing(rot, false)
	if v.o.gone == rot.ID || len(missing) == 0 {
		if rot.Phase == Verified && len(rot.Sealed) > 0 {
			return step{do: doDrop}
		}
		return step{}
	}
	var next time.Time
	missing = slices.DeleteFunc(missing, func(t Target) bool {
		at := v.o.trailNext.at(t.Location).next.Time()
		if at.After(v.now) {
			next = earliest(next, at)
		}
		return at.After(v.now) || v.o.trailing.at(t.Location)
	})
	if len(missing) > 0 {
		return step{do: doTrail, targets: missing}
	}
	return waitUntil(next)
}

// watch compares every target with what was delivered, at start and at every
// probe interval.
func (v *view) watch() step {
	if v.p == nil || v.r.unfinished() || v.r.Attempt != nil {
		return step{}
	}
	if until := v.watchNext.Time(); v.now.Before(until) {
		return waitUntil(until)
	}
	return step{do: doLook, targets: v.p.Targets, depth: probes}
}

// see asks for a look at those targets of which there is no fresh one.
func (v *view) see(targets []Target, depth depth) (step, bool) {
	unseen := slices.DeleteFunc(slices.Clone(targets), func(t Target) bool {
		l := v.o.looks.at(t.Location)
		return l.fresh(v.now) && l.depth >= depth
	})
	if len(unseen) == 0 {
		return step{}, true
	}
	return step{do: doLook, targets: unseen, depth: depth}, false
}

// trouble is what the looks at targets found wrong; nil when nothing.
func (v *view) trouble(targets []Target) error {
	var errs []error
	for _, t := range targets {
		if err := v.o.looks.at(t.Location).err; err != nil {
			errs = append(errs, err)
		}
	}
	return joined(errs)
}

func (v *view) answering(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return v.o.looks.at(t.Location).err != nil })
}

// missing are the targets of a rotation, required or optional, that are still
// configured and not known to hold its value.
func (v *view) missing(rot *Rotation, required bool) []Target {
	var out []Target
	for _, t := range rot.Targets {
		t = v.resolve(t)
		if t.Required == required && v.sinks[t.Sink] && v.r.Receipts.At(t.Location).RotationID != rot.ID {
			out = append(out, t)
		}
	}
	return out
}

// resolve finds a place under its present sink name: renaming a sink changes nothing.
func (v *view) resolve(t Target) Target {
	if v.p == nil {
		return t
	}
	if i := indexOf(v.p.Targets, t.Location); i >= 0 {
		t.Sink, t.Target = v.p.Targets[i].Sink, v.p.Targets[i].Target
	}
	return t
}

func required(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return !t.Required })
}

func optional(targets []Target) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Required })
}

// joined makes one error of several, keeping the class and reason of the first, the
// longest wait that was asked for, and whose each is.
func joined(errs []error) error {
	if len(errs) <= 1 {
		if len(errs) == 0 {
			return nil
		}
		return errs[0]
	}
	texts := make([]string, len(errs))
	var after time.Duration
	var sakes []sake
	for i, err := range errs {
		texts[i], after, sakes = err.Error(), max(after, fault.Of(err).After), append(sakes, sakesOf(err)...)
	}
	first := fault.Of(errs[0])
	all := fault.Newf(first.Class, first.Reason, "", "", "%s", strings.Join(texts, "; "))
	all.After = after
	return &partyError{all, sakes}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
