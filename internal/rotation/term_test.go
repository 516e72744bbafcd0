package rotation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// term is a leader's term that ends when a test says so.
type term struct {
	unconfirmed, unanswered error
	proofs                  int
}

func (t *term) MayAct() error { return t.unconfirmed }

func (t *term) Prove(context.Context) error {
	t.proofs++
	return errors.Join(t.unconfirmed, t.unanswered)
}

// inATerm begins a term over what the disk holds.
func (w *world) inATerm(t *term) *term {
	w.start()
	w.engine.Term = t
	return t
}

func TestWhileTheLeaseIsNotConfirmedNothingIsBegunAndNothingFails(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		w := newWorld(t, strategy, 1)
		lease := w.inATerm(&term{})
		w.run(24*time.Hour - time.Minute)
		before, writes := w.relay.next, w.sinks["sink0"].writes
		lease.unconfirmed = errors.New("not confirmed")
		w.run(10 * time.Minute)
		if w.relay.next != before || w.sinks["sink0"].writes != writes || w.stats.failure > 0 || w.rec().Failure != nil {
			t.Errorf("%s: %d mints, %d writes, %d failures, %+v", strategy, w.relay.next-before, w.sinks["sink0"].writes-writes, w.stats.failure, w.rec().Failure)
		}
		lease.unconfirmed = nil
		w.run(10 * time.Second)
		w.mustHold("value-2")
		w.mustBeSound()
	}
}

func TestTheAnswerOfAMintThatCameTooLateIsKeptAndNotDelivered(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		w := newWorld(t, strategy, 1)
		lease := w.inATerm(&term{})
		w.run(24*time.Hour - time.Minute)
		ends := func() { lease.unconfirmed = errors.New("not confirmed") }
		w.during(saveCall, func() { w.during(createCall, ends); w.during(rotateCall, ends) })
		w.run(10 * time.Minute)
		if r := w.disk.record(); !r.Unfinished() || len(r.Rotation.Sealed) == 0 {
			t.Errorf("%s: the answer was not kept: %s", strategy, w.describe())
		}
		w.mustHold("value-1")
		lease.unconfirmed = nil
		w.run(2 * time.Minute)
		w.mustHold("value-2")
	}
}

func TestAJournalThatTakesNothingMoreEndsTheTermWithoutAWord(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	lease := w.inATerm(&term{})
	w.run(24*time.Hour - time.Minute)
	before := w.relay.next
	w.disk.term++ // another one leads
	w.run(time.Hour)
	if w.relay.next != before || !w.engine.isHalted() || w.stats.failure > 0 || w.engine.StorageErr() != nil || lease.unconfirmed != nil {
		t.Errorf("%d mints, halted %t, %d failures, storage %v", w.relay.next-before, w.engine.isHalted(), w.stats.failure, w.engine.StorageErr())
	}
}

func TestARevocationNeedsAProofAndADeliveryTheLeaseAlone(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	lease := w.inATerm(&term{unanswered: errors.New("etcd does not answer")})
	w.run(26 * time.Hour)
	w.mustHold("value-2")
	if n := len(w.relay.revokes); n > 0 || w.stats.steps[slot.StageRetire] > 0 || lease.proofs == 0 {
		t.Fatalf("%d revocations without a proof, %d failures, %d proofs asked for", n, w.stats.steps[slot.StageRetire], lease.proofs)
	}
	lease.unanswered = nil
	w.run(time.Minute)
	if len(w.relay.revokes) != 1 {
		t.Errorf("%d revocations once there is a proof", len(w.relay.revokes))
	}
	w.mustBeSound()
}

func TestASaveOfTheLastSecondIsAProof(t *testing.T) {
	w := newWorld(t, moq.InPlace, 1)
	lease := w.inATerm(&term{})
	w.run(25 * time.Hour)
	w.mustHold("value-2")
	if lease.proofs > 0 {
		t.Errorf("consumers were locked out while the term was proven %d times", lease.proofs)
	}
}

func TestTargetsInDoubtAreLookedAtTwiceAndOthersAtThePaceOfProbes(t *testing.T) {
	w := newWorld(t, moq.Overlap, 1)
	w.withReplicas([2]time.Duration{})
	w.start()
	w.run(2 * time.Minute)
	w.during(writeCall, func() { w.dead = true })
	w.run(24*time.Hour - 2*time.Minute + 10*time.Second) // another one takes over in the delivery
	if term := w.term; term != 2 {
		t.Fatalf("term %d", term)
	}
	w.mustHold("value-2")
	w.run(30 * time.Second)
	w.sinks["sink0"].replace("value-1") // the former leader's last write
	w.run(15 * time.Second)
	w.mustHold("value-1")
	w.run(10 * time.Second)
	w.mustHold("value-3") // it was seen a minute after the take-over, and the slot rotated for it
	if cause := w.rec().Rotation.Cause; cause != slot.CauseDrift {
		t.Errorf("it rotated because of %s", cause)
	}
}

func TestWhereNothingWasOnItsWayTargetsAreLookedAtAtThePaceOfProbes(t *testing.T) {
	p := newWorld(t, moq.Overlap, 1).plan
	at := func(location, mayHold string) slot.Record {
		return slot.Record{Receipts: slot.Receipts{{Target: slot.Target{Location: location}, RotationID: "1", MayHold: mayHold}}}
	}
	for name, c := range map[string]struct {
		record slot.Record
		want   time.Duration
	}{
		"at rest":                               {at("vault://secret/a", ""), 45 * time.Minute},
		"perhaps given a value":                 {at("vault://secret/a", "2"), 0},
		"at a place that may have another name": {at("file:///a", ""), staggered(3)},
	} {
		one := &worker{}
		one.record = c.record
		if wait := one.firstLook(p, 3, 4); wait != c.want {
			t.Errorf("%s: looked at after %s, want %s", name, wait, c.want)
		}
	}
}
