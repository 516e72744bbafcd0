package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/rotatord/rotatord/internal/journal/boltfile"
	"github.com/rotatord/rotatord/internal/slot"
)

// accountPrefix begins the key of an account's note in the bucket meta, where no older rotatord looks for it.
const accountPrefix = "account/"

// notes are the accounts' notes as they were saved last: a database that is lost is written anew with them.
type notes struct {
	mu    sync.Mutex
	saved map[string][]byte // by key
}

// SaveAccount makes an account's note durable before it returns, in the place of the former one.
func (b *Bolt) SaveAccount(ctx context.Context, n slot.AccountNote) error {
	text, err := json.Marshal(n)
	if err != nil {
		return b.writeFault(err)
	}
	b.notes.mu.Lock() // until it is written: notes have the order of the log
	defer b.notes.mu.Unlock()
	if err := b.db.WhyBroken(); err != nil { // nothing could bring it home
		return b.writeFault(err)
	}
	key := accountPrefix + n.AccountID
	if err := b.log.Append(ctx, appendChange(nil, metaBucket, []byte(key), text)); err != nil {
		return b.writeFault(err)
	}
	b.notes.saved[key] = text
	return nil
}

// LoadAccounts returns the notes of all accounts. damaged is called for each that cannot be read; it is left out.
func (b *Bolt) LoadAccounts(ctx context.Context, damaged func(error)) (all []slot.AccountNote, err error) {
	if err := b.log.Checkpoint(ctx); err != nil { // the database then holds all that was saved
		return nil, b.readFault(err)
	}
	if err := b.eachNote(func(r raw) {
		n, err := r.decodeNote()
		if err != nil {
			damaged(b.readFault(err))
			return
		}
		all = append(all, n)
	}); err != nil {
		return nil, b.readFault(err)
	}
	return all, nil
}

// readNotes reads what a lost database would be written anew with.
func (b *Bolt) readNotes() error {
	b.notes.saved = map[string][]byte{}
	return b.eachNote(func(r raw) {
		if content, err := decodeEnvelope(r.key, r.value); err == nil {
			b.notes.saved[string(r.key)] = bytes.Clone(content)
		}
	})
}

// eachNote calls visit for every note, which is the database's.
func (b *Bolt) eachNote(visit func(raw)) error {
	return b.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(metaBucket).Cursor()
		for k, v := c.Seek([]byte(accountPrefix)); bytes.HasPrefix(k, []byte(accountPrefix)); k, v = c.Next() {
			visit(raw{k, v})
		}
		return nil
	})
}

func (r raw) decodeNote() (n slot.AccountNote, err error) {
	if err = r.decode(&n); err == nil && accountPrefix+n.AccountID != string(r.key) {
		err = damagedf("it says it is of account %q", n.AccountID)
	}
	if err != nil {
		return n, fmt.Errorf("note %q: %w", r.key, err)
	}
	return n, nil
}

// writeNotes writes the notes into a new database.
func (b *Bolt) writeNotes(to *boltfile.File) error {
	b.notes.mu.Lock()
	defer b.notes.mu.Unlock()
	return to.Update(func(tx *bbolt.Tx) (err error) {
		for key, text := range b.notes.saved {
			err = errors.Join(err, tx.Bucket(metaBucket).Put([]byte(key), encodeEnvelope([]byte(key), text)))
		}
		return err
	})
}
