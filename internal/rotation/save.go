package rotation

import (
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
	e.stored(err, false)
	return err
}

// noteSave notes whether memory is ahead of the journal; s.mu is held.
func (e *Engine) noteSave(s *slot, err error) {
	if err != nil {
		o := s.seen()
		o.dirty, o.saves = true, o.saves+1
		o.saveNext = MomentOf(e.now().Add(saveAgain.delay(int(o.saves), 0)))
	} else if o := s.notes; o != nil {
		o.dirty, o.saves = false, 0
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

// CheckStorage tries whether the journal can be written (again).
func (e *Engine) CheckStorage() error {
	err := e.Journal.Check(e.work)
	e.stored(err, true)
	return err
}

func errStorage(err error) error {
	return fault.Newf(fault.Retry, fault.Storage, "journal", "", "%w", err).
		WithHint("no token is minted while the journal cannot be written")
}
