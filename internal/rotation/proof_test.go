package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

func TestBehindAPortalNoInPlaceRotationBegins(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	w.relay.hide(true, portalFor)
	w.run(5 * time.Minute)
	s := w.status()
	if w.relay.rotates != 1 || !s.BlackoutSince.IsZero() || s.Failure == nil || s.Failure.Stage != slot.StagePreflight || s.Failure.Reason != string(fault.BadAnswer) {
		t.Fatalf("%d rotate calls, blackout %v, failure %+v; want one call, none and one of the preflight", w.relay.rotates, s.BlackoutSince, s.Failure)
	}
	w.mustHold("value-1")
	if !w.relay.accepts("value-1") {
		t.Error("the token that is served is dead")
	}
	w.run(2 * portalFor)
	w.mustHold("value-2")
	w.mustBeSound()
}

func TestAnInPlaceSlotWhoseRelayIsGoneFailsBeforeItsRotateCall(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.choose = once(proveCall, "no such relay")
	w.start()
	w.settle()
	f := w.rec().Failure
	if f == nil || f.Stage != slot.StagePreflight || f.Reason != string(fault.NotFound) || w.relay.rotates != 0 {
		t.Fatalf("failure %+v after %d rotate calls", f, w.relay.rotates)
	}
	w.run(time.Minute)
	w.mustHold("value-1")
	w.mustBeSound()
}

func TestAPortalThatAnswersARotateCallIsAKnownBlackout(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	began, proofs := w.now, w.relay.proofs
	w.relay.lasting = portalFor
	w.choose = once(rotateCall, "answered by a portal")
	w.run(5 * time.Minute)
	if since := w.status().BlackoutSince; since.Before(began) {
		t.Errorf("the blackout is said to have begun at %v", since)
	}
	if n := w.relay.rotates; n < 10 {
		t.Errorf("%d rotate calls in the blackout", n-1)
	}
	if n := w.relay.proofs - proofs; n != 1 {
		t.Errorf("%d times the account was asked, want once: in a blackout nothing is waited for", n)
	}
	w.run(2 * portalFor)
	if s := w.status(); !s.BlackoutSince.IsZero() || !w.relay.accepts(w.sinks["sink0"].content) {
		t.Errorf("the blackout goes on: %s", w.describe())
	}
	w.mustBeSound()
}

func TestEachInPlaceRotationIsProvenAnew(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.addSink("extra", false).down = true // so that the slot never comes to rest
	w.start()
	w.run(24*time.Hour - time.Minute)
	if w.relay.proofs != 1 {
		t.Fatalf("%d proofs for the first rotation", w.relay.proofs)
	}
	w.run(time.Hour)
	if w.relay.proofs != 2 || w.relay.rotates != 2 {
		t.Errorf("%d proofs for %d rotations", w.relay.proofs, w.relay.rotates)
	}
	w.mustBeSound()
}

func TestALostTokenThatCannotBeRevokedIsTriedAgainWithAPause(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	lost, revokes := once(createCall, "lost after"), 0
	w.choose = func(c choice) int {
		if c.kind == revokeCall {
			revokes++
			return c.mustFind("lost before")
		}
		return lost(c)
	}
	w.run(10 * time.Minute)
	if revokes < 5 || revokes > 30 || w.relay.creates != 2 {
		t.Errorf("%d tries to revoke the lost token, and %d creations before it was gone", revokes, w.relay.creates-1)
	}
	w.choose = once(revokeCall, "goes well")
	w.run(2 * time.Minute)
	w.mustHold("value-3")
	w.mustBeSound()
}

func TestLostAttemptsBehindAPortalAreFoundBeforeTheNext(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	w.relay.lasting = portalFor
	w.choose = once(createCall, "answered by a portal")
	w.run(portalFor)
	if n := len(w.relay.own()); n != 2 || w.relay.creates != 2 {
		t.Errorf("%d tokens of %d creations behind the portal; want the one that is served and the lost one", n, w.relay.creates)
	}
	w.run(10 * time.Minute)
	if n := len(w.relay.own()); n != 2 {
		t.Errorf("%d tokens; want the new one, and the former in its grace", n)
	}
	w.mustHold("value-3")
	w.mustBeSound()
}

func TestAFailureMakesAProofWorthless(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	w.start()
	w.run(24*time.Hour - time.Minute)
	w.choose = once(rotateCall, "refused")
	w.run(time.Minute)
	if w.rec().Failure == nil || w.engine.slots.workerOf(testKey).notes.Proved != 0 {
		t.Errorf("after a rotate call that was refused, the account counts as proven: %s", w.describe())
	}
	w.run(time.Minute)
	w.mustBeSound()
}
