package etcdjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/slot"
)

// SaveAccount makes an account's note durable before it returns; the latest counts.
func (s *Store) SaveAccount(ctx context.Context, n slot.AccountNote) error {
	if err := s.over.why(); err != nil {
		return s.faultOf(writing, err)
	}
	if err := s.putLatest(ctx, accountFolder+n.AccountID, func() ([]byte, error) { return json.Marshal(n) }); err != nil {
		return s.faultOf(writing, err)
	}
	return nil
}

// LoadAccounts returns the notes of all accounts. damaged is called for each that cannot be read; it is left out. That
// one is newer is an error: the next save would write over it.
func (s *Store) LoadAccounts(ctx context.Context, damaged func(error)) (notes []slot.AccountNote, err error) {
	var wrong []error
	if _, err := s.list(ctx, folder(accountFolder), func(kvs []*mvccpb.KeyValue) {
		for _, kv := range kvs {
			n, err := s.decodeAccount(kv)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("key %q: %w", kv.Key, err))
				continue
			}
			notes = append(notes, n)
		}
	}, func() { notes, wrong = nil, nil }); err != nil {
		return nil, s.faultOf(reading, err)
	}
	for _, err := range wrong {
		if errors.Is(err, durable.ErrNewer) {
			return nil, s.faultOf(reading, err)
		}
		damaged(s.faultOf(reading, err))
	}
	return notes, nil
}

func (p *place) decodeAccount(kv *mvccpb.KeyValue) (n slot.AccountNote, err error) {
	key := p.below(kv.Key)
	if err := p.decode(key, kv.Value, &n); err != nil {
		return n, err
	}
	if accountFolder+n.AccountID != key {
		return n, fmt.Errorf("%w: it says it is of account %q", durable.ErrDamaged, n.AccountID)
	}
	return n, nil
}
