package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/rotation"
)

// replicasTerm is a term of one of several replicas.
type replicasTerm struct{ lifelong }

func (replicasTerm) Prove(context.Context) error { return nil }

func TestAnEngineTakesOverInATermOfReplicasAlone(t *testing.T) {
	o := rotation.Options{Clock: NewSystemClock()}
	if alone := newCore(nil, nil, lifelong{}).withTerm(o); alone.TakeOver || alone.Term != nil {
		t.Errorf("who is alone takes over: %+v", alone)
	}
	if one := newCore(nil, nil, replicasTerm{}).withTerm(o); !one.TakeOver || one.Term == nil {
		t.Errorf("one of several does not take over: %+v", one)
	}
}

func TestAFormerLeadersClockCountsOnlyIfItWasHeardAsItTold(t *testing.T) {
	told := etcdjournal.LeaderClock{Wall: time.Now()}
	if c := leaderClock(told); !c.Wall.IsZero() {
		t.Errorf("what was found is believed: %+v", c)
	}
	told.Heard = sinceBoot() // however long this machine is suspended from here on
	if c := leaderClock(told); !c.Wall.Equal(told.Wall) || c.Heard != told.Heard {
		t.Errorf("of %+v it knows %+v", told, c)
	}
}
