package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// watchedFile is one that the journal keeps open. Others may delete, move, replace or cut it
// meanwhile, which no write shows.
type watchedFile struct {
	path  string
	file  *os.File
	least atomic.Int64 // it was that long
}

func watchFile(path string, f *os.File, info os.FileInfo) *watchedFile {
	k := &watchedFile{path: path, file: f}
	k.least.Store(info.Size())
	return k
}

// noteSize notes how long the file has become.
func (f *watchedFile) noteSize() {
	if info, err := f.file.Stat(); err == nil {
		f.least.Store(info.Size())
	}
}

// What happened to a file. One that is lost can be written anew: nobody has put anything in its place.
var (
	errDeleted = lost{errors.New("the file was deleted while rotatord has it open")}
	errMoved   = lost{errors.New("the file was moved away while rotatord has it open")}
	errNoLog   = lost{errors.New("no log is in use since the last could not be written anew")}
	errFolder  = errors.New("the folder was moved away, or another one lies over it, while rotatord has the file open")
)

// lost is an error that Restore mends.
type lost struct{ error }

// Is makes it slot.ErrRecordsLost.
func (lost) Is(target error) bool { return target == slot.ErrRecordsLost }

// findTrouble finds out whether the file is still the one that its name names, and whole. home is its folder.
func (f *watchedFile) findTrouble(home os.FileInfo) error {
	open, err := f.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(f.path)
	switch least := f.least.Load(); {
	case errors.Is(err, fs.ErrNotExist):
		return f.whyMissing(open, home)
	case err != nil:
		return err
	case !os.SameFile(named, open):
		return errReplaced
	case open.Size() < least:
		return lost{fmt.Errorf("the file was cut short while rotatord has it open: %d of %d bytes are there", open.Size(), least)}
	}
	return nil
}

// whyMissing tells a file that is gone from one whose folder is: on a volume that comes
// back, it would be found again, and older than what was written elsewhere meanwhile.
func (f *watchedFile) whyMissing(open, home os.FileInfo) error {
	if s, ok := open.Sys().(*syscall.Stat_t); ok && s.Nlink == 0 {
		return errDeleted
	}
	folder, err := os.Stat(filepath.Dir(f.path))
	if err != nil || !os.SameFile(folder, home) {
		return errFolder
	}
	return errMoved
}

// lookAtFiles tells what happened to the journal's files, if anything did.
func (b *Bolt) lookAtFiles() (database, log error) {
	b.files.RLock()
	defer b.files.RUnlock()
	return b.dbFile.findTrouble(b.home), b.logFile.findTrouble(b.home)
}

// fileFault says what happened to the files; nil when nothing did.
func (b *Bolt) fileFault(database, log error) error {
	switch {
	case database == nil && log == nil:
		return nil
	case log == nil:
		return lossFault(b.path, database)
	case database == nil:
		return lossFault(b.logPath(), log)
	}
	return fmt.Errorf("%w; %w", lossFault(b.path, database), lossFault(b.logPath(), log))
}

func lossFault(path string, err error) error {
	f := &fault.Error{Class: fault.Retry, Reason: fault.Storage, Op: "write journal", Object: path, Err: err}
	switch {
	case errors.Is(err, slot.ErrRecordsLost):
		f.Hint = lossHint
	case errors.Is(err, errFolder):
		f.Hint = "put the file back, with its folder: rotatord then goes on by itself; a restart without it loses what it knows"
	case errors.Is(err, errReplaced):
		f.Hint = replacedHint
	default:
		f.Hint = diskHint(err)
	}
	return f
}

// Restore writes files that Check found lost anew, under their names: the records, and
// of the history what can still be read. What somebody has put in their place it leaves alone.
func (b *Bolt) Restore(ctx context.Context, records iter.Seq[*slot.Record]) error {
	if err := b.turn(ctx); err != nil {
		return b.writeFault(err)
	}
	defer func() { <-b.writing }()
	b.folding <- struct{}{}
	defer func() { <-b.folding }()
	database, log := b.lookAtFiles()
	for _, err := range []error{database, log} {
		if err != nil && !errors.Is(err, slot.ErrRecordsLost) {
			return b.fileFault(database, log)
		}
	}
	if err := b.writeLost(database, log, records); err != nil {
		return b.writeFault(err)
	}
	return nil
}

// writeLost writes what was lost. The database comes first: until it says that the new log
// is in use, it holds everything.
func (b *Bolt) writeLost(database, log error, records iter.Seq[*slot.Record]) error {
	if database != nil {
		if b.isOverwritten() {
			return errOverwritten
		}
		if err := b.renewDatabase(log == nil, records); err != nil {
			return err
		}
	}
	if log == nil && b.session != nil {
		return nil
	}
	b.sealed, b.pending, b.upTo = slices.Concat(b.sealed, b.pending), nil, b.log.last // memory has what the log had
	if err := b.endSession(); err != nil {
		return err
	}
	if log != nil {
		if err := b.renewLog(); err != nil {
			return err
		}
	}
	return b.beginSession()
}

// isOverwritten reports whether a database that is shorter than it was is another, whole
// one, copied over it: a backup.
func (b *Bolt) isOverwritten() bool {
	return b.broken.Load() == nil && b.dbFile.isOurs() && checkPages(b.path) == nil &&
		errors.Is(guarded(func() error { return b.db.View(b.expectOurs) }), errOverwritten)
}

