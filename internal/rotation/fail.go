package rotation

import (
	"errors"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
)

// failInternally turns a bug into one slot's failure: the others go on.
func (w *worker) failInternally(what string) time.Time {
	w.log().Error("internal error; the slot is tried again later", zap.String("error", what), zap.ByteString("stack", debug.Stack()))
	w.noteFailure(slot.StagePreflight, fault.Newf(fault.Retry, fault.Internal, "rotate", "", "internal error: %s", what))
	return w.engine.now().Add(time.Minute)
}

// noteFailure records one failed attempt, of targets if it failed on some, and when the next is made. One to retire is
// put off by itself (failRetirement), and is no part of the slot's Failure. What was cut short for something more
// urgent, or by a stop, is no failure.
func (w *worker) noteFailure(where slot.Stage, err error, of ...slot.Target) {
	switch {
	case errors.Is(err, errPreempted):
		return
	case w.engine.isCutOff():
		w.keepOutcome()
		return
	case w.engine.mayLead() != nil:
		w.locked(func() { w.ensureNotes().Unsaved = true }) // it is saved if the lease is confirmed anew
		return
	// Held back though nobody else can lead: etcd did not prove the term. Of a mint that is a failure, and told as one.
	case fault.IsHeldBack(err) && where != slot.StageMint:
		return
	}
	f := fault.Of(err)
	w.locked(func() {
		w.cancelReservation()
		w.forgetInspections()
		err = w.correctHint(where, err)
	})
	if where == slot.StageRetire {
		w.failRetirement(string(f.Reason), err, len(of) > 0)
		return
	}
	w.failAttempt(where, f, err, of)
}

// isNoFailure reports whether an error is of what was cut short for something more urgent, or is left to another replica.
func isNoFailure(err error) bool { return errors.Is(err, errPreempted) || fault.IsHeldBack(err) }

// keepOutcome saves what came of a call that was cut off; the next start makes it at once, as nothing failed.
func (w *worker) keepOutcome() {
	if !w.engine.isHalted() { // else the journal takes nothing more
		_ = w.save()
	}
}

// failRetirement puts the slot's retirements off; its rotations are not held up.
func (w *worker) failRetirement(reason string, err error, ofTarget bool) {
	var account string
	var next time.Time
	w.locked(func() { account, next = w.accountName(), w.postponeRetirement(err, ofTarget) })
	w.engine.Observer.AttemptFailed(account, slot.StageRetire, reason)
	w.log().Warn("retirement failed", zap.String("step", string(slot.StageRetire)),
		zap.String("reason", reason), zap.Error(err), zap.Time("next_attempt", next))
	w.awaitUpstreams(blamesOf(err))
}

// postponeRetirement counts a failed retirement, and returns when the next is tried; w.mu is held.
func (w *worker) postponeRetirement(err error, ofTarget bool) (next time.Time) {
	o, pause := w.ensureNotes(), slot.RoutineBackoff()
	o.failedRetirements, o.listFailed = o.failedRetirements+1, false
	if v := w.view(); v.WaitsForRetirement() {
		pause.Longest = time.Minute // a rotation waits for it
	}
	next = w.engine.now().Add(w.engine.jittered(pause, int(o.failedRetirements), requestedWait(err, slot.RoutineBackoff().Longest)))
	o.NotRevoked, o.TargetFailed = boundedMessage(err.Error()), ofTarget
	o.NextRetirement, o.retirementBlames = slot.TimestampOf(next), blamesOf(err)
	if !ofTarget {
		o.NextReclaim = slot.TimestampOf(next)
	}
	return next
}

