package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// From each start, once its records are loaded, to its end the database says that a log is in use, and which: the one
// that bears the same mark. It says so once the marked log is durable and before
// anything is acknowledged, and no more once the database holds everything. A log that
// is missing or another is thus missed after a crash, and not after an orderly stop.
const (
	sessionSize = 16
	markMagic   = "rotlog3\n"
	// asideSuffix after the log's name names a file by which a person consents to a start without it.
	asideSuffix = ".aside"
)

func markOf(session []byte) []byte { return append([]byte(markMagic), session...) }

// seedOf makes the checksums of a session's frames its own: what another left in the
// log is never taken for them.
func seedOf(session []byte) uint32 { return crc32.Checksum(session, castagnoli) }

// openSession brings what a crash has left in the log into the database, and has a log
// ready. It is put in use once the records are found good, or with the first save: what is
// refused is not touched.
func (b *Bolt) openSession() error {
	path := b.logPath()
	consent := isThere(path + asideSuffix)
	if err := b.readLog(path, consent); err != nil {
		return logFault(path, err)
	}
	b.events.Store(b.log.last << 24) // above those of all frames: no process gives a number again
	b.upTo = b.log.last
	if err := b.endSession(); err != nil {
		return openFault(b.path, err)
	}
	b.fresh = true
	if consent {
		return b.consumeConsent(path + asideSuffix)
	}
	return nil
}

// readLog opens the log, or makes it where it may be missing, and reads what of it the
// database lacks.
func (b *Bolt) readLog(path string, consent bool) error {
	err := b.openLog(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b.makeMissingLog(path, consent)
	}
	if err != nil {
		return err
	}
	if b.session == nil && b.format >= sessionsSince {
		b.log.last, b.log.kept = b.held, b.held // the database holds everything
		if b.log.end < smallLog {
			return b.refillLog()
		}
		return nil
	}
	if b.log.end < smallLog {
		return damagedf("it is cut short: %d of at least %d bytes are there", b.log.end, smallLog)
	}
	if b.session != nil {
		if err := b.log.expectMark(b.session); err != nil {
			return err
		}
	}
	b.sealed, err = b.log.replay(b.held)
	return err
}

// makeMissingLog makes the log anew, unless the former one is needed and nobody has
// consented to go on without it.
func (b *Bolt) makeMissingLog(path string, consent bool) error {
	if b.session != nil {
		info, err := os.Stat(b.path)
		if err != nil {
			return err
		}
		written := info.ModTime().UTC().Format(time.RFC3339)
		if !consent {
			return missingLog{path, written}
		}
		b.sayWarning(fmt.Sprintf("starting without the log %s, as the file %s allows: the database was last written at %s, and what was saved after that "+
			"is not known, as with an older backup", path, path+asideSuffix, written))
	}
	if err := b.options.makeLog(path); err != nil {
		return err
	}
	if err := b.openLog(path); err != nil {
		return err
	}
	b.log.last, b.log.kept = b.held, b.held
	return nil
}

// missingLog says that the log is needed and not there.
type missingLog struct{ path, written string }

// Error says what is missing.
func (e missingLog) Error() string {
	return "it is missing, and was in use when rotatord last ran: what was saved after " + e.written + " is in it alone"
}

// consumeConsent puts the consent away: it counts once.
func (b *Bolt) consumeConsent(path string) error {
	done := path + "." + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(path, done); err != nil {
		return logFault(path, err)
	}
	b.sayWarning(fmt.Sprintf("%s was renamed to %s: it counts once, and can be deleted", path, done))
	return nil
}

func (b *Bolt) sayWarning(text string) {
	if b.options.Warn != nil {
		b.options.Warn(text)
	}
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// expectMark refuses a log that is not the one of a session.
func (f *frames) expectMark(session []byte) error {
	mark := make([]byte, len(markMagic)+sessionSize)
	if _, err := f.file.ReadAt(mark, f.markAt()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(mark, markOf(session)) {
		return damagedf("it is not the log that was in use when rotatord last ran, or was cut short since")
	}
	f.seed = seedOf(session)
	return nil
}

// markAt is where the mark lies: in a block of its own, behind all frames.
func (f *frames) markAt() int64 { return f.end - block }

// beginSession marks the log and then says in the database that it is in use. The
// database holds everything at that moment: a crash in between needs nobody.
func (b *Bolt) beginSession() error {
	session := random(sessionSize)
	if _, err := b.log.file.WriteAt(markOf(session), b.log.markAt()); err != nil {
		return err
	}
	if err := b.log.file.Sync(); err != nil {
		return err
	}
	b.noted, b.ended = session, false // even if it fails: it may be kept
	if err := b.updateDatabase(func(tx *bbolt.Tx) error { return putSession(tx, session) }); err != nil {
		return err
	}
	b.session, b.log.seed, b.fresh = session, seedOf(session), false
	return nil
}

// beginFirst puts the log in use that the start has made ready. Whoever calls it writes.
func (b *Bolt) beginFirst() error {
	switch {
	case b.session != nil:
		return nil
	case !b.fresh:
		return errNoLog
	}
	b.folding <- struct{}{}
	defer func() { <-b.folding }()
	return b.beginSession()
}

// begin is beginFirst for who does not write yet.
func (b *Bolt) begin(ctx context.Context) error {
	if err := b.turn(ctx); err != nil {
		return b.readFault(err)
	}
	defer func() { <-b.writing }()
	if err := b.beginFirst(); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// endSession brings what was sealed, which must be all, into the database, and says that
// no log is in use. Nothing can be saved then until the next begins, even if it fails.
func (b *Bolt) endSession() error {
	b.session = nil
	if b.ended && len(b.sealed) == 0 {
		return nil
	}
	err := b.storeSealed(func(tx *bbolt.Tx) error { return putSession(tx, nil) })
	if err == nil {
		b.ended, b.format = true, formatVersion
	}
	return err
}

// expectOurs refuses a database whose content is not what this process wrote: somebody
// has copied another one over it. To write to both at once would damage it.
func (b *Bolt) expectOurs(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return errOverwritten
	}
	session, err1 := decode(sessionKey, meta.Get(sessionKey))
	held, err2 := decode(heldKey, meta.Get(heldKey))
	switch {
	case err1 != nil || err2 != nil || len(held) != 8, len(session) > 0 && !bytes.Equal(session, b.noted), binary.BigEndian.Uint64(held) < b.held:
		return errOverwritten
	}
	return nil
}

func putSession(tx *bbolt.Tx, session []byte) error {
	meta := tx.Bucket(metaBucket)
	return errors.Join(meta.Put(versionKey, thisVersion()), meta.Put(sessionKey, encode(sessionKey, session)))
}
