package etcdjournal

import (
	"cmp"
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Seen is what Look has read.
type Seen struct {
	Term     TermRecord // the latest; zero where nobody has led yet
	contents *contents
}

// Marker is Copy.Marker.
func (s Seen) Marker(folder string) (string, error) { return s.contents.marker(folder) }

// Look reads once what a replica has to know before it leads, and changes nothing: whether the form is known and what is
// sealed can be opened.
func Look(ctx context.Context, client *clientv3.Client, o FollowOptions) (Seen, error) {
	c := newContents(newPlace(client, o.Prefix, newSigner(o.Keys, Term{}), once(o.limits)), func() time.Duration { return 0 })
	if _, err := c.place.list(ctx, folder(metaFolder), c.addPage, c.clear); err != nil {
		return Seen{}, c.place.faultOf(reading, err)
	}
	if err := c.checkForm(o.Identity); err != nil {
		return Seen{}, c.place.faultOf(reading, err)
	}
	return Seen{c.term, c}, cmp.Or(c.err(), c.errOf(c.ignored))
}

// MayWrite finds out whether etcd lets this user write below a prefix. It changes nothing: etcd judges all that a
// transaction might do, and this one's condition is never met.
func MayWrite(ctx context.Context, client *clientv3.Client, prefix string) error {
	p := newPlace(client, prefix, signer{}, once(limits{}))
	never := clientv3.Compare(clientv3.CreateRevision(p.full(probeKey)), "<", 0)
	err := p.patiently(ctx, func(ctx context.Context) error {
		_, err := client.Txn(ctx).If(never).
			Then(clientv3.OpPut(p.full(probeKey), ""), clientv3.OpPut(p.full(slotFolder), ""), clientv3.OpPut(p.full(historyFolder), "")).
			Else(clientv3.OpGet(p.prefix, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())).Commit()
		return err
	})
	if err != nil {
		return p.faultOf(writing, err)
	}
	return nil
}

// once are limits for a person who waits: what fails is not tried for long.
func once(l limits) limits {
	l.patience = cmp.Or(l.patience, callTime)
	return l
}
