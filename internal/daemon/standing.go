package daemon

import (
	"context"
	"errors"

	"github.com/rotatord/rotatord/internal/forward"
	"github.com/rotatord/rotatord/internal/leadership"
	"github.com/rotatord/rotatord/internal/secret"
)

// forwardKey is the name in etcd of the key that forwarded requests are signed with.
const forwardKey = "forward"

var (
	errStandsBy = errors.New("this replica stands by")
	errNoKey    = errors.New("the key that replicas share is not known yet")
)

// mayAct is why nothing may be changed by this process at present.
func (r *replica) mayAct() error {
	if c := r.core.Load(); c != nil {
		return c.term.MayAct()
	}
	return errStandsBy
}

// newForward makes what sends on to the leader what this process cannot answer; nil where it is alone.
func (d *daemon) newForward(replicas bool) *forward.Replica {
	if !replicas {
		return nil
	}
	return forward.New(forward.Options{Standing: d.standing, Key: d.sharedKey})
}

// standing says who leads.
func (d *daemon) standing() forward.Standing {
	r := d.replica.Load()
	if r == nil {
		return forward.Standing{Vacant: true}
	}
	if c := r.core.Load(); c != nil {
		card := r.card()
		card.Since, card.Term = c.since, c.revision
		return forward.Standing{Leads: true, Leader: leaderOf(card)}
	}
	if seen := r.lastLook.Load(); seen.leader() != "" {
		return forward.Standing{Leader: leaderOf(seen.cards[0]), Vacant: seen.leader() == r.name}
	}
	last, _ := r.term()
	return forward.Standing{Vacant: true, Leader: forward.Leader{
		Replica: last.Replica, Advertise: last.Advertise, Term: last.Revision, Since: last.Since,
	}}
}

func leaderOf(c leadership.Card) forward.Leader {
	return forward.Leader{Replica: c.Replica, Advertise: c.Advertise, SPKI: c.SPKI, Term: c.Term, Since: c.Since}
}

// sharedKey is the key that forwarded requests are signed with.
func (d *daemon) sharedKey() (secret.Value, error) {
	r := d.replica.Load()
	if r == nil {
		return secret.Value{}, errNoKey
	}
	if c := r.copy.Load(); c != nil {
		return c.SharedKey(forwardKey)
	}
	if key := r.key.Load(); key != nil {
		return *key, nil
	}
	return secret.Value{}, errNoKey
}

// learnKey has the leader know the key, which the first one makes.
func (r *replica) learnKey(ctx context.Context, s termStore) error {
	if r.key.Load() != nil {
		return nil
	}
	key, err := s.SharedKey(ctx, forwardKey)
	if err == nil {
		r.key.Store(&key)
	}
	return err
}
