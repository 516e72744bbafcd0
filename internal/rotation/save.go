package rotation

import (
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// save makes the slot's record durable. On an error memory is ahead of the
// journal until catchUp succeeds.
func (w *worker) save(events ...slot.Event) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	return w.saveInTurn(events...)
}

// saveInTurn is save; w.saving is held.
func (w *worker) saveInTurn(events ...slot.Event) error {
	w.locked(func() { w.record.NoteSchedule(w.plan) })
	began := w.engine.Clock.Elapsed().Elapsed
	err := w.engine.Journal.Save(w.engine.saving(), w.read(), events...)
	w.locked(func() { w.noteSave(err) })
	if w.engine.haltsFor(err) {
		return err
	}
	if err == nil {
		w.engine.noteFenced(began)
	}
	if isOfRecord(err) {
		w.log().Error("the slot's record cannot be saved: nothing is minted for it until it can", zap.Error(err))
		return err
	}
	w.engine.storage.noteWritten(err, false)
	return err
}

// isOfRecord reports whether what is wrong is wrong with one record, and not with the journal: other
// slots can be saved.
func isOfRecord(err error) bool { return err != nil && fault.Of(err).Class == fault.Permanent }

// noteSave notes whether memory is ahead of the journal; w.mu is held.
func (w *worker) noteSave(err error) {
	if err != nil {
		o := w.ensureNotes()
		o.Unsaved, o.failedSaves = true, o.failedSaves+1
		o.NextSave = slot.TimestampOf(w.engine.now().Add(w.engine.jittered(slot.SaveBackoff(), int(o.failedSaves), 0)))
		o.Unsavable = isOfRecord(err)
	} else if o := w.notes; o != nil {
		o.Unsaved, o.Unsavable, o.failedSaves = false, false, 0
	}
}

// updateWithEvents changes the record, and makes that durable together with the events that
// change returns. What cannot be saved now is saved later, but for the events: they are lost to the history.
func (w *worker) updateWithEvents(change func(*slot.Record) []slot.Event) error {
	var events []slot.Event
	w.locked(func() { events = change(&w.record) })
	return w.save(events...)
}

// updateRecord changes the record, and makes that durable. Its error is dropped: noteSave has it noted, so that it is
// saved later.
func (w *worker) updateRecord(change func(*slot.Record)) {
	w.locked(func() { change(&w.record) })
	_ = w.save()
}

func (w *worker) catchUp() { _ = w.save() }

// errStorage is about a step that was not taken because it could not be journalled.
func errStorage(err error) error {
	if isOfRecord(err) || fault.Of(err).Reason == fault.Conflict {
		return err
	}
	return fault.Newf(fault.Retry, fault.Storage, "journal", "", "%w", err).
		WithHint("no token is minted while the journal cannot be written")
}