// checkMark finds out whether another log was copied over the one in use.
func (b *Bolt) checkMark(ctx context.Context) error {
	if err := b.turn(ctx); err != nil {
		return err
	}
	defer func() { <-b.writing }()
	if err := b.beginFirst(); err != nil {
		return err
	}
	if err := b.log.expectMark(b.session); isDamage(err) {
		return fmt.Errorf("%s: %w", b.logFile.path, errOverwritten)
	} else if err != nil {
		return err
	}
	return nil
}

func (b *Bolt) renewLog() error {
	if b.logFile.isOurs() { // cut short
		return b.refillLog()
	}
	former, last := b.logFile.file, b.log.last
	if err := b.options.makeLog(b.logFile.path); err != nil {
		return err
	}
	b.files.Lock()
	defer b.files.Unlock()
	if err := b.openLog(b.logFile.path); err != nil {
		return err
	}
	b.log.last, b.log.kept = last, last
	return former.Close()
}

// renewDatabase makes the database elsewhere, whole, and gives it its name; its lock is held from the start.
func (b *Bolt) renewDatabase(withLog bool, records iter.Seq[*slot.Record]) error {
	temp := b.path + ".anew"
	if err := errors.Join(os.MkdirAll(filepath.Dir(b.path), 0o700), removeIfThere(temp)); err != nil {
		return err
	}
	defer func() { _ = removeIfThere(temp) }()
	db, f, err := openDatabase(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(b.writeAll(db, withLog, records), b.takeName(temp)); err != nil {
		return errors.Join(err, db.Close())
	}
	return b.goOnIn(db, f)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isOurs reports whether the file's name still names it.
func (f *watchedFile) isOurs() bool {
	open, err1 := f.file.Stat()
	named, err2 := os.Stat(f.path)
	return err1 == nil && err2 == nil && os.SameFile(open, named)
}

// takeName gives the new database its name, which nobody else may have taken meanwhile.
func (b *Bolt) takeName(temp string) error {
	if b.dbFile.isOurs() { // cut short
		return errors.Join(os.Rename(temp, b.path), durable.SyncFolder(filepath.Dir(b.path)))
	}
	return b.options.publish(temp, b.path)
}

// goOnIn goes on in a new database, which holds everything.
func (b *Bolt) goOnIn(db *bbolt.DB, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	home, err := os.Stat(filepath.Dir(b.path))
	if err != nil {
		return err
	}
	b.files.Lock()
	defer b.files.Unlock()
	former := b.db
	b.db, b.dbFile, b.home = db, watchFile(b.path, f, info), home
	b.sealed, b.pending, b.upTo, b.held = nil, nil, b.log.last, b.log.last
	if b.broken.Swap(nil) == nil { // else it may hold its lock
		return former.Close()
	}
	return nil
}

// writeAll fills a new database, and syncs it once it is whole.
func (b *Bolt) writeAll(db *bbolt.DB, withLog bool, records iter.Seq[*slot.Record]) error {
	db.NoSync = true
	defer func() { db.NoSync = false }()
	changes, err := changesOf(slices.Concat(b.sealed, b.pending))
	if err != nil {
		return err
	}
	return errors.Join(
		guarded(func() error { return db.Update(func(tx *bbolt.Tx) error { return b.writeMeta(tx, withLog) }) }),
		b.copyHistory(db),
		db.Update(func(tx *bbolt.Tx) error { return apply(tx, latest(changes)) }),
		writeRecords(db, records),
		db.Sync(),
	)
}

func (b *Bolt) writeMeta(tx *bbolt.Tx, withLog bool) error {
	session := b.session
	if !withLog {
		session = nil
	}
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	for key, content := range map[string][]byte{
		string(digestKey): b.digests, string(idKey): b.id, string(heldKey): number(b.log.last), string(sessionKey): session,
	} {
		if err := meta.Put([]byte(key), encode([]byte(key), content)); err != nil {
			return err
		}
	}
	return fill(tx)
}

// writeRecords writes records some at a time.
func writeRecords(db *bbolt.DB, records iter.Seq[*slot.Record]) error {
	var batch []raw
	flush := func() error {
		defer func() { batch = batch[:0] }()
		return putAll(db, slotBucket, batch)
	}
	for r := range records {
		text, err := recordCodec.appendTo(nil, r)
		if err != nil {
			return err
		}
		key := []byte(r.Key.String())
		if batch = append(batch, raw{key, encode(key, text)}); len(batch) == batchSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func putAll(db *bbolt.DB, bucket []byte, batch []raw) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, r := range batch {
			if err := tx.Bucket(bucket).Put(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyHistory copies what can still be read of the history: the rest is lost, and said to be.
func (b *Bolt) copyHistory(to *bbolt.DB) error {
	var failed error // to write
	err := errNotReadable
	if b.broken.Load() == nil && b.isWhole() {
		err = guarded(func() error {
			return b.db.View(func(tx *bbolt.Tx) error {
				failed = copyBucket(tx.Bucket(historyBucket), to)
				return nil
			})
		})
	}
	if err != nil {
		b.sayWarning("of the history, what the lost database held is lost with it: " + err.Error())
	}
	return failed
}

var errNotReadable = errors.New("it can no longer be read")

// isWhole reports whether the database's file was not cut short.
func (b *Bolt) isWhole() bool {
	info, err := b.dbFile.file.Stat()
	return err == nil && info.Size() >= b.dbFile.least.Load()
}

func copyBucket(from *bbolt.Bucket, to *bbolt.DB) error {
	var batch []raw
	c := from.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if batch = append(batch, raw{k, v}); len(batch) == batchSize {
			if err := putAll(to, historyBucket, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return putAll(to, historyBucket, batch)
}
