package daemon

import (
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/rotation"
)

// withTerm adds to an engine's options what it has to know of a term of several replicas.
func (c *core) withTerm(o rotation.Options) rotation.Options {
	t, isOfReplicas := c.term.(rotation.Term)
	if !isOfReplicas {
		return o
	}
	o.Term, o.TakeOver = t, true
	if s, ok := c.journal.(interface {
		FormerLeaderClock() etcdjournal.LeaderClock
	}); ok {
		o.LeaderClock = leaderClock(s.FormerLeaderClock())
	}
	return o
}

// leaderClock is what a former leader told of its clock, if it was heard as it was told.
func leaderClock(told etcdjournal.LeaderClock) rotation.LeaderClock {
	if told.Heard == 0 {
		return rotation.LeaderClock{}
	}
	return rotation.LeaderClock{Wall: told.Wall, Heard: told.Heard}
}
