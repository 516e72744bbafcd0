package rotation

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// The oracle: it knows what Cloudflare accepts and what each sink holds, and
// says when a promise is broken, at the very call that breaks it.

// onMint: the intent is durable before the call, and the rotation could be delivered.
func (w *world) onMint(label string) {
	r := w.disk.record()
	if r == nil || r.PendingMint == nil {
		w.breaks("1: a mint is called without a durable intent")
		return
	}
	w.mints[r.PendingMint.ID] = w.truth()
	if label != "" && !w.labels(label, r.PendingMint.ID) {
		w.breaks("1: the label %s is not that of the durable intent %s", label, r.PendingMint.ID)
	}
	if more := len(w.relay.own()) - slot.MaxTokens - w.strays(); w.plan.Strategy == moq.Overlap && !w.removed && !w.forgetful {
		if more > 0 || more == 0 && !w.mayHaveFourth(r.PendingMint) {
			w.breaks("6: a fourth token is minted")
		}
	}
	if rot := r.Rotation; rot != nil && rot.Phase == slot.Minted && !w.mayReplace(r) {
		w.breaks("3: a rotation is started while one is unfinished")
	}
	if r.Rotation == nil || r.Rotation.Phase != slot.Minted {
		w.mintableNow(r)
	}
	if r.PendingMint.Cause == slot.CauseDrift && !w.drifted(r) {
		w.breaks("8: a token is burnt though every required sink holds what was delivered")
	}
}

// drifted reports whether a required sink does not hold what was delivered there.
func (w *world) drifted(r *slot.Record) bool {
	s := w.engine.slots.workerOf(testKey)
	return slices.ContainsFunc(slot.RequiredOf(w.plan.Targets), func(t slot.Target) bool {
		sink := w.sinks[t.Sink]
		return sink.content == "" || !r.Receipts.At(t.Location).Matches(s.digest(sink.holding().Content))
	})
}

// mayHaveFourth reports whether nobody asked for a rotation by hand, and no required sink holds a token that is accepted.
func (w *world) mayHaveFourth(a *slot.Rotation) bool {
	serves := func(t slot.Target) bool {
		s := w.sinks[t.Sink]
		return t.Required && (s.down || w.relay.accepts(s.content))
	}
	return a.Cause != slot.CauseRequested && a.Cause != slot.CauseCompromised && !slices.ContainsFunc(w.plan.Targets, serves)
}

// labels reports whether a label is that of an attempt, under a name that the installation has or had.
func (w *world) labels(label, id string) bool {
	return slices.ContainsFunc(w.names, func(name string) bool { return label == moq.Label(name, id) })
}

// onRotate: a call that may lock consumers out goes where calls are known to reach
// Cloudflare, unless they are locked out already.
func (w *world) onRotate() {
	r := w.disk.record()
	if r == nil || r.PendingMint == nil || !r.PendingMint.LostAt.IsZero() {
		return
	}
	if ago := w.truth() - w.relay.answered; ago > time.Minute {
		w.breaks("5: a rotation begins though the account has not answered for %s", ago)
	}
}

// onCall: while the value that is accepted has not come back, the journal knows that
// consumers may be locked out.
func (w *world) onCall() {
	for _, id := range w.engine.lists.namesakeTokens(testKey.OfRelay()) {
		if id != namesakesToken {
			w.breaks("7: a token of ours is taken for one of another installation")
		}
	}
	r := w.disk.record()
	if !w.relay.unknown || w.forgetful || r == nil {
		return
	}
	if r.PendingMint == nil && (r.Rotation == nil || r.Rotation.LostAt.IsZero()) {
		w.breaks("5: a rotate call may have been carried out, and the journal does not know")
	}
}

