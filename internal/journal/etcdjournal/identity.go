package etcdjournal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/rotatord/rotatord/internal/durable"
	"github.com/rotatord/rotatord/internal/secret"
)

// ErrOtherIdentity says that an identity does not open what the first leader's has sealed.
var ErrOtherIdentity = errors.New("another age identity sealed what is in etcd")

// checkRecipient compares an identity with the first leader's, if there was one.
func checkRecipient(i *secret.Identity, first []byte) error {
	if i == nil || first == nil || i.Opens(string(first)) {
		return nil
	}
	return fmt.Errorf("%w: it was sealed for %s, and this identity_file opens for %s", ErrOtherIdentity, first, i.Recipient())
}

const sharedKeySize = 32

// SharedKey returns a random key that all replicas know, by its name; it is made where there is none, or a damaged one.
func (s *Store) SharedKey(ctx context.Context, name string) (secret.Value, error) {
	key, err := s.sharedKey(ctx, sharedFolder+name)
	if err != nil {
		return secret.Value{}, s.faultOf(opening, err)
	}
	return key, nil
}

func (s *Store) sharedKey(ctx context.Context, key string) (secret.Value, error) {
	made := make([]byte, sharedKeySize)
	_, _ = rand.Read(made) // never fails: it aborts the program instead
	sealed, err := s.options.Identity.Seal(secret.New(string(made)))
	if err != nil {
		return secret.Value{}, err
	}
	there, err := s.ensure(ctx, key, s.signer.seal(key, s.sequence.Add(1), sealed))
	if err != nil {
		return secret.Value{}, err
	}
	known, err := s.openShared(s.options.Identity, key, there)
	if errors.Is(err, durable.ErrDamaged) {
		return secret.New(string(made)), s.makeAnew(ctx, key, sealed, err)
	}
	return known, err
}

func (p *place) openShared(by *secret.Identity, key string, value []byte) (secret.Value, error) {
	sealed, _, err := p.signer.open(key, value)
	if err != nil {
		return secret.Value{}, fmt.Errorf("key %q: %w", p.full(key), err)
	}
	v, err := by.Open(sealed)
	if err != nil {
		return secret.Value{}, fmt.Errorf("key %q: %w: %w", p.full(key), durable.ErrDamaged, err)
	}
	return v, nil
}
