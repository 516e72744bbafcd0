package rotation

import (
	"errors"
	"sync"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/slot"
)

// storage is whether the journal can be written. It is safe for concurrent use.
type storage struct {
	log      *zap.Logger
	onReturn func() // called when it can be written again

	mu         sync.Mutex
	err        error // why it cannot be written; nil while it can
	byCheck    bool  // a check found it: only a check takes it back, as a save needs less
	restoreErr error // why lost files could not be written anew, the last time
}

// noteWritten notes what a save or a check found, and says so once.
func (s *storage) noteWritten(err error, check bool) {
	switch was, now := s.replace(err, check); {
	case was == nil && now != nil:
		s.log.Error("the journal cannot be written: no new token is minted until it can", zap.Error(now))
	case was != nil && now == nil:
		s.log.Info("the journal can be written again")
		s.onReturn()
	}
}

func (s *storage) replace(err error, check bool) (was, now error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = s.err
	if check {
		s.byCheck = err != nil
	}
	if err != nil || check || !s.byCheck {
		s.err = err
	}
	return was, s.err
}

func (s *storage) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// noteRestored notes what came of writing lost files anew, which is tried every second.
func (s *storage) noteRestored(err error) {
	s.mu.Lock()
	was := s.restoreErr
	s.restoreErr = err
	s.mu.Unlock()
	switch {
	case err == nil:
		s.log.Warn("the journal was written anew from memory")
	case was == nil || was.Error() != err.Error():
		s.log.Error("the journal cannot be written anew", zap.Error(err))
	}
}

// StorageErr says why the journal cannot be written; nil while it can.
func (e *Engine) StorageErr() error { return e.storage.why() }

// CheckStorage tries whether the journal can be written (again). Files that were lost
// are written anew: the next check reports whether that helped.
func (e *Engine) CheckStorage() error {
	err := e.Journal.Check(e.saving())
	if e.haltsFor(err) {
		return err
	}
	e.storage.noteWritten(err, true)
	if errors.Is(err, slot.ErrRecordsLost) {
		e.storage.noteRestored(e.Journal.Restore(e.saving(), e.slots.allRecords))
	}
	return err
}