// strays counts tokens that may stand beside the three: those of lost mints, until they are found, and those that a
// target which left may hold, which are left to expire.
func (w *world) strays() int {
	n := 0
	r := w.disk.record()
	for _, t := range w.relay.own() {
		lost := slices.ContainsFunc(r.Orphans, func(l slot.Orphan) bool { return l.Label == t.Label })
		left := slices.ContainsFunc(r.Receipts, func(rc slot.Receipt) bool {
			return !w.plan.Delivers(rc.Location) && strings.HasSuffix(t.Label, rc.RotationID)
		})
		if lost || left {
			n++
		}
	}
	return n
}

func (w *world) mayReplace(r *slot.Record) bool {
	tok := r.Rotation.Token
	compromised := r.Request != nil && r.Request.Compromised
	_, listed := w.relay.byID(tok.ID)
	return compromised || !tok.BeforeRenewal(w.theirs()) || w.tellTime().Now.IsZero() && !tok.BeforeRenewal(w.now) || tok.ID != "" && !listed || w.identityLost || tok.ID == "" && (w.unknownServed(r) || w.nothingServed(r))
}

// nothingServed: no target tells anything of an in_place value that is no longer new, in true time, since the wall clock may
// have been set since it was minted, and since it was given up; or by the wall clock, of either replica, which has to do
// where nothing else tells.
func (w *world) nothingServed(r *slot.Record) bool {
	old := w.truth()-w.mints[r.Rotation.ID] > 10*time.Minute || !slot.Within(r.Rotation.MintedAt.Time(), w.now, 10*time.Minute)
	return (old || w.hasWrongClock()) && !slices.ContainsFunc(w.plan.Targets, func(t slot.Target) bool { return w.sinks[t.Sink].content != "" })
}

// unknownServed: an in_place target holds what the journal knows nothing of, so that the value at hand may be the older
// one; or a store that may answer stale says so. To ask it again ten seconds later would make a blackout so much longer.
func (w *world) unknownServed(r *slot.Record) bool {
	s := w.engine.slots.workerOf(testKey)
	for _, t := range w.plan.Targets {
		sink := w.sinks[t.Sink]
		unknown := func(content string) bool {
			return content != "" && !bytes.Equal(s.digest(secret.New(content)), r.Receipts.At(t.Location).Digest)
		}
		if unknown(sink.content) || sink.standby && unknown(sink.former) {
			return true
		}
	}
	return false
}

// mintableNow: no mint while a required sink is known to be down, unless consumers are locked out already, or
// soon will be that another sink can save.
func (w *world) mintableNow(r *slot.Record) {
	if !r.PendingMint.LostAt.IsZero() {
		return
	}
	down := func(t slot.Target) bool { return t.Required && w.sinks[t.Sink].down }
	answers := slices.ContainsFunc(w.plan.Targets, func(t slot.Target) bool { return t.Required && !w.sinks[t.Sink].down })
	if i := slices.IndexFunc(w.plan.Targets, down); i >= 0 && !(answers && w.nearsExpiry(r.Current)) {
		w.breaks("4: a mint is called while %s is down", w.plan.Targets[i].Sink)
	}
}

// nearsExpiry reports whether a third of a served token's life is left at most.
func (w *world) nearsExpiry(t *slot.Token) bool {
	if w.plan.Strategy != moq.Overlap || t == nil {
		return false
	}
	return 3*t.Expires.Time().Sub(w.theirs()) <= t.Expires.Time().Sub(t.Created.Time())
}

// mustServeSoon: a sink that answers holds a living token, whatever is the matter with others; at least once a
// wait after a failure is over, where a place had to be waited for.
func (w *world) mustServeSoon(sink string) {
	s := w.sinks[sink]
	if !w.relay.accepts(s.content) {
		w.calmly(5 * time.Minute)
	}
	if !w.relay.accepts(s.content) {
		w.breaks("4: %s, which answers, holds a dead value %q", sink, s.content)
	}
}

