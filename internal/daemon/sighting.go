package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/leadership"
)

const (
	lookPause = 2 * time.Second // between two looks at the election
	lookTime  = 5 * time.Second // for which etcd may take to answer
)

// sighting is what a replica saw of all, the last time it looked.
type sighting struct {
	cards []leadership.Card // the leader's first
	err   error             // why it saw nothing
}

// watchOthers looks who leads, until ctx ends.
func (r *replica) watchOthers(ctx context.Context) {
	defer r.lines.LastWords()
	for wait(ctx, lookPause) {
		_ = r.lookAround(ctx) // told by readiness
	}
}

// lookAround looks who leads, and tells what has changed. It fails where etcd does not answer.
func (r *replica) lookAround(ctx context.Context) error {
	answered, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	cards, err := leadership.Cards(answered, r.client, r.etcd.Prefix+electionFolder)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := &sighting{cards, err}
	before := r.seen.Swap(now)
	r.tellSighting(before, now)
	if r.ready() == nil {
		r.told.Do(r.announce)
	}
	return err
}

func (r *replica) tellSighting(before, now *sighting) {
	switch {
	case now.err != nil && (before == nil || before.err == nil):
		r.log.Error("etcd cannot be asked who leads; trying again", zap.Error(now.err))
	case now.err == nil && before != nil && before.err != nil:
		r.log.Info("etcd can be asked who leads again")
	}
	if now.err == nil && r.core.Load() == nil && now.leader() != before.leader() && now.leader() != "" {
		r.log.Info("this replica stands by", zap.String("replica", r.name), zap.String("leader", now.leader()))
	}
}

// leader is the name of who leads; "" where nobody is seen to.
func (s *sighting) leader() string {
	if s == nil || len(s.cards) == 0 {
		return ""
	}
	return s.cards[0].Replica
}

// ready is nil where this replica leads, or could take over.
func (r *replica) ready() error {
	if c := r.core.Load(); c != nil {
		if err := c.term.MayAct(); err != nil {
			return err
		}
		return c.engine.StorageErr()
	}
	if err := r.trouble.Load(); err != nil && *err != nil {
		return *err
	}
	seen := r.seen.Load()
	switch {
	case seen == nil:
		return errStarting
	case seen.err != nil:
		return fmt.Errorf("etcd cannot be asked who leads: %w", seen.err)
	}
	return nil
}

// standingBy says why this replica cannot do what is asked of who leads.
func (r *replica) standingBy() error {
	if leader := r.seen.Load().leader(); leader != "" {
		return fmt.Errorf("this replica stands by: %s leads", leader)
	}
	return errors.New("this replica stands by, and nobody leads")
}

// line says in one line what this replica does.
func (r *replica) line() string {
	if err := r.ready(); err != nil {
		return "not ready: " + err.Error()
	}
	if leader := r.seen.Load().leader(); leader != "" {
		return "standing by: " + leader + " leads"
	}
	return "standing by: nobody leads"
}
