package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/wal"
)

// What is in the database beside the records, which are slot.Record as JSON (save.go).

const (
	formatVersion   = 3
	unusableVersion = 1000 + formatVersion // of a database that a move forbids to use; its format is ours
	oldVersion      = 1                    // knew no log
	sessionsSince   = 3                    // the database says which log is in use
	digestKeySize   = 32
	idSize          = 16
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
	heldKey    = []byte("held")    // checkpointSeq: the latest batch of the log that the database holds
	sessionKey = []byte("session") // of the log that is in use; empty when none is
	moveKey    = []byte("move")    // moving.Note; none where the journal was never moved
)

// buckets lists the buckets; each begins with a letter of its own.
func buckets() [][]byte { return [][]byte{metaBucket, slotBucket, historyBucket} }

// meta is what the bucket of that name says.
type meta struct {
	format    uint32
	digestKey []byte // of the installation
	id        []byte // of the database, which its log is named after
	log       wal.State
	move      moving.Note
}

// logName is the log's file name: it belongs to one database, whatever else is
// put into the folder.
func (m meta) logName() string { return "state-" + hex.EncodeToString(m.id[:4]) + ".log" }

// readMeta reads the bucket; what is missing is damage.
func readMeta(tx *bbolt.Tx) (m meta, err error) {
	bucket := tx.Bucket(metaBucket)
	if bucket == nil {
		return meta{}, damagedf("it is not a rotatord journal")
	}
	var errs []error
	get := func(key []byte) []byte {
		value, err := decodeEnvelope(key, bucket.Get(key))
		errs = append(errs, err)
		return bytes.Clone(value)
	}
	if version := bucket.Get(versionKey); len(version) == 4 {
		m.format = binary.BigEndian.Uint32(version)
	}
	if held := get(heldKey); len(held) == 8 {
		m.log.Seq = binary.BigEndian.Uint64(held)
	}
	m.digestKey, m.id, m.log.Session = get(digestKey), get(idKey), get(sessionKey)
	m.move, err = noteOf(tx)
	return m, errors.Join(append(errs, err)...)
}

// putState notes the state of the log, and that the format is ours by now.
func putState(tx *bbolt.Tx, s wal.State) error {
	bucket := tx.Bucket(metaBucket)
	note, err := noteOf(tx)
	return errors.Join(
		err,
		bucket.Put(versionKey, versionOf(note)),
		bucket.Put(heldKey, encodeEnvelope(heldKey, encodeNumber(s.Seq))),
		bucket.Put(sessionKey, encodeEnvelope(sessionKey, s.Session)),
	)
}

// putIdentity gives a new database the identity of a former one.
func putIdentity(tx *bbolt.Tx, m meta) error {
	bucket := tx.Bucket(metaBucket)
	return errors.Join(
		bucket.Put(digestKey, encodeEnvelope(digestKey, m.digestKey)),
		bucket.Put(idKey, encodeEnvelope(idKey, m.id)),
		putNote(tx, m.move),
	)
}

// checkFormat accepts our buckets in our version, and a file with nothing in it.
func checkFormat(tx *bbolt.Tx) error {
	if k, _ := tx.Cursor().First(); k == nil {
		return nil
	}
	bucket := tx.Bucket(metaBucket)
	if bucket == nil || tx.Bucket(slotBucket) == nil || tx.Bucket(historyBucket) == nil {
		return damagedf("it is not a rotatord journal")
	}
	version := bucket.Get(versionKey)
	if len(version) != 4 {
		return damagedf("it names no format version")
	}
	switch v := binary.BigEndian.Uint32(version); {
	case v == unusableVersion && bucket.Get(moveKey) != nil:
	case v > formatVersion:
		return fmt.Errorf("%w: it is of format version %d, and this one reads up to %d", ErrNewer, v, formatVersion)
	case v < oldVersion:
		return damagedf("its format version is %d", v)
	}
	return nil
}

// isCurrent reports whether the database is whole and of this format.
func isCurrent(tx *bbolt.Tx) bool {
	bucket := tx.Bucket(metaBucket)
	return bucket != nil && (bytes.Equal(bucket.Get(versionKey), versionOf(moving.Note{})) || bucket.Get(moveKey) != nil)
}

// fillEmpty writes what an empty journal holds, as far as it is missing.
func fillEmpty(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	bucket := tx.Bucket(metaBucket)
	if bucket.Get(versionKey) == nil { // the version of an older one is changed once its log is read
		if err := bucket.Put(versionKey, versionOf(moving.Note{})); err != nil {
			return err
		}
	}
	return errors.Join(
		putIfMissing(bucket, digestKey, randomBytes(digestKeySize)),
		putIfMissing(bucket, idKey, randomBytes(idSize)),
		putIfMissing(bucket, heldKey, encodeNumber(0)),
		putIfMissing(bucket, sessionKey, nil),
	)
}

func putIfMissing(bucket *bbolt.Bucket, key, value []byte) error {
	if bucket.Get(key) != nil {
		return nil
	}
	return bucket.Put(key, encodeEnvelope(key, value))
}

func encodeNumber(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func randomBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // crypto/rand never fails: it aborts the program instead
	return b
}
