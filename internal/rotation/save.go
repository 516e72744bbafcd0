package rotation

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
)

var saveAgain = backoff{time.Second, 30 * time.Second} // tries to make memory durable again

// save makes the slot's record durable. On an error memory is ahead of the
// journal until catchUp succeeds.
func (e *Engine) save(s *slot, events ...Event) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	rec := s.rec.clone()
	s.mu.Unlock()

	err := e.Journal.Save(e.work, rec, events...)

	s.mu.Lock()
	e.noteSave(s, err)
	s.mu.Unlock()
	if isOfRecord(err) {
		e.Observer.JournalFailed()
		e.log(s).Error("the slot's record cannot be saved: nothing is minted for it until it can", zap.Error(err))
		return err
	}
	e.stored(err, false)
	return err
}

// isOfRecord tells what is wrong with one record from what is with the journal: other
// slots can be saved.
func isOfRecord(err error) bool { return err != nil && fault.Of(err).Class == fault.Permanent }

// noteSave notes whether memory is ahead of the journal; s.mu is held.
func (e *Engine) noteSave(s *slot, err error) {
	if err != nil {
		o := s.seen()
		o.dirty, o.saves = true, o.saves+1
		o.saveNext = MomentOf(e.now().Add(saveAgain.delay(int(o.saves), 0)))
		o.unfit = isOfRecord(err)
	} else if o := s.notes; o != nil {
		o.dirty, o.unfit, o.saves = false, false, 0
	}
}

// amend changes the record and makes the change durable; what cannot be saved
// now is saved later.
func (e *Engine) amend(s *slot, change func(*Record), events ...Event) {
	s.mu.Lock()
	change(&s.rec)
	s.mu.Unlock()
	_ = e.save(s, events...)
}

func (e *Engine) catchUp(s *slot) { _ = e.save(s) }

// stored notes whether the journal can be written, as a save or a check found it, and
// says so once.
func (e *Engine) stored(err error, check bool) {
	e.storage.Lock()
	was := e.storeErr
	if check {
		e.byCheck = err != nil
	}
	if err != nil || check || !e.byCheck {
		e.storeErr = err
	}
	now := e.storeErr
	e.storage.Unlock()
	if err != nil {
		e.Observer.JournalFailed()
	}
	switch {
	case was == nil && now != nil:
		e.Log.Error("the journal cannot be written: no new token is minted until it can", zap.Error(now))
	case was != nil && now == nil:
		e.Log.Info("the journal can be written again")
		e.WakeAll()
	}
}

// StorageErr says why the journal cannot be written; nil while it can.
func (e *Engine) StorageErr() error {
	e.storage.Lock()
	defer e.storage.Unlock()
	return e.storeErr
}

// CheckStorage tries whether the journal can be written (again). Files that were lost
// are written anew: the next check tells whether that helped.
func (e *Engine) CheckStorage() error {
	err := e.Journal.Check(e.work)
	e.stored(err, true)
	if errors.Is(err, ErrJournalLost) {
		e.restore()
	}
	return err
}

// restore writes what memory knows to new files.
func (e *Engine) restore() {
	err := e.Journal.Restore(e.work, e.records)
	e.storage.Lock()
	was := e.restoreErr
	e.restoreErr = err
	e.storage.Unlock()
	switch {
	case err == nil:
		e.Log.Warn("the journal was written anew from memory")
	case was == nil || was.Error() != err.Error(): // it is tried every second
		e.Log.Error("the journal cannot be written anew", zap.Error(err))
	}
}

// records gives copies of all records as memory has them, which is never behind the journal.
func (e *Engine) records(yield func(*Record) bool) {
	for _, s := range e.all() {
		s.mu.Lock()
		rec := s.rec.clone()
		s.mu.Unlock()
		if !yield(rec) {
			return
		}
	}
}

// errStorage is about a step that was not taken because it could not be journalled.
func errStorage(err error) error {
	if isOfRecord(err) {
		return err
	}
	return fault.Newf(fault.Retry, fault.Storage, "journal", "", "%w", err).
		WithHint("no token is minted while the journal cannot be written")
}
