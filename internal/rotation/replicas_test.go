package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/slot"
)

// The world of two replicas that take turns. One leads at a time, by the terms of a journal that both share, which takes
// nothing of a former leader. But at any call another may come to lead: before it leaves; while it is under way, so that it is
// carried out later, at any call of the next leader's; or while the leader stands still in it, wakes after a while, and goes on
// as if nothing had happened, until it asks.

// process is one process of rotatord: what ends with it, and its clocks.
type process struct {
	engine *Engine
	alarm  time.Time
	queue  []func()
	dead   bool // it has died; nothing it does has an effect
	told   toldTime
	opened time.Time // when it opened its journal

	now  time.Time // its machine's wall clock
	boot slot.Reading

	term      int           // of a replica; 0: there are none
	left      time.Duration // when it stood still, in true time
	successor *process      // who led when it woke
}

// replicas are those of a world that has them.
type replicas struct {
	skew      [2]time.Duration // of each machine's wall clock
	machine   int              // whose turn it is
	handovers int              // how many more may be chosen
	began     map[slot.Timestamp]string
	inFlight  []*landing
}

// landing is a call of a former leader that is still under way.
type landing struct {
	kind   callKind
	of     string
	latest time.Duration // in true time
	land   func()
}

// landsWithin is how long a call may be under way.
const landsWithin = 55 * time.Second

// elapsedOn are the elapsed-time clocks of the machines at the world's beginning.
var elapsedOn = [2]time.Duration{time.Hour, 1000 * time.Hour}

// withReplicas has two machines whose wall clocks are wrong by so much.
func (w *world) withReplicas(skew [2]time.Duration) {
	w.replicas = &replicas{handovers: maxCrashes, machine: 1, skew: skew, began: map[slot.Timestamp]string{}}
}

// hasWrongClock reports whether a replica's wall clock tells no value's age.
func (w *world) hasWrongClock() bool {
	wrong := func(skew time.Duration) bool { return skew.Abs() > 10*time.Minute }
	return w.replicas != nil && slices.ContainsFunc(w.skew[:], wrong)
}

// beginTerm has the process that starts lead, on the other machine.
func (w *world) beginTerm(o *Options) {
	r := w.replicas
	if r == nil {
		return
	}
	former := w.now.Add(w.passed - w.left)
	r.machine = 1 - r.machine
	w.disk.term++
	w.term, w.left = w.disk.term, w.passed
	w.now = w.theirs().Add(r.skew[r.machine])
	w.boot = slot.Reading{Boot: fmt.Sprintf("one/%d", w.term), Elapsed: elapsedOn[r.machine] + w.passed}
	o.Term, o.TakeOver = fakeTerm{w}, true
	if w.term > 1 {
		o.LeaderClock = LeaderClock{former, w.boot.Elapsed}
	}
}

// fakeTerm is the term of the process that asks.
type fakeTerm struct{ w *world }

func (t fakeTerm) MayAct() error {
	if t.w.isStale() {
		return errNotLeader
	}
	return nil
}

var errNotLeader = errors.New("another replica leads")

func (t fakeTerm) Prove(context.Context) error { return t.MayAct() }

// isStale reports whether the process that runs leads no more.
func (w *world) isStale() bool { return w.replicas != nil && w.term != w.disk.term }

// errFenced is what the journal answers a former leader.
func errFenced() error {
	return fault.Newf(fault.Retry, fault.Conflict, "save", "", "this replica leads no more")
}

// standStill has the process stand still for a while, in which another one leads.
func (w *world) standStill(d time.Duration) {
	w.replicas.handovers--
	former := w.process
	former.left = w.passed
	w.process = process{now: former.now, left: w.passed}
	w.start()
	w.run(d)
	next := w.process
	next.left = w.passed
	former.wake(w.passed)
	former.successor = &next
	w.process = former
}

// wake has the clocks of a process that stood still show the present.
func (p *process) wake(passed time.Duration) {
	d := passed - p.left
	p.now, p.boot.Elapsed, p.left = p.now.Add(d), p.boot.Elapsed+d, passed
}

