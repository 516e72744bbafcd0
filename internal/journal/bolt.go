// Package journal keeps the slots' records and history durably, in a bbolt database
// with a log before it, and finds damage rather than guessing around it.
//
// A save is durable once it is in the log: one write and one sync, where the
// database takes two and consumers may be waiting. What the log holds is folded
// into the database when half of the log is full, when records are loaded, with every
// Check and at the end; after a crash, at the next start.
package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
)

// FileName is the journal's file in the state folder.
const FileName = "state.db"

const (
	formatVersion = 3
	oldVersion    = 1 // knew no log
	sessionsSince = 3 // the database says which log is in use
	lockWait      = 200 * time.Millisecond
	digestKeySize = 32
	idSize        = 16
	// probeSize is what Check writes: more than a record takes. Written over and over,
	// it keeps that much room inside the file for a fold on a disk that has since filled up.
	probeSize = 16 << 10
)

// The buckets, and the keys of the bucket meta.
var (
	metaBucket    = []byte("meta")
	slotBucket    = []byte("slots")
	historyBucket = []byte("history")

	versionKey = []byte("version")
	digestKey  = []byte("digest_key")
	probeKey   = []byte("probe")
	idKey      = []byte("id")
	heldKey    = []byte("held")    // the latest frame of the log that the database holds
	sessionKey = []byte("session") // of the log that is in use; empty when none is
)

// buckets lists the buckets; each begins with a letter of its own.
func buckets() [][]byte { return [][]byte{metaBucket, slotBucket, historyBucket} }

// Options of a journal; the zero value will do.
type Options struct {
	// Observe, if set, is called once per commit with how long its callers waited and
	// how it ended, and for a fold that failed. It must not block.
	Observe func(took time.Duration, err error)
	// Warn, if set, is told what a person should know.
	Warn func(text string)

	publish func(temp, path string) error // nil: as this machine's kernel does
}

// Bolt is rotation's Journal in one folder. It is safe for concurrent use; saves
// that come while a commit runs go into the next commit together.
type Bolt struct {
	path    string
	options Options
	digests []byte
	id      []byte
	events  atomic.Uint64 // sequence number of the latest event
	scratch sync.Pool     // *[]byte, for encoding

	files   sync.RWMutex // Restore replaces them
	db      *bbolt.DB
	dbFile  *watchedFile
	logFile *watchedFile
	home    os.FileInfo // the state folder

	mu     sync.Mutex
	queue  []*save
	closed bool
	wake   chan struct{}
	done   chan struct{} // closed when the writer has ended

	writing chan struct{} // holds an element while somebody writes
	log     frames        // theirs who write, from Open until done
	pending [][]byte      // what the frames of the half say that is written to
	failed  error         // the fold at the end

	folding chan struct{}         // holds an element while somebody folds
	sealed  [][]byte              // theirs who fold: what the frames of the other half say,
	upTo    uint64                // their last number,
	held    uint64                // and that of the latest frame that the database holds
	session []byte                // the log's that is in use; nil while nothing can be saved
	noted   []byte                // the latest that the database may name
	ended   bool                  // it surely names none
	fresh   bool                  // none is in use yet since the start
	format  uint32                // and its format
	broken  atomic.Pointer[error] // a crash after which bbolt may hold its locks: it is not used any more
}

// Open opens the journal in the folder dir, or makes both: the folder 0700, the file
// 0600. It fails with ErrInUse when another process has it open, and refuses,
// without touching it, a file of a newer format or one that is damaged.
func Open(dir string, opts Options) (*Bolt, error) {
	path := filepath.Join(dir, FileName)
	if opts.publish == nil {
		opts.publish = durable.Kernel().Publish
	}
	if err := opts.ensureFile(dir, path); err != nil {
		return nil, openFault(path, err)
	}
	if err := guarded(func() error { return verify(path) }); err != nil {
		return nil, openFault(path, err)
	}
	b := &Bolt{path: path, options: opts, wake: make(chan struct{}, 1), done: make(chan struct{}), writing: make(chan struct{}, 1), folding: make(chan struct{}, 1)}
	b.scratch.New = func() any { return new([]byte) }
	if err := guarded(b.open); err != nil {
		return nil, openFault(path, err)
	}
	if err := b.openSession(); err != nil {
		return nil, errors.Join(err, b.closeFiles())
	}
	go b.write()
	return b, nil
}

func (b *Bolt) open() error {
	db, f, err := openDatabase(b.path)
	if err != nil {
		return err
	}
	b.db = db
	if err := b.prepare(f); err != nil {
		return errors.Join(err, b.db.Close())
	}
	return nil
}

// openDatabase gives the very file that bbolt has open, too.
func openDatabase(path string) (db *bbolt.DB, file *os.File, err error) {
	options := boltOptions()
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode) //nolint:gosec // the operator names the folder
		file = f
		return f, err
	}
	db, err = bbolt.Open(path, 0o600, options)
	return db, file, err
}

// prepare finishes a first start that was cut short, or one of an older format, and
// learns what never changes.
func (b *Bolt) prepare(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if b.home, err = os.Stat(filepath.Dir(b.path)); err != nil {
		return err
	}
	b.dbFile = watchFile(b.path, f, info)
	current := false
	if err := b.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		current = meta != nil && bytes.Equal(meta.Get(versionKey), thisVersion())
		return nil
	}); err != nil {
		return err
	}
	if !current {
		if err := b.db.Update(fill); err != nil {
			return err
		}
	}
	return b.db.View(b.learn)
}

