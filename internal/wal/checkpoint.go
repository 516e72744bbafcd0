package wal

import (
	"context"
	"crypto/rand"
)

// Checkpoint brings all that was appended before into the store; appends go on meanwhile.
func (l *Log) Checkpoint(ctx context.Context) error {
	if err := l.waitTurn(ctx); err != nil {
		return err
	}
	err := l.switchSegments()
	l.endTurn()
	if err != nil {
		l.observe(0, err)
		return err
	}
	return l.finishCheckpoint()
}

// switchSegments goes on in the other segment, once that is checkpointed. finishCheckpoint must
// follow. Whoever calls it has the turn to write.
func (l *Log) switchSegments() error {
	l.checkpointing <- struct{}{}
	if err := l.checkpointSealed(); err != nil { // it failed before
		<-l.checkpointing
		return err
	}
	l.sealActive()
	l.segs.switchSegment()
	return nil
}

// sealActive has the entries of the active segment checkpointed next.
func (l *Log) sealActive() {
	l.sealed, l.sealedSeq = l.unapplied(), l.segs.lastSeq
	l.active = nil
}

// finishCheckpoint brings into the store what switchSegments has sealed.
func (l *Log) finishCheckpoint() error {
	defer func() { <-l.checkpointing }()
	err := l.checkpointSealed()
	if err != nil {
		l.observe(0, err)
	}
	return err
}

// checkpointSealed brings what is sealed into the store, in one step. The segment holds nothing but what was acknowledged,
// so that it does no harm when a step that failed was kept after all.
func (l *Log) checkpointSealed() error {
	if len(l.sealed) == 0 && l.checkpointSeq == l.sealedSeq {
		return nil
	}
	return l.storeSealed(l.session)
}

func (l *Log) storeSealed(session []byte) error {
	if err := l.options.Store.Checkpoint(l.sealed, State{l.sealedSeq, session}); err != nil {
		return err
	}
	l.sealed, l.checkpointSeq = nil, l.sealedSeq
	return nil
}

// ensureSession puts the log in use that Recover has made ready. Whoever calls it has the turn
// to write.
func (l *Log) ensureSession() error {
	switch {
	case l.session != nil:
		return nil
	case !l.recovered:
		return errNoSession
	}
	l.checkpointing <- struct{}{}
	defer func() { <-l.checkpointing }()
	return l.beginSession()
}

// beginSession marks the log and then has the store say that it is in use. The store holds
// everything at that moment: a crash in between needs nobody. A session that failed to begin
// is begun again under the same name, since the store may name it already.
func (l *Log) beginSession() error {
	if l.nextSession == nil {
		l.nextSession = make([]byte, sessionSize)
		_, _ = rand.Read(l.nextSession) // crypto/rand never fails: it aborts the program instead
	}
	if err := l.segs.writeMark(l.nextSession); err != nil {
		return err
	}
	l.ended = false // even if it fails: it may be kept
	if err := l.options.Store.Checkpoint(nil, State{l.checkpointSeq, l.nextSession}); err != nil {
		return err
	}
	l.session, l.nextSession, l.recovered = l.nextSession, nil, false
	l.segs.useSession(l.session)
	return nil
}

// endSession brings what is sealed, which must be all, into the store, and has it say that no
// log is in use. Nothing can be appended then until the next begins, even if it fails.
func (l *Log) endSession() error {
	l.session = nil
	if l.ended && len(l.sealed) == 0 {
		return nil
	}
	if err := l.storeSealed(nil); err != nil {
		return err
	}
	l.ended = true
	return nil
}
