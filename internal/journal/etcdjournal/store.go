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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/secret"
)

// Term is a leadership: the election's key and the revision at which it was made. A save is refused
// once the key is gone, or made anew. The zero Term is nobody's: whoever has it excludes others by
// other means, such as by holding the election.
type Term struct {
	Key      string
	Revision int64
}

// Options of a store.
type Options struct {
	// Prefix begins every key, such as /rotatord. A role that may read and write below it suffices.
	Prefix string
	// Term is that of this store: a new leadership opens a store of its own.
	Term Term
	// Keys are what values are signed with: the first signs, and all are believed. There is one at least.
	Keys []secret.Value
	// Observe, if set, is called once per save with how long it took and how it ended. It must not block.
	Observe func(took time.Duration, err error)

	call     time.Duration // of one call; 0: callTime
	patience time.Duration // of a save or a reading with all its calls; 0: patience
	rest     time.Duration // between two calls; 0: firstRest
	page     int64         // how many keys are listed at a time; 0: pageSize
}

// Store is rotation's Journal in an etcd. It is safe for concurrent use.
type Store struct {
	client    *clientv3.Client
	options   Options
	prefix    string // ends with a slash
	signer    signer
	term      Term
	digestKey []byte

	revisions *revisions
	sequence  atomic.Uint64 // of the latest value that this store made
	revision  atomic.Int64  // that the latest Load read
	places    chan struct{} // one is held during a transaction
	over      ending

	closing context.Context // over when the store is closed
	close   context.CancelFunc
}

// Most transactions at a time: etcd batches what it is sent together, and an answer is not to wait for thousands.
const maxInFlight = 256

// Open makes the store of one term. It makes what an empty etcd lacks; a format that is newer, and values that are not
// signed with one of the keys, are refused and left alone. The client stays the caller's to close.
func Open(ctx context.Context, client *clientv3.Client, o Options) (*Store, error) {
	s := &Store{
		client: client, options: o, term: o.Term, prefix: strings.TrimSuffix(o.Prefix, "/") + "/",
		signer: newSigner(o.Keys, o.Term), revisions: newRevisions(), places: make(chan struct{}, maxInFlight),
	}
	s.closing, s.close = context.WithCancel(context.Background())
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
