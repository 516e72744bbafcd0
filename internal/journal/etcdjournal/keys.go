package etcdjournal

import (
	"slices"
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
	termKey       = "meta/term" // what is told of the term
	recipientKey  = "meta/recipient"
	moveKey       = "meta/move" // moving.Note
	metaFolder    = "meta/"
	sharedFolder  = "meta/shared/"  // keys that all replicas know
	accountFolder = "meta/account/" // notes of accounts
	markerFolder  = "meta/marker/"  // what replicas see in the folders that they share
)

func slotKey(k moq.Key) string { return slotFolder + k.String() }

func historyKey(k moq.Key) string { return historyFolder + k.String() }

func isRecord(key string) bool { return strings.HasPrefix(key, slotFolder) }

// isSigned reports whether what is at a key, other than a record, lies in an envelope and is kept as it is.
func isSigned(key string) bool {
	return key == digestKey || slices.ContainsFunc([]string{sharedFolder, accountFolder, markerFolder}, func(folder string) bool {
		return strings.HasPrefix(key, folder)
	})
}

// slotOf is the slot of a record's key.
func slotOf(key string) (k moq.Key, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(key, slotFolder), "/", 3)
	if len(parts) < 3 {
		return moq.Key{}, false
	}
	return moq.Key{AccountID: parts[0], RelayID: parts[1], Type: moq.TokenType(parts[2])}, true
}

// full is a key as etcd has it.
func (p *place) full(key string) string { return p.prefix + key }

// below is a key without the prefix.
func (p *place) below(full []byte) string { return strings.TrimPrefix(string(full), p.prefix) }

// span is a range of keys below the prefix, its end excluded.
type span struct{ from, end string }

func folder(name string) span { return span{name, clientv3.GetPrefixRangeEnd(name)} }

// followed is what a standby's copy follows, in one range: all but history and election.
func followed() span { return span{metaFolder, folder(slotFolder).end} }

// fence is what every transaction compares first: whether the term is not over.
func (s *Store) fence() []clientv3.Cmp {
	if s.term == (Term{}) {
		return nil
	}
	return []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(s.term.Key), "=", s.term.Revision)}
}

// readFence is what a transaction reads to learn whether the term is over.
func (s *Store) readFence() clientv3.Op { return clientv3.OpGet(s.term.Key, clientv3.WithKeysOnly()) }
