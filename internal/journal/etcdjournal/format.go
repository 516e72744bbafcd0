package etcdjournal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/durable"
)

const (
	formatVersion = 1
	digestKeySize = 32
)

// prepare reads what says of what form all else is, and makes it in an empty etcd.
func (s *Store) prepare(ctx context.Context) error {
	format, err := s.ensure(ctx, formatKey, strconv.Itoa(formatVersion))
	if err != nil {
		return err
	}
	if err := s.checkFormat(format); err != nil {
		return err
	}
	made := make([]byte, digestKeySize)
	_, _ = rand.Read(made) // never fails: it aborts the program instead
	key, err := s.ensure(ctx, digestKey, s.signer.seal(digestKey, s.sequence.Add(1), made))
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

var errGone = errors.New("it was deleted meanwhile")

func (s *Store) checkFormat(value []byte) error {
	switch version, err := strconv.Atoi(string(value)); {
	case err != nil || version < 1:
		return fmt.Errorf("key %q: %w: %q is no format version", s.full(formatKey), durable.ErrDamaged, value)
	case version > formatVersion:
		return fmt.Errorf("%w: it is of format version %d, and this one reads up to %d", durable.ErrNewer, version, formatVersion)
	}
	return nil
}
