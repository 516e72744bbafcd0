package etcdjournal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
)

const (
	formatVersion = 1
	digestKeySize = 32
)

// prepare reads what says of what form all else is, makes it in an empty etcd, and begins the term: its record is the first
// that a new leader writes where others have led.
func (s *Store) prepare(ctx context.Context) error {
	found, err := s.readSmall(ctx)
	if err != nil {
		return err
	}
	if err := s.prepareFormat(ctx, found); err != nil {
		return err
	}
	if err := s.refuseNewer(found); err != nil {
		return err
	}
	if s.note, err = s.noteIn(found[moveKey]); err != nil {
		return err
	}
	if err := s.note.Err(); err != nil && !s.options.ToMove {
		return err
	}
	if err := s.prepareKeys(ctx, found); err != nil {
		return err
	}
	if s.term == (Term{}) {
		return nil
	}
	return s.beginTerm(ctx)
}

// readSmall reads all but records and history, and learns at what revisions it is.
func (s *Store) readSmall(ctx context.Context) (map[string][]byte, error) {
	found := map[string][]byte{}
	_, err := s.list(ctx, folder(metaFolder), func(kvs []*mvccpb.KeyValue) {
		for _, kv := range kvs {
			found[s.below(kv.Key)] = kv.Value
			s.latest.note(s.below(kv.Key), kv.ModRevision)
		}
	}, func() { clear(found) })
	return found, err
}

func (s *Store) prepareFormat(ctx context.Context, found map[string][]byte) error {
	format, err := s.foundOrMade(ctx, found, formatKey, strconv.Itoa(formatVersion))
	if err != nil {
		return err
	}
	return s.checkFormat(format)
}

// refuseNewer refuses an etcd with values of a newer rotatord's beside the records: this term would write over them.
func (s *Store) refuseNewer(found map[string][]byte) error {
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if _, _, err := s.signer.open(key, found[key]); errors.Is(err, durable.ErrNewer) {
			return fmt.Errorf("key %q: %w", s.full(key), err)
		}
	}
	return nil
}

func (s *Store) prepareKeys(ctx context.Context, found map[string][]byte) error {
	if s.options.Identity != nil {
		first, err := s.foundOrMade(ctx, found, recipientKey, s.options.Identity.Recipient())
		if err != nil {
			return err
		}
		if err := checkRecipient(s.options.Identity, first); err != nil {
			return err
		}
	}
	made := make([]byte, digestKeySize)
	_, _ = rand.Read(made) // never fails: it aborts the program instead
	key, err := s.foundOrMade(ctx, found, digestKey, s.signer.seal(digestKey, s.sequence.Add(1), made))
	if err != nil {
		return err
	}
	content, _, err := s.signer.open(digestKey, key)
	if err != nil {
		return fmt.Errorf("key %q: %w", s.full(digestKey), err)
	}
	s.digestKey = bytes.Clone(content)
	return nil
}

// beginTerm tells all of the term, and takes over from the copy.
func (s *Store) beginTerm(ctx context.Context) error {
	if err := s.writeTerm(ctx, func(r *TermRecord) { r.Revision = s.term.Revision }); err != nil {
		return err
	}
	s.termRevision = s.latest.revisions[termKey]
	if s.options.Copy == nil {
		return nil
	}
	if all := s.options.Copy.handOver(ctx, s.termRevision); all != nil {
		s.loaded.Store(all)
		s.former = all.clock
	}
	return nil
}

func (s *Store) foundOrMade(ctx context.Context, found map[string][]byte, key, value string) ([]byte, error) {
	if there, ok := found[key]; ok {
		return there, nil
	}
	return s.ensure(ctx, key, value)
}

// ensure returns a key's value, which this one becomes where there is none.
func (s *Store) ensure(ctx context.Context, key, value string) ([]byte, error) {
	full := s.full(key)
	absent := clientv3.Compare(clientv3.CreateRevision(full), "=", 0)
	create := clientv3.OpTxn([]clientv3.Cmp{absent}, []clientv3.Op{clientv3.OpPut(full, value)}, nil)
	if err := s.patiently(ctx, func(ctx context.Context) error { return s.commitFenced(ctx, create) }); err != nil {
		return nil, err
	}
	answer, err := s.get(ctx, full)
	switch {
	case err != nil:
		return nil, err
	case len(answer.Kvs) == 0:
		return nil, fmt.Errorf("key %q: %w", full, errGone)
	}
	return answer.Kvs[0].Value, nil
}

// commitFenced does what nothing but the term's end forbids.
func (s *Store) commitFenced(ctx context.Context, ops ...clientv3.Op) error {
	answer, err := s.client.Txn(ctx).If(s.fence()...).Then(ops...).Commit()
	if err == nil && !answer.Succeeded {
		err = s.over.set(ErrNotLeader)
	}
	return err
}

var errGone = errors.New("it was deleted meanwhile")

func (p *place) checkFormat(value []byte) error {
	switch version, err := strconv.Atoi(string(value)); {
	case err != nil || version < 1:
		return fmt.Errorf("key %q: %w: %q is no format version", p.full(formatKey), durable.ErrDamaged, value)
	case version > formatVersion:
		return fmt.Errorf("%w: it is of format version %d, and this one reads up to %d", durable.ErrNewer, version, formatVersion)
	}
	return nil
}
