package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
)

const (
	lookPause = time.Second     // between two looks at the election
	lookTime  = 5 * time.Second // for which etcd may take to answer
)

// electionLook is what a replica saw of the candidates, the last time it looked.
type electionLook struct {
	cards []leadership.Card // the leader's first
	err   error             // why it saw nothing
}

// leader is the name of who leads; "" where nobody is seen to.
func (l *electionLook) leader() string {
	if l == nil || len(l.cards) == 0 {
		return ""
	}
	return l.cards[0].Replica
}

// watchOthers looks who leads, and tells the others what has changed here, until ctx ends.
func (r *replica) watchOthers(ctx context.Context) {
	for wait(ctx, lookPause) {
		if c := r.core.Load(); c != nil {
			r.tellAll(ctx, c)
			r.lookWhoLeads(ctx)
		} else if c := r.copy.Load(); c != nil {
			r.lookWhoLeads(ctx)
			r.keepVigils(c, sinceBoot())
			r.compareConfig(c)
			r.tellIgnored(c)
		}
		if r.ready() == nil {
			r.announce()
		}
	}
}

// tellIgnored says once what in etcd cannot be read, though this replica may lead without it.
func (r *replica) tellIgnored(c *etcdjournal.Copy) {
	err := c.Ignored()
	if err != nil && (r.ignored == nil || r.ignored.Error() != err.Error()) {
		r.log.Warn("what replicas share in etcd is damaged; who leads next makes it anew", zap.Error(err))
	}
	r.ignored = err
}

// lookWhoLeads looks who leads, and tells when that is another than before.
func (r *replica) lookWhoLeads(ctx context.Context) {
	answered, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	cards, err := leadership.Cards(answered, r.client, r.etcd.Prefix+electionFolder)
	if ctx.Err() != nil {
		return
	}
	now := &electionLook{cards, err}
	before := r.lastLook.Swap(now)
	if leader := now.leader(); leader != "" && leader != before.leader() && leader != r.name {
		r.log.Info("this replica stands by", zap.String("replica", r.name), zap.String("leader", leader))
	}
}

// ready is nil where this replica leads, or could take over.
func (r *replica) ready() error {
	if c := r.core.Load(); c != nil {
		if err := c.term.MayAct(); err != nil {
			return etcdjournal.FaultOf("keep the lease", r.client, r.etcd.Prefix, err)
		}
		return c.engine.StorageErr()
	}
	if err := r.trouble.Load(); err != nil && *err != nil {
		return *err
	}
	if c := r.copy.Load(); c != nil {
		return cmp.Or(c.Err(), r.noRoom())
	}
	return errStarting
}

// behind is for how long nobody has said that what this standby knows is up to date; negative where this process leads,
// or is alone.
func (d *daemon) behind() time.Duration {
	if r := d.replica.Load(); r != nil {
		if c := r.copy.Load(); c != nil {
			return c.Behind()
		}
	}
	return -1
}

// noRoom is that etcd is full, so that who stands by could not take over; nil while it is not.
func (r *replica) noRoom() error {
	if w := r.space.Load(); w != nil {
		return w.FullErr()
	}
	return nil
}

// term is the record of who leads, or led last; false where that is not known.
func (r *replica) term() (etcdjournal.TermRecord, bool) {
	if c := r.copy.Load(); c != nil {
		return c.Term()
	}
	return etcdjournal.TermRecord{}, false
}

// standingBy says why this replica cannot do what is asked of who leads.
func (r *replica) standingBy() error {
	if leader := r.lastLook.Load().leader(); leader != "" {
		return fmt.Errorf("this replica stands by: %s leads", leader)
	}
	if last, ok := r.term(); ok {
		return fmt.Errorf("this replica stands by, and nobody leads; %s did last", last.Replica)
	}
	return fmt.Errorf("this replica stands by, and nobody leads")
}

// line says in one line what this replica does.
func (r *replica) line() string {
	if err := r.ready(); err != nil {
		return "not ready: " + err.Error()
	}
	if leader := r.lastLook.Load().leader(); leader != "" {
		return "standing by: " + leader + " leads"
	}
	return "standing by: nobody leads"
}