// onWrite: what is brought to a sink is durable, sealed, and alive.
func (w *world) onWrite(s *fakeSink, value string) {
	r := w.disk.record()
	if !w.disk.failedOnce && (r == nil || r.Rotation == nil || len(r.Rotation.Sealed) == 0) {
		w.breaks("1: a value goes to %s before it is durable", s.name)
	}
	w.onUnknown(s, value)
	w.onOdd(s, value)
	if w.plan.Strategy == moq.Overlap && !w.relay.accepts(value) {
		w.deadWrite(s, value)
	}
	if w.plan.Strategy == moq.InPlace && !w.relay.accepts(value) && len(w.relay.late) == 0 {
		w.breaks("1: a dead value goes to %s", s.name) // that a lost call commits late cannot be known
	}
}

// onUnknown: a value that relays do not know yet goes to no consumer who has one that works, unless that is known to
// others.
func (w *world) onUnknown(s *fakeSink, value string) {
	rot := w.rec().Rotation
	if w.relay.knows(value) || rot == nil || rot.Cause == slot.CauseCompromised {
		return
	}
	for _, t := range w.plan.Targets {
		if o := w.sinks[t.Sink]; t.Required && o != nil && w.works(o.content) && o.content != value {
			w.breaks("2: %s is given a token that is refused yet, and %s serves one that works", s.name, o.name)
		} else if !t.Required && o == s {
			w.breaks("2: the optional %s is given a token that is refused yet", s.name)
		}
	}
}

// onOdd: a value that claims another id goes nowhere the first time, and a token that lives too short to where none
// works that lives longer.
func (w *world) onOdd(s *fakeSink, value string) {
	if value == w.relay.refused {
		w.breaks("5: %s is given a value that claims another id", s.name)
	}
	served := w.rec().Current
	if value != w.relay.short || served == nil || w.rec().Rotation.Cause == slot.CauseCompromised {
		return
	}
	if t, ok := w.relay.byID(served.ID); ok && t.Expires.Sub(w.theirs()) > time.Hour {
		w.breaks("4: %s is given a token that ends before the one that is served", s.name)
	}
}

// works reports whether a content may be a token that works: somebody else's is not known to be none.
func (w *world) works(content string) bool {
	_, ours := w.relay.made[content]
	return content != "" && (!ours || w.relay.accepts(content))
}

// deadWrite: a value whose token is gone for sure goes nowhere; one of which a list makes that probable does not
// go over a living value that the journal does not know, and one that our clock does not know to have expired over none.
func (w *world) deadWrite(s *fakeSink, value string) {
	if w.livesByOurClock(value) && !w.works(s.content) {
		return
	}
	if !w.relay.justRevoked(value, w.theirs()) && !w.relay.mayBeThere(value, w.theirs()) {
		w.breaks("4: a dead value goes to %s", s.name)
	}
	if w.relay.accepts(s.content) && w.unknownServed(w.disk.record()) {
		w.breaks("4: a dead value goes to %s over a living one that the journal does not know", s.name)
	}
}

// livesByOurClock reports whether a token has expired, and not so by our clock.
func (w *world) livesByOurClock(value string) bool {
	return slices.ContainsFunc(w.relay.tokens, func(t moq.Token) bool { return t.Value.Reveal() == value && w.now.Before(t.Expires) })
}

// onSave: no answer has anybody wait for longer than a backoff, or a block of Cloudflare's, lasts.
func (w *world) onSave(r *slot.Record) {
	w.onMet(r)
	if before := w.disk.record(); r.Rotation != nil && (before == nil || before.Rotation == nil || before.Rotation.ID != r.Rotation.ID) {
		w.onFresh()
		w.onBegun(r.Rotation)
	}
	f := r.Failure
	if f == nil || !f.At.Equal(w.now) {
		return // it was saved before, and perhaps before a blackout began
	}
	longest := 5 * time.Minute
	attempt, rot := r.PendingMint, r.Rotation
	if attempt != nil && attempt.Strategy == moq.InPlace || rot != nil && rot.Strategy == moq.InPlace && rot.Phase == slot.Minted {
		longest = 10 * time.Second
	}
	if f.Stage == slot.StageMint && f.Reason == "rate_limited" {
		longest = 10 * time.Minute
	}
	if wait := f.Next.Sub(f.At); wait > longest {
		w.breaks("11: after a failure at %s the slot waits for %s", f.Stage, wait)
	}
}

