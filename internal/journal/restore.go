package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/journal/boltfile"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/wal"
)

// findTrouble returns what happened to the journal's files, if anything did.
func (b *Bolt) findTrouble() (database, log error) { return b.db.FindTrouble(), b.log.FindTrouble() }

// filesFault says what happened to the files; nil when nothing did.
func (b *Bolt) filesFault(database, log error) error {
	switch {
	case database == nil && log == nil:
		return nil
	case log == nil:
		return troubleFault(b.path, database)
	case database == nil:
		return troubleFault(b.logPath(), log)
	}
	return fmt.Errorf("%w; %w", troubleFault(b.path, database), troubleFault(b.logPath(), log))
}

// checkMark finds out whether another log was copied over the one in use.
func (b *Bolt) checkMark(ctx context.Context) error {
	err := b.log.CheckMark(ctx)
	if errors.Is(err, durable.ErrOverwritten) {
		return fmt.Errorf("%s: %w", b.logPath(), err)
	}
	return err
}

// Restore writes files that Check found lost anew, under their names: the records, and
// of the history what can still be read. What somebody has put in their place it leaves alone.
func (b *Bolt) Restore(ctx context.Context, records iter.Seq[*slot.Record]) error {
	log, err := b.log.Pause(ctx)
	if err != nil {
		return b.writeFault(err)
	}
	defer log.Resume()
	ofDatabase, ofLog := b.findTrouble()
	for _, err := range []error{ofDatabase, ofLog} {
		if err != nil && !errors.Is(err, durable.ErrLost) {
			return b.filesFault(ofDatabase, ofLog)
		}
	}
	if err := b.writeLost(log, ofDatabase, ofLog, records); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// writeLost writes what was lost. The database comes first: until it says that the new log
// is in use, it holds everything.
func (b *Bolt) writeLost(log *wal.Paused, ofDatabase, ofLog error, records iter.Seq[*slot.Record]) error {
	if ofDatabase != nil {
		if b.db.isOverwritten() {
			return durable.ErrOverwritten
		}
		state := log.State()
		if ofLog != nil {
			state.Session = nil
		}
		if err := b.renewDatabase(state, log.Unapplied(), records); err != nil {
			return err
		}
		log.Checkpointed()
	}
	return log.Renew(ofLog != nil)
}

// renewDatabase makes the database anew, with all that it is to hold.
func (b *Bolt) renewDatabase(s wal.State, unapplied [][]byte, records iter.Seq[*slot.Record]) error {
	err := b.db.Renew(b.options.publish, func(to *boltfile.File) error { return b.writeAll(to, s, unapplied, records) })
	if err == nil {
		b.db.seq = s.Seq
	}
	return err
}

// writeAll fills a new database.
func (b *Bolt) writeAll(to *boltfile.File, s wal.State, unapplied [][]byte, records iter.Seq[*slot.Record]) error {
	changes, err := changesOf(unapplied)
	if err != nil {
		return err
	}
	if err := to.Update(func(tx *bbolt.Tx) error {
		return errors.Join(fillEmpty(tx), putIdentity(tx, b.db.meta), putState(tx, s))
	}); err != nil {
		return err
	}
	if err := errors.Join(b.writeNotes(to), b.copyHistory(to)); err != nil {
		return err
	}
	if err := to.Update(func(tx *bbolt.Tx) error { return applyChanges(tx, latestOfEach(changes)) }); err != nil {
		return err
	}
	return writeRecords(to, records)
}

func writeRecords(to *boltfile.File, records iter.Seq[*slot.Record]) error {
	w := boltfile.NewWriter(to, slotBucket)
	for r := range records {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		key := []byte(r.Key.String())
		if err := w.Put(key, encodeEnvelope(key, text)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// copyHistory copies what can still be read of the history: the rest is lost, and said to be.
func (b *Bolt) copyHistory(to *boltfile.File) error {
	w := boltfile.NewWriter(to, historyBucket)
	err := errNotReadable
	var failed error // to write
	if b.db.IsReadable() {
		err = b.db.View(func(tx *bbolt.Tx) error {
			failed = errors.Join(tx.Bucket(historyBucket).ForEach(w.Put), w.Flush())
			return nil
		})
	}
	if err != nil {
		b.options.warn("of the history, what the lost database held is lost with it: " + err.Error())
	}
	return failed
}

var errNotReadable = errors.New("it can no longer be read")
