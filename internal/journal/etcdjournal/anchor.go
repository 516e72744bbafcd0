package etcdjournal

import (
	"context"
	"crypto/sha256"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// anchor is the latest signed value that was seen. Where etcd still holds it at its revision, all that was seen before
// belongs to the same etcd's history, and a watch may go on after it; an etcd that was restored from a snapshot has
// another history from some revision on.
type anchor struct {
	key       string // as etcd has it
	revision  int64
	signature [signatureSize]byte
	blind     int64 // revision of the latest change that leaves no signature
}

func (a *anchor) see(kv *mvccpb.KeyValue) {
	switch {
	case len(kv.Value) < envelopeHead:
		a.blind = max(a.blind, kv.ModRevision)
	case kv.ModRevision > a.revision:
		a.key, a.revision, a.signature = string(kv.Key), kv.ModRevision, signatureOf(kv.Value)
	}
}

func signatureOf(value []byte) [sha256.Size]byte { return [sha256.Size]byte(value[1:]) }

// holds reports whether etcd's history is still the one that the anchor was seen in.
func (a *anchor) holds(ctx context.Context, p *place) bool {
	if a.revision <= a.blind {
		return false
	}
	answer, err := p.get(ctx, a.key, clientv3.WithRev(a.revision))
	if err != nil || len(answer.Kvs) != 1 {
		return false
	}
	kv := answer.Kvs[0]
	return kv.ModRevision == a.revision && len(kv.Value) >= envelopeHead && signatureOf(kv.Value) == a.signature
}