// onMet: a schedule fires once for an instant that has come, however often the clock shows it.
func (w *world) onMet(r *slot.Record) {
	rot := r.Rotation
	if rot == nil || rot.Phase != slot.Verified || rot.Cause != slot.CauseSchedule || !rot.Finished.Time().Equal(w.now) || w.forgetful {
		return
	}
	before := w.disk.record()
	if before == nil || before.Rotation == nil || before.Rotation.ID != rot.ID || before.Rotation.Phase == slot.Verified {
		return
	}
	if w.met[rot.MeetsThrough] && !w.tellTime().Now.IsZero() {
		w.breaks("12: the schedule fires again for %s", rot.MeetsThrough.Time().Format(time.DateTime))
	}
	w.met[rot.MeetsThrough] = !rot.MeetsThrough.Time().After(w.theirs())
}

// onFresh: no clock has a slot mint again and again.
func (w *world) onFresh() {
	w.fresh = append(w.fresh, w.truth())
	if n := len(w.fresh); n > mostFresh && w.truth()-w.fresh[n-1-mostFresh] < 10*time.Minute {
		w.breaks("12: more than %d values are minted within ten minutes", mostFresh)
	}
}

// mostFresh values may come within ten minutes, of lost calls and of what is asked for.
const mostFresh = 8

// nobodyIsLockedOut: two minutes after the end of all trouble consumers have a value that is accepted, though a clock was
// set. How long other trouble may have them wait, other promises say.
func (w *world) nobodyIsLockedOut() {
	if w.steps == clockSteps() || w.hasNoRoom() {
		return
	}
	for _, t := range w.plan.Targets {
		if s := w.sinks[t.Sink]; t.Required && !w.relay.accepts(s.content) {
			w.breaks("12: the consumers of %s are still locked out: %s", s.name, w.describe())
		}
	}
}

// hasNoRoom reports whether four tokens are there, and no other can be minted before a grace ends: one or two are of a
// mint whose answer was lost, or a target holds the fourth, of which a full journal was not told.
func (w *world) hasNoRoom() bool {
	labels := map[string]bool{}
	for _, t := range w.relay.own() {
		labels[t.Label] = true
	}
	isServed := func(t slot.Target) bool { return w.relay.accepts(w.sinks[t.Sink].content) }
	full := len(w.relay.own()) > slot.MaxTokens
	return w.hadFour || full && (len(labels) == slot.MaxTokens || slices.ContainsFunc(w.plan.Targets, isServed))
}

// mustNotWait: nobody waits for the sake of somebody who is back, but for as long as a 429 has asked for.
func (w *world) mustNotWait(p upstream) {
	r := w.rec()
	if r.Failure != nil && fault.Reason(r.Failure.Reason) == fault.RateLimited {
		return
	}
	if r.Failure != nil && r.Failure.Next.After(w.now) && slices.ContainsFunc(w.engine.slots.workerOf(testKey).ensureNotes().blames, func(k blame) bool { return k.down && k.forReads() == p }) {
		w.breaks("10: the slot waits until %s for %+v, who is back", r.Failure.Next.Format(time.TimeOnly), p)
	}
}

// mustTellNoFormerFailure: nothing is told of a target that is not delivered to any more.
func (w *world) mustTellNoFormerFailure() {
	f := w.rec().Failure
	if f != nil && slices.ContainsFunc(f.Locations, func(l string) bool { return !w.plan.Delivers(l) }) {
		w.breaks("13: a failure is told of %s, which left: %s", f.Locations, f.Message)
	}
}