// failAttempt records the failure and tells everybody.
func (w *worker) failAttempt(where slot.Stage, f *fault.Error, err error, of []slot.Target) {
	blames := blamesOf(err)
	attempt := slot.FailedAttempt{
		Stage: where, Reason: string(f.Reason), Permanent: isPermanent(f), Locations: locationsOf(of),
		Sink: failedSink(of, blames), Message: boundedMessage(err.Error()),
	}
	var failure slot.Failure
	var ev slot.Event
	var account string
	w.locked(func() {
		failure, account, ev = w.addFailedAttempt(attempt, err), w.accountName(), w.newFailedEvent(where)
		ev.Stage, ev.Detail = failure.Stage, failure.Message
	})
	w.engine.Observer.AttemptFailed(account, failure.Stage, failure.Reason)
	if plan := w.currentPlan(); plan != nil {
		w.engine.Observer.RotationCounted(plan, ev.Strategy, slot.ResultFailure, 0)
	}
	w.log().Warn("attempt failed", zap.String("step", string(failure.Stage)), zap.String("reason", failure.Reason),
		sinkField(failure.Sink), zap.Int("consecutive", failure.Count), zap.Error(err), zap.Time("next_attempt", failure.Next))
	var events []slot.Event
	if failure.Count == 1 {
		events = append(events, ev)
	}
	_ = w.save(events...) // a failure that cannot be journalled is still in memory
	w.awaitUpstreams(blames)
}

// isPermanent reports whether trying again alone will not help. In the place of a value that is lost, another is minted.
func isPermanent(f *fault.Error) bool { return f.Class == fault.Permanent && f.Reason != fault.Lost }

// addFailedAttempt adds one to the record, with the time of the next attempt; w.mu is held.
func (w *worker) addFailedAttempt(a slot.FailedAttempt, err error) slot.Failure {
	now, pause := w.engine.now(), w.record.Backoff()
	a.At = now
	a.Next = now.Add(w.engine.jittered(pause, w.record.FailuresBefore()+1, requestedWait(err, pause.Longest)))
	w.record.AddFailedAttempt(a)
	w.ensureNotes().blames = blamesOf(err)
	return *w.record.Failure
}

func locationsOf(targets []slot.Target) (out []string) {
	for _, t := range targets {
		out = append(out, t.Location)
	}
	return out
}

// endFailure forgets a run of failures that nothing is left of.
func (w *worker) endFailure() {
	var ended slot.Failure
	w.updateRecord(func(r *slot.Record) {
		ended = *r.Failure
		r.EndFailure()
		w.ensureNotes().blames = nil
	})
	w.log().Info("a failure is over: what it failed on is not waited for any more", zap.String("step", string(ended.Stage)),
		zap.String("reason", ended.Reason), zap.String("was", ended.Message))
}

// maxMessage is how many characters the journal keeps of a failure: the words of several stores, and a hint.
const maxMessage = 4000

// boundedMessage makes a text fit for the journal and for who reads it there. What comes from a store is
// cleaned already, by who knows its secrets; what an older journal holds was not.
func boundedMessage(text string) string { return redact.Cleaner{}.Bounded(text, maxMessage) }

// jittered is the wait after the nth failure in a row, with full jitter: at least what the upstream asked for.
func (e *Engine) jittered(b slot.Backoff, n int, asked time.Duration) time.Duration {
	return max(asked, b.First/10, e.draw(b.Ceiling(n)))
}

// requestedWait is how long an error may have the next attempt wait because its answer
// asked for that: as long as a 429 of Cloudflare stops the budget, for any other the
// longest backoff.
func requestedWait(err error, longest time.Duration) time.Duration {
	f := fault.Of(err)
	if f.Reason == fault.RateLimited && blamesAccount(err) {
		longest = fault.LongestBlock
	}
	return min(f.After, longest)
}

func blamesAccount(err error) bool {
	for _, k := range blamesOf(err) {
		if k.account {
			return true
		}
	}
	return false
}

// correctHint returns err, with the hint of WithOfferedHint where overlap has worked for this slot: it has a token with an
// id, and no call of in_place is meant. m.mu is held.
func (m *memory) correctHint(where slot.Stage, err error) error {
	if rotates := where == slot.StageMint && m.strategy() == moq.InPlace; rotates || !m.record.HasTokenWithID() {
		return err
	}
	return WithOfferedHint(err)
}
