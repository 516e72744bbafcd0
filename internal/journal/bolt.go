// Package journal keeps the slots' records and history durably, in one bbolt
// file, and finds damage rather than guessing around it.
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
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/rotation"
)

var _ rotation.Journal = (*Bolt)(nil)

// FileName is the journal's file in the state folder.
const FileName = "state.db"

const (
	formatVersion = 1
	lockWait      = 200 * time.Millisecond
	digestKeySize = 32
	// probeSize is what Check writes: more than a record takes. Written over and over,
	// it keeps that much room inside the file for a save on a disk that has since filled up.
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
)

// Options of a journal; the zero value will do.
type Options struct {
	// Observe, if set, is called once per commit with how long it took and how it
	// ended. It must not block.
	Observe func(took time.Duration, err error)
}

// Bolt is a rotation.Journal in one file. It is safe for concurrent use; saves that
// come while a commit runs go into the next commit together.
type Bolt struct {
	path    string
	db      *bbolt.DB
	file    os.FileInfo // what was opened, to notice that it was replaced
	digests []byte
	observe func(time.Duration, error)

	mu     sync.Mutex
	queue  []*save
	closed bool
	wake   chan struct{}
	done   chan struct{} // closed when the writer has ended

	// The writer's own, until done.
	doubts []doubt // commits that failed and may yet have been kept
	broken error   // a crash within a commit: nothing is written any more
}

// Open opens the journal in the folder dir, or makes both: the folder 0700, the file
// 0600. It fails with ErrInUse when another process has it open, and refuses,
// without touching it, a file of a newer format or one that is damaged.
func Open(dir string, opts Options) (*Bolt, error) {
	path := filepath.Join(dir, FileName)
	if err := ensureFile(dir, path); err != nil {
		return nil, openFault(path, err)
	}
	if err := guarded(func() error { return verify(path) }); err != nil {
		return nil, openFault(path, err)
	}
	b := &Bolt{path: path, observe: opts.Observe, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := guarded(b.open); err != nil {
		return nil, openFault(path, err)
	}
	go b.write()
	return b, nil
}

func (b *Bolt) open() (err error) {
	if b.db, err = bbolt.Open(b.path, 0o600, boltOptions()); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return errors.Join(err, b.db.Close())
	}
	return nil
}

// prepare finishes a first start that was cut short, and learns what never changes.
func (b *Bolt) prepare() (err error) {
	if b.file, err = os.Stat(b.path); err != nil {
		return err
	}
	fresh := false
	if err := b.db.View(func(tx *bbolt.Tx) error {
		fresh = tx.Bucket(metaBucket) == nil
		return nil
	}); err != nil {
		return err
	}
	if fresh {
		if err := b.db.Update(fill); err != nil {
			return err
		}
	}
	return b.db.View(func(tx *bbolt.Tx) error {
		key, err := decode(digestKey, tx.Bucket(metaBucket).Get(digestKey))
		b.digests = bytes.Clone(key)
		return err
	})
}

func boltOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType}
}

// ensureFile makes the folder and the file where they are missing. A file of no
// length holds nothing and counts as missing.
func ensureFile(dir, path string) error {
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
	if err := syncFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if info != nil {
		return initialise(path) // under bbolt's lock, in case another has just begun to
	}
	return create(dir, path)
}

// create makes the file elsewhere and links it into place whole, so that a crash
// leaves none or a good one, and two that start at once end up with the same.
func create(dir, path string) error {
	temp, err := os.CreateTemp(dir, FileName+".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if err := errors.Join(temp.Close(), initialise(temp.Name())); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir)
}

func initialise(path string) error {
	db, err := bbolt.Open(path, 0o600, boltOptions())
	if err != nil {
		return err
	}
	return errors.Join(db.Update(fill), db.Close())
}

// fill writes what an empty journal holds. A file that has it already is left alone.
func fill(tx *bbolt.Tx) error {
	if tx.Bucket(metaBucket) != nil {
		return nil
	}
	for _, name := range [][]byte{metaBucket, slotBucket, historyBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	key := make([]byte, digestKeySize)
	_, _ = rand.Read(key) // crypto/rand never fails: it aborts the program instead
	meta := tx.Bucket(metaBucket)
	return errors.Join(
		meta.Put(versionKey, binary.BigEndian.AppendUint32(nil, formatVersion)),
		meta.Put(digestKey, encode(digestKey, key)),
	)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// DigestKey is the installation's random key for the digests of receipts.
func (b *Bolt) DigestKey() []byte { return bytes.Clone(b.digests) }

// Empty reports whether no slot has a record.
func (b *Bolt) Empty() (empty bool, err error) {
	err = b.view(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(slotBucket).Cursor().First()
		empty = k == nil
		return nil
	})
	return empty, err
}

// Check writes and syncs a probe of a record's size. It also fails when the file is no
// longer the one in the state folder, where nothing written would be found again.
func (b *Bolt) Check(ctx context.Context) error {
	info, err := os.Stat(b.path)
	switch {
	case err != nil:
		return b.writeFault(err)
	case !os.SameFile(info, b.file):
		return b.writeFault(errReplaced)
	}
	return b.submit(ctx, func(e *edits) error {
		return e.put(metaBucket, probeKey, make([]byte, probeSize))
	})
}

// Close waits for the saves that wait, and closes the file. A Save after it fails.
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
	if b.broken != nil {
		return b.writeFault(b.broken)
	}
	return b.db.Close()
}

// view reads in one transaction. Faults of the disk beneath the mapped file, and
// pages that make no sense, become errors.
func (b *Bolt) view(read func(tx *bbolt.Tx) error) error {
	err := guarded(func() error { return b.db.View(read) })
	if err != nil {
		return b.readFault(err)
	}
	return nil
}