// onRevoke: nobody else's token, and none that a consumer may rightly hold.
func (w *world) onRevoke(id string) {
	if id == foreignToken && !w.plan.Matching {
		w.breaks("7: somebody else's token is revoked")
	}
	if id == neighbourToken {
		w.breaks("7: another slot's token is revoked")
	}
	t, ok := w.relay.byID(id)
	if owner, labelled := moq.LabelInstance(t.Label); labelled && !slices.Contains(w.names, owner) {
		w.breaks("7: another installation's token is revoked")
	}
	if id == namesakesToken && t.Created.Sub(w.opened) > time.Minute {
		w.breaks("7: a token of another living installation that has our name is revoked")
	}
	if !ok || !w.theirs().Before(t.Expires) {
		return
	}
	w.mustNotHold(t)
	for _, tg := range w.plan.Targets {
		s := w.sinks[tg.Sink]
		if s == nil || !tg.Required {
			continue
		}
		if s.content == t.Value.Reveal() {
			w.breaks("2: the token that %s serves is revoked", s.name)
		}
		if w.served(t.Value.Reveal()) && !w.relay.knows(s.content) {
			w.breaks("2: a token is revoked though that of %s is refused yet", s.name)
		}
		if gone := s.left[t.Value.Reveal()]; gone > 0 && w.truth()-gone < w.plan.Grace && !w.compromised {
			w.breaks("2: a token is revoked %s after it left %s; the grace is %s", w.truth()-gone, s.name, w.plan.Grace)
		}
	}
}

// served reports whether a sink has held a value.
func (w *world) served(value string) bool {
	for _, s := range w.sinks {
		if s.left[value] > 0 {
			return true
		}
	}
	return false
}

// atRest: after trouble has ended and time has passed, everything is right.
func (w *world) atRest() {
	r := w.disk.record()
	if r == nil || r.PendingMint != nil || r.Rotation == nil || r.Rotation.Phase != slot.Verified || r.Failure != nil {
		w.breaks("1: the slot found no rest: %s", w.describe())
		return
	}
	for _, t := range w.plan.Targets {
		s := w.sinks[t.Sink]
		if !w.relay.accepts(s.content) {
			w.breaks("1: %s holds a dead value %q", s.name, s.content)
		}
		if s.content != w.sinks[w.plan.Targets[0].Sink].content {
			w.breaks("8: the sinks differ: %s", w.describe())
		}
	}
	if len(r.Rotation.Sealed) > 0 {
		w.breaks("1: a sealed value is kept though every sink holds it")
	}
	if own := w.relay.own(); w.plan.Strategy == moq.Overlap && len(own) != 1 && !w.forgetful {
		w.breaks("6: %d tokens are left at rest: %s", len(own), w.describe())
	}
	if next := w.status().NextRotation; w.plan.Schedule != nil && (next.After(w.now.Add(24*time.Hour+metAhead(r, w.now))) || next.Before(w.now.Add(-time.Minute))) {
		w.breaks("12: the next run is at %s: %s", next.Format(time.DateTime), w.describe())
	}
	if _, ok := w.relay.byID(foreignToken); !ok && !w.plan.Matching {
		w.breaks("7: somebody else's token is gone")
	}
}

// metAhead is how far ahead the instant is that was met last: a clock that was three hours ahead showed it too early, and
// the one after it is next.
func metAhead(r *slot.Record, now time.Time) time.Duration {
	return max(0, min(r.MetThrough.Time().Sub(now), 3*time.Hour))
}

func (w *world) describe() string {
	out := fmt.Sprintf("now %s; disk %s;", w.now.Format(time.DateTime), w.disk.bytes())
	for _, name := range slices.Sorted(maps.Keys(w.sinks)) {
		out += fmt.Sprintf(" %s=%q", name, w.sinks[name].content)
	}
	for _, t := range w.relay.own() {
		out += fmt.Sprintf(" token %s label %s expires %s", t.Value.Reveal(), t.Label, t.Expires.Format(time.DateTime))
	}
	return out
}