func (b *Bolt) learn(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	var errs []error
	get := func(key []byte) []byte {
		value, err := decode(key, meta.Get(key))
		errs = append(errs, err)
		return bytes.Clone(value)
	}
	b.format = binary.BigEndian.Uint32(meta.Get(versionKey)) // of four bytes: see checkFormat
	b.digests, b.id = get(digestKey), get(idKey)
	if held := get(heldKey); len(held) == 8 {
		b.held = binary.BigEndian.Uint64(held)
	}
	b.noted = get(sessionKey)
	if b.session = b.noted; len(b.session) == 0 {
		b.session, b.ended = nil, b.format == formatVersion
	}
	return errors.Join(errs...)
}

func (b *Bolt) logPath() string { return filepath.Join(filepath.Dir(b.path), logName(b.id)) }

func (b *Bolt) closeFiles() error {
	var errs []error
	if b.logFile != nil {
		errs = append(errs, b.logFile.file.Close())
	}
	if b.broken.Load() == nil { // else bbolt may still hold its lock
		errs = append(errs, b.db.Close())
	}
	return errors.Join(errs...)
}

func boltOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType}
}

// ensureFile makes the folder and the file where they are missing. A file of no
// length holds nothing and counts as missing.
func (o Options) ensureFile(dir, path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return errNoFile
	case err == nil && info.Size() > 0:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := durable.SyncFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if info != nil {
		return initialise(path) // under bbolt's lock, in case another has just begun to
	}
	return o.create(dir, path)
}

// create makes the file elsewhere and gives it its name whole, so that a crash
// leaves none or a good one, and two that start at once end up with the same.
func (o Options) create(dir, path string) error {
	temp, err := os.CreateTemp(dir, FileName+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(temp.Close(), initialise(temp.Name())); err != nil {
		return err
	}
	if err := o.publish(temp.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func initialise(path string) error {
	db, err := bbolt.Open(path, 0o600, boltOptions())
	if err != nil {
		return err
	}
	return errors.Join(db.Update(fill), db.Close())
}

func thisVersion() []byte { return binary.BigEndian.AppendUint32(nil, formatVersion) }

// fill writes what an empty journal holds, as far as it is missing.
func fill(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	if meta.Get(versionKey) == nil { // the version of an older one is changed once its log is read
		if err := meta.Put(versionKey, thisVersion()); err != nil {
			return err
		}
	}
	return errors.Join(
		ensure(tx, digestKey, random(digestKeySize)),
		ensure(tx, idKey, random(idSize)),
		ensure(tx, heldKey, number(0)),
		ensure(tx, sessionKey, nil),
	)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func ensure(tx *bbolt.Tx, key, value []byte) error {
	meta := tx.Bucket(metaBucket)
	if meta.Get(key) != nil {
		return nil
	}
	return meta.Put(key, encode(key, value))
}

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // crypto/rand never fails: it aborts the program instead
	return b
}

// DigestKey is the installation's random key for the digests of receipts.
func (b *Bolt) DigestKey() []byte { return bytes.Clone(b.digests) }

// Empty reports whether no slot has a record.
func (b *Bolt) Empty() (empty bool, err error) {
	if err := b.settle(context.Background()); err != nil {
		return false, err
	}
	err = b.view(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(slotBucket).Cursor().First()
		empty = k == nil
		return nil
	})
	return empty, err
}

// Check writes and syncs a probe of a record's size, to the log and to the database;
// not before the database holds all else, so that a disk that stays full does not fill
// the log with probes. It also fails when a file is no longer the one in the state
// folder, where nothing written would be found again, or was cut short.
func (b *Bolt) Check(ctx context.Context) error {
	if err := b.fileFault(b.lookAtFiles()); err != nil {
		b.observed(0, err)
		return err
	}
	if err := b.checkMark(ctx); err != nil {
		return b.writeFault(err)
	}
	probe := appendChange(nil, metaBucket, probeKey, make([]byte, probeSize))
	for _, step := range []func() error{
		func() error { return b.fold(ctx) },
		func() error { return b.submit(ctx, &save{body: probe}) },
		func() error { return b.fold(ctx) },
	} {
		if err := step(); err != nil {
			return b.writeFault(err)
		}
	}
	return nil
}

// settle folds, so that the database holds all that was saved.
func (b *Bolt) settle(ctx context.Context) error {
	if err := b.fold(ctx); err != nil {
		return b.readFault(err)
	}
	return nil
}

// Close waits for the saves that wait, folds, and closes the files. A Save after it fails.
func (b *Bolt) Close() error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if again {
		<-b.done
		return nil
	}
	b.signal()
	<-b.done
	err := b.closeFiles()
	if b.failed != nil { // the log has all: the next start brings it home
		return b.writeFault(errors.Join(b.failed, err))
	}
	return err
}

// view reads in one transaction. Faults of the disk beneath the mapped file, and
// pages that make no sense, become errors.
func (b *Bolt) view(read func(tx *bbolt.Tx) error) error {
	b.files.RLock()
	defer b.files.RUnlock()
	if broken := b.broken.Load(); broken != nil {
		return b.readFault(*broken)
	}
	begun := false
	err := guarded(func() error {
		return b.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return read(tx)
		})
	})
	var c *crash
	if errors.As(err, &c) && !begun {
		b.broken.Store(&err) // bbolt still holds its locks: nobody may wait for them again
	}
	if err != nil {
		return b.readFault(err)
	}
	return nil
}
