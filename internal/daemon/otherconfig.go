package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/leadership"
)

// errOtherConfig says why a replica leaves leading to others.
var errOtherConfig = errors.New("another configuration than this replica's was applied last, and a replica that has it may be alive")

// yields is why this replica leaves leading to others: a leader has applied another configuration than it has, and it has
// not looked for two leases yet without seeing a replica with that one.
func (r *replica) yields(c *etcdjournal.Copy) error {
	last, _ := c.Term()
	if !r.hasOtherConfig(c) || r.equals.lastedFor(last.Config) >= r.twoLeases() {
		return nil
	}
	return errOtherConfig
}

func (r *replica) twoLeases() time.Duration { return 2 * r.etcd.LeaseTTL }

// hasOtherConfig reports whether a leader applied another configuration than this replica's.
func (r *replica) hasOtherConfig(c *etcdjournal.Copy) bool {
	last, _ := c.Term()
	return last.Config != "" && last.Config != r.fleet.Load().Digest()
}

// anybody is whom the vigil for others is kept for.
const anybody = "anybody"

// keepVigils notes whether the last look showed another candidate, and one with the configuration that was applied last.
func (r *replica) keepVigils(c *etcdjournal.Copy, now time.Duration) {
	last, _ := c.Term()
	seen := r.lastLook.Load()
	r.equals.note(last.Config, seen.lacks(func(c leadership.Card) bool { return c.Config == last.Config }), now)
	r.others.note(anybody, seen.lacks(func(c leadership.Card) bool { return c.Replica != r.name }), now)
}

// beginVigils is for who begins to follow: nothing that was seen before counts.
func (r *replica) beginVigils() {
	for _, v := range []*vigil{&r.equals, &r.others} {
		v.note("", false, sinceBoot())
	}
}

// compareConfig tells that this replica's configuration differs from the one that was applied last, or no more.
func (r *replica) compareConfig(c *etcdjournal.Copy) {
	last, _ := c.Term()
	mine, differs := r.fleet.Load().Digest(), r.hasOtherConfig(c)
	r.metrics.ReplicaConfig(r.name, mine)
	switch {
	case differs == r.differed.Swap(differs):
	case differs:
		r.log.Warn("this replica's configuration differs from the one that leads: it leads only if no replica with that one is alive; "+
			"give all replicas one configuration, and reload", zap.String("replica", r.name), zap.String("digest", mine),
			zap.String("leader", last.Replica), zap.String("leaders_digest", last.Config))
	default:
		r.log.Info("this replica's configuration is the one that leads again", zap.String("replica", r.name))
	}
}

// tellAll tells the others of this leader, at first and when something has changed, such as the configuration it has applied.
func (r *replica) tellAll(ctx context.Context, c *core) {
	s, ok := c.journal.(termStore)
	if !ok || r.learnKey(ctx, s) != nil {
		return // it is tried again
	}
	card, before := r.card(), r.told.Load()
	card.Since = c.since
	r.metrics.ReplicaConfig(r.name, card.Config)
	if before != nil && before.SaysTheSame(card) {
		return
	}
	if before != nil && before.Config != card.Config && s.SetConfig(ctx, card.Config) != nil {
		return
	}
	if s.term.Proclaim(ctx, card) == nil {
		r.told.Store(&card)
	}
}

// lacks reports whether the look has shown that no candidate is so: one that failed shows nothing.
func (l *electionLook) lacks(so func(leadership.Card) bool) bool {
	return l != nil && l.err == nil && !slices.ContainsFunc(l.cards, so)
}

// otherConfigs names the candidates whose configuration differs from this replica's.
func (r *replica) otherConfigs() (notes []string) {
	seen, mine := r.lastLook.Load(), r.fleet.Load().Digest()
	if seen == nil {
		return nil
	}
	for _, c := range seen.cards {
		if c.Config != "" && c.Config != mine && c.Replica != r.name {
			notes = append(notes, fmt.Sprintf("replica %s has another configuration than %s: give both the same, and reload", c.Replica, r.name))
		}
	}
	return notes
}
