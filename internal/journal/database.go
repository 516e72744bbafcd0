package journal

import (
	"bytes"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/journal/boltfile"
	"github.com/rotatord/rotatord/internal/wal"
)

var _ wal.Store = (*database)(nil)

// database is the bbolt file behind the log, which alone writes to it; reading is safe for
// concurrent use.
type database struct {
	*boltfile.File
	meta meta // as it was when the file was opened

	// What the file says of its log, but for what others did to it; theirs who write.
	seq     uint64 // at least
	session []byte // or none
}

// openDatabase opens the database, or makes it. It finishes a first start
// that was cut short, or one of an older format. One whose journal was moved is refused, but by who moves it.
func openDatabase(path string, publish boltfile.Publisher, toMove bool) (*database, error) {
	if err := boltfile.Ensure(path, publish, fillEmpty); err != nil {
		return nil, err
	}
	f, err := boltfile.Open(path, func(tx *bbolt.Tx) error {
		if err := checkFormat(tx); err != nil || toMove {
			return err
		}
		return checkUsable(tx)
	})
	if err != nil {
		return nil, err
	}
	d := &database{File: f}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

func (d *database) prepare() error {
	current := false
	if err := d.View(func(tx *bbolt.Tx) error {
		current = isCurrent(tx)
		return nil
	}); err != nil {
		return err
	}
	if !current {
		if err := d.Update(fillEmpty); err != nil {
			return err
		}
	}
	return d.View(func(tx *bbolt.Tx) (err error) {
		d.meta, err = readMeta(tx)
		d.seq, d.session = d.meta.log.Seq, d.meta.log.Session
		return err
	})
}

// Checkpoint implements wal.Store.
func (d *database) Checkpoint(entries [][]byte, s wal.State) error {
	changes, err := changesOf(entries)
	if err != nil {
		return err
	}
	if len(s.Session) > 0 {
		d.session = s.Session // even if it fails: it may be kept
	}
	err = d.Update(func(tx *bbolt.Tx) error {
		if err := d.expectOurs(tx); err != nil {
			return err
		}
		return errors.Join(applyChanges(tx, latestOfEach(changes)), putState(tx, s))
	})
	if err == nil {
		d.seq = s.Seq
	}
	return err
}

// expectOurs refuses a database whose content is not what this process wrote: somebody
// has copied another one over it. To write to both at once would damage it.
func (d *database) expectOurs(tx *bbolt.Tx) error {
	m, err := readMeta(tx)
	if err != nil || m.log.Seq < d.seq || len(m.log.Session) > 0 && !bytes.Equal(m.log.Session, d.session) {
		return durable.ErrOverwritten
	}
	return nil
}

// isOverwritten reports whether a database that is shorter than it was is another, whole
// one, copied over it: a backup.
func (d *database) isOverwritten() bool {
	return d.IsSound() && errors.Is(d.View(d.expectOurs), durable.ErrOverwritten)
}

// lastWritten is when the file was last written, for people.
func (d *database) lastWritten() string {
	at, err := d.LastWritten()
	if err != nil {
		return "an unknown time"
	}
	return at.UTC().Format(time.RFC3339)
}
