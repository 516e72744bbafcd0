package rotation

import (
	"testing"
	"testing/synctest"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// A retirement that fails is no failure of the slot: its note alone tells it.
func TestTheNoteOfASlotTellsWhyAnOldTokenIsNotRevokedUntilOneIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.start()
		defer f.kill()
		synctest.Wait() // or the slot's first mint meets the refusal, too
		w := f.engine.slots.workerOf(f.plans[0].Key)
		w.locked(func() { w.record.Retiring = []slot.Token{{ID: "old"}, {ID: "older"}} })
		refused := fault.Newf(fault.Permanent, fault.Forbidden, "revoke token", "old", "403: not allowed")
		f.account.fails(0, refused)
		w.revokeToken(slot.Revoke{Token: slot.Token{ID: "old"}})
		if st := w.status(); st.Failure != nil || !contains(st.Note, "an old token, or a lost mint's, is not revoked yet: revoke token old: 403: not allowed; tried again at 2") {
			t.Errorf("the note: %q, a failure: %v", st.Note, st.Failure)
		}
		f.account.fails(0, nil)
		w.revokeToken(slot.Revoke{Token: slot.Token{ID: "old"}})
		if st := w.status(); contains(st.Note, "not revoked") {
			t.Errorf("once one was revoked: %q", st.Note)
		}
	})
}

// withAnOldToken has a slot at rest that has an old token to retire.
func withAnOldToken(t *testing.T, test func(t *testing.T, f *fleet, w *worker)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.start()
		defer f.kill()
		synctest.Wait()
		w := f.engine.slots.workerOf(f.plans[0].Key)
		w.locked(func() { w.record.Retiring = []slot.Token{{ID: "old"}} })
		test(t, f, w)
	})
}

// What keeps a token from being revoked may be the list that comes before it.
func TestTheNoteOfARetirementThatFailedEndsWhenWhatFailedGoesWell(t *testing.T) {
	withAnOldToken(t, func(t *testing.T, f *fleet, w *worker) {
		look := slot.List{Stage: slot.StageRetire}
		f.account.fails(0, fault.Newf(fault.Permanent, fault.Forbidden, "list tokens", "", "403: not allowed"))
		w.listTokens(look)
		if note := w.status().Note; !contains(note, "not revoked yet: list tokens: 403") {
			t.Errorf("after a list that failed: %q", note)
		}
		f.account.fails(0, nil)
		w.listTokens(look)
		if note, failed := w.status().Note, w.notes.failedRetirements; note != "" || failed != 0 {
			t.Errorf("after one that went well: %q, %d failed", note, failed)
		}
		f.account.fails(0, fault.Newf(fault.Permanent, fault.Forbidden, "revoke token", "old", "403: not allowed"))
		w.revokeToken(slot.Revoke{Token: slot.Token{ID: "old"}})
		f.account.fails(0, nil)
		w.listTokens(look)
		if note := w.status().Note; !contains(note, "revoke token old") {
			t.Errorf("a list does not mend a revocation: %q", note)
		}
	})
}

func TestAListMendsWhatAListFailedAndNothingElse(t *testing.T) {
	withAnOldToken(t, func(t *testing.T, f *fleet, w *worker) {
		list := func(where slot.Stage, trouble error) {
			f.account.fails(0, trouble)
			w.listTokens(slot.List{Stage: where})
		}
		down := fault.Newf(fault.Retry, fault.ServerError, "list tokens", "", "503")
		list(slot.StageRetire, down)
		list(slot.StagePreflight, down)
		list(slot.StageRetire, nil)
		if note := w.notes.NotRevoked; note != "" {
			t.Errorf("after a list that went well: %q", note)
		}
		list(slot.StageRetire, down)
		f.account.fails(0, fault.Newf(fault.Permanent, fault.Forbidden, "revoke token", "old", "403: not allowed"))
		w.revokeToken(slot.Revoke{Token: slot.Token{ID: "old"}})
		list(slot.StageRetire, nil)
		if note := w.notes.NotRevoked; !contains(note, "revoke token old") {
			t.Errorf("after a revocation that failed, and a list: %q", note)
		}
	})
}
