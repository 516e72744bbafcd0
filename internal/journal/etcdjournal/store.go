// Package etcdjournal keeps the slots' records and history in an etcd, for several replicas of
// which one leads.
//
// A save is one transaction of one slot. It compares the election's key, so that nobody but the
// leader writes, and the revision of the slot's record, so that a transaction whose answer was lost
// can be sent again: whichever of the two comes first, the other finds a record that it does not
// expect, and what is there says whose it is. So no answer is ambiguous, and one that lands late
// never undoes a newer save.
package etcdjournal

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/journal/moving"
	"github.com/rotatord/rotatord/internal/secret"
)

// Options of a store.
type Options struct {
	// Prefix begins every key, such as /rotatord. A role that may read and write below it suffices.
	Prefix string
	// Term is that of this store: a new leadership opens a store of its own.
	Term Term
	// TermRecord is what all are told of the term; Open adds the term's revision.
	TermRecord TermRecord
	// Keys are what values are signed with: the first signs, and all are believed. There is one at least.
	Keys []secret.Value
	// Identity, if set, has to open what the first leader's sealed.
	Identity *secret.Identity
	// Copy, if set, is what Load tells the records from, without a list, if it gets up to date soon. It follows no more
	// once Open has succeeded.
	Copy *Copy
	// Clock, if set, is told to the next leader with every Check.
	Clock Clock
	// ToMove opens a journal that was moved, or is not whole yet, too.
	ToMove bool
	// Warn, if set, is called with what was damaged and is made anew.
	Warn func(error)
	// Observe, if set, is called once per save with how long it took and how it ended, and for each check that failed. It
	// must not block.
	Observe func(took time.Duration, err error)

	limits limits
}

// Store is rotation's Journal in an etcd. It is safe for concurrent use.
type Store struct {
	*place
	options   Options
	term      Term
	digestKey []byte
	note      moving.Note

	termRevision int64       // of the term's record
	former       LeaderClock // of the term before

	loaded    atomic.Pointer[contents] // of the copy, until the first Load
	revisions *revisions
	latest    latest
	sequence  atomic.Uint64 // of the latest value that this store made
	revision  atomic.Int64  // that the latest Load read
	places    chan struct{} // one is held during a transaction
	over      ending
}

// Most transactions at a time: etcd batches what it is sent together, and an answer is not to wait for thousands.
const maxInFlight = 256

// Open makes the store of one term. It makes what an empty etcd lacks; a format that is newer, and values that are not
// signed with one of the keys, are refused and left alone. The client stays the caller's to close.
func Open(ctx context.Context, client *clientv3.Client, o Options) (*Store, error) {
	s := &Store{
		place: newPlace(client, o.Prefix, newSigner(o.Keys, o.Term), o.limits), options: o, term: o.Term,
		revisions: newRevisions(), latest: newLatest(), places: make(chan struct{}, maxInFlight),
	}
	if err := s.prepare(ctx); err != nil {
		return nil, s.faultOf(opening, err)
	}
	return s, nil
}

// DigestKey is the installation's random key for the digests of receipts.
func (s *Store) DigestKey() []byte { return bytes.Clone(s.digestKey) }

// Revision is the one at which the latest Load has read all records: a watch goes on after it.
func (s *Store) Revision() int64 { return s.revision.Load() }

// Close ends what is in hand. A save that was on its way is then not known to be kept or not.
func (s *Store) Close() error {
	_ = s.over.set(errClosed)
	s.close()
	return nil
}

var errClosed = errors.New("the journal is closed")

// ErrNotLeader says that the term is over: its key is gone, or another's. It is over for good.
var ErrNotLeader = errors.New("another replica may lead by now: this one's election key is gone")

// ErrRestored says that etcd holds a record that this store did not leave there, though nobody else may lead: most
// likely an older snapshot was restored. All must be read anew, by a new store.
var ErrRestored = errors.New("etcd does not hold what was last written to it")

// ending is why nothing more can be written; the first counts.
type ending struct {
	mu  sync.Mutex
	err error
}

func (e *ending) set(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	return e.err
}

func (e *ending) why() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}