// giveWay has the leader go on once a former one that woke has nothing left to do.
func (w *world) giveWay() {
	if w.successor != nil {
		w.process = *w.successor
		w.wake(w.passed)
	}
}

// callOfFormer is a call that a former leader begins. It is to begin none that changes anything.
func (w *world) callOfFormer(kind callKind, of string, effect func(*outcome) error) error {
	switch kind {
	case saveCall:
		return effect(&calls[kind].outcomes[0])
	case createCall, rotateCall, revokeCall, writeCall:
		w.breaks("3: a former leader begins to %s %s", kind, of)
	}
	return fault.HeldBack(errNotLeader, false)
}

// letOut is what stands before Cloudflare and the sinks, a connection or a disk: it asks the mandate of a call that
// changes something whether that may leave.
func letOut(ctx context.Context) error {
	if why := mandate.Of(ctx, nil).MayBegin(ctx); why != nil {
		return fault.HeldBack(why, false)
	}
	return nil
}

// takeTurns has another replica lead at a call, whose outcome o says what becomes of it.
func (w *world) takeTurns(kind callKind, of string, o *outcome, effect func(*outcome) error) error {
	switch {
	case o.still > 0:
		w.standStill(o.still)
		err := effect(&calls[kind].outcomes[0])
		w.noteLanded(kind)
		return err
	case o.lands:
		w.replicas.handovers--
		w.replicas.inFlight = append(w.replicas.inFlight, &landing{kind, of, w.passed + landsWithin, func() {
			_ = effect(&calls[kind].outcomes[0])
			w.noteLanded(kind)
		}})
		w.dead = true
		return errDead
	}
	w.standStill(0)
	return w.callOfFormerRefused(kind, effect)
}

// callOfFormerRefused is a call that never left, since another leads by now.
func (w *world) callOfFormerRefused(kind callKind, effect func(*outcome) error) error {
	if kind == saveCall {
		return effect(&calls[kind].outcomes[0])
	}
	return fault.HeldBack(errNotLeader, false)
}

// noteLanded notes that a rotate call was carried out late: it may have ended a value that was on its way.
func (w *world) noteLanded(kind callKind) {
	if kind == rotateCall {
		w.relay.unknown, w.relay.late = true, append(w.relay.late, func() {})
	}
}

// landNow is a moment at which what is under way may be carried out, in the order in which it was sent.
func (w *world) landNow() {
	if w.replicas == nil || len(w.replicas.inFlight) == 0 {
		return
	}
	l := w.replicas.inFlight[0]
	w.called[landCall]++
	c := choice{kind: landCall, number: w.called[landCall], lives: len(calls[landCall].outcomes)}
	if !w.sane {
		c.taken = w.choose(c)
	}
	w.traceCall(c, l.of)
	if c.taken > 0 {
		w.landFirst()
	}
}

// landLate carries out what has been under way for long enough.
func (w *world) landLate() {
	for w.replicas != nil && len(w.replicas.inFlight) > 0 && w.replicas.inFlight[0].latest <= w.passed {
		w.landFirst()
	}
}

func (w *world) landFirst() {
	l := w.replicas.inFlight[0]
	w.replicas.inFlight = w.replicas.inFlight[1:]
	w.landing = true
	l.land()
	w.landing = false
}

// isLate reports whether what happens is of a former leader, whose last call nobody can judge by what is known now.
func (w *world) isLate() bool { return w.landing || w.isStale() }

// onBegun: no slot begins two rotations for one instant, whoever leads. One whose value never came is none.
func (w *world) onBegun(rot *slot.Rotation) {
	if w.replicas == nil || rot.Cause != slot.CauseSchedule {
		return
	}
	if before := w.replicas.began[rot.MeetsThrough]; before != "" {
		w.breaks("3: two rotations are begun for %s", rot.MeetsThrough.Time().Format(time.DateTime))
	}
	w.replicas.began[rot.MeetsThrough] = rot.ID
}

// mayFail: that a term ended is nobody's failure.
func (w *world) mayFail() {
	if w.isStale() {
		w.breaks("13: a former leader tells of a failure")
	}
}
