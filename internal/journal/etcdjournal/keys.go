package etcdjournal

import (
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/rotatord/rotatord/internal/moq"
)

// The keys, below the prefix. An election's keys lie below it, too, so that one role will do.
const (
	slotFolder    = "slots/"
	historyFolder = "history/" // a slot's last events in one key
	formatKey     = "meta/format"
	digestKey     = "meta/digest-key"
	probeKey      = "meta/probe"
)

func slotKey(k moq.Key) string { return slotFolder + k.String() }

func historyKey(k moq.Key) string { return historyFolder + k.String() }

// full is a key as etcd has it.
func (s *Store) full(key string) string { return s.prefix + key }

// below is a key without the prefix.
func (s *Store) below(full []byte) string { return strings.TrimPrefix(string(full), s.prefix) }

// fence is what every transaction compares first: whether the term is not over.
func (s *Store) fence() []clientv3.Cmp {
	if s.term == (Term{}) {
		return nil
	}
	return []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(s.term.Key), "=", s.term.Revision)}
}

// readFence is what a transaction reads to learn whether the term is over.
func (s *Store) readFence() clientv3.Op { return clientv3.OpGet(s.term.Key, clientv3.WithKeysOnly()) }
