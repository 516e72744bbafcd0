package rotation

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// worker carries out what is decided for one slot, one action at a time.
type worker struct {
	engine *Engine
	saving sync.Mutex // one save at a time, so that an older one never lands last
	memory
	nextOfRelay *worker // another slot of its relay; the registry guards it
}

// armIfIdle sets the alarm of a slot that has nothing to do now. To find that out with
// a pass for each slot of a fleet would take as many goroutines at once.
func (w *worker) armIfIdle() (calm bool) {
	defer func() {
		if recover() != nil {
			calm = false // the pass that comes instead will tell
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		return false
	}
	next, nothing := slot.Decide(w.view()).(slot.Wait)
	if !nothing {
		return false
	}
	w.visited = true
	w.forgetIfIdle(w.engine.now(), next.Until)
	w.engine.Alarm.Set(&w.record.Key, next.Until) // while no pass can begin
	return true
}

// armOrWake sees that the slot is looked at when it has something to do.
func (w *worker) armOrWake() {
	if !w.armIfIdle() {
		w.wake()
	}
}

func (w *worker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running {
		w.again = true
		return
	}
	w.running = true
	if !w.engine.start(w.makePasses) {
		w.running = false
	}
}

// makePasses makes passes over a slot until nothing is left to do now.
func (w *worker) makePasses() {
	for {
		until := w.runPass()
		w.engine.Alarm.Set(&w.record.Key, until) // while running: no other pass sets it meanwhile
		if w.comeToRest(until) {
			w.engine.signalRest()
			return
		}
	}
}

// comeToRest ends the passes unless the slot was woken meanwhile.
func (w *worker) comeToRest(until time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = w.again && !w.engine.stopping.Load()
	w.again, w.visited = false, true
	if !w.running {
		w.forgetIfIdle(w.engine.now(), until)
	}
	return !w.running
}

func (w *worker) isQuiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.visited || w.running || w.notes.isUnderway() {
		return false
	}
	v := w.view()
	if v.AwaitsSettling() || w.isAboutToDeliver(&v) {
		return false
	}
	return w.inspected == wasInspected || w.plan == nil || w.record.Failure != nil || w.record.Unfinished()
}

// shortWait is for how long `run --once` waits for what tells whether a value may be delivered: lists 10 s apart.
const shortWait = 30 * time.Second

// isAboutToDeliver reports whether an unfinished rotation waits for its alarm alone: its token has settled since the
// pass that set it, or the next list may tell what to do.
func (w *worker) isAboutToDeliver(v *slot.View) bool {
	if !v.Record.Unfinished() || v.Record.Failure != nil || w.engine.stopping.Load() {
		return false
	}
	wait, waits := slot.Decide(*v).(slot.Wait)
	return !waits || !wait.Until.IsZero() && wait.Until.Before(v.Now.Add(shortWait))
}

// isFinished reports whether the slot has nothing to do at once, now that no pass can begin.
func (w *worker) isFinished() bool {
	if !w.isQuiet() {
		return false
	}
	_, nothing := w.nextAction().(slot.Wait)
	return nothing
}

// maxSteps bounds one pass: no sound decision takes so many.
const maxSteps = 100

// runPass carries out steps until the slot has to wait, and returns until when.
func (w *worker) runPass() (until time.Time) {
	defer func() {
		if p := recover(); p != nil {
			until = w.failInternally("panic: " + sinks.DescribePanic(p))
		}
	}()
	for range maxSteps {
		a := w.nextAction()
		if wait, nothing := a.(slot.Wait); nothing {
			return wait.Until
		}
		if may, until := w.engine.mayBegin(a); !may {
			return until
		}
		w.carryOut(a)
	}
	return w.failInternally("the slot found no rest")
}

func (w *worker) nextAction() slot.Action {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slot.Decide(w.view())
}

// view gathers what Decide needs; w.mu is held.
func (w *worker) view() slot.View {
	seen := &w.engine.blank
	if w.notes != nil {
		seen = &w.notes.Observation
	}
	return slot.View{
		Record: &w.record, Plan: w.plan, Seen: seen, NextCheck: w.nextCheck, Sightings: w.sightings, Sinks: w.engine.backends.Load().configured, Taken: w.engine.left.Load().taken,
		Inspected: w.inspected == wasInspected, OthersAwaitedFor: w.othersAwaitedFor(), Times: w.times(), ActiveSince: slot.Timestamp(w.engine.activeSince.Load()).Time(), JournalDown: w.engine.StorageErr() != nil,
		ClockUnset:      w.engine.isClockUnset(w.record.Key.AccountID),
		ForeignInstance: w.engine.lists.namesakeTokens(w.record.Key.OfRelay()),
	}
}

func (w *worker) carryOut(a slot.Action) {
	switch a := a.(type) {
	case slot.TakeBack:
		w.takeBack(a)
	case slot.DateFirstSight:
		w.updateRecord(func(r *slot.Record) { r.DateFirstSight(a.At) })
	case slot.AdoptSchedule:
		w.adoptSchedule()
	case slot.Save:
		w.catchUp()
	case slot.Reserve:
		w.reserve()
	case slot.Inspect:
		w.inspect(a)
	case slot.List:
		w.listTokens(a)
	case slot.Prove:
		w.proveAccount()
	case slot.Fail:
		w.noteFailures(slices.Repeat([]slot.Stage{a.Stage}, len(a.Errs)), a.Errs, a.Targets)
	case slot.EndFailure:
		w.endFailure()
	case slot.Mint:
		w.mint(a.Due)
	case slot.BeginGrace:
		w.beginGrace(a)
	case slot.Revoke:
		w.revokeToken(a)
	case slot.RevokeOrphan:
		w.revokeOrphan(a)
	case slot.AdoptOrphan:
		w.adoptOrphan(a)
	case slot.ForgetOrphan:
		w.updateRecord(func(r *slot.Record) { r.ForgetOrphan(a.Orphan.Label) })
	default:
		w.carryOutDelivery(a)
	}
}

// carryOutDelivery carries out what brings a value home, or ends that.
func (w *worker) carryOutDelivery(a slot.Action) {
	switch a := a.(type) {
	case slot.Deliver:
		w.deliverRequired(a)
	case slot.Redirect:
		w.redirect(a)
	case slot.GiveUp:
		w.giveUpValue(a.Err)
	case slot.Conclude:
		w.conclude()
	case slot.DeliverOptional:
		w.deliverOptional(a.Targets)
	case slot.Drop:
		w.dropValue()
	default:
		panic(fmt.Sprintf("no worker carries out a %T", a)) // else the slot would decide the same for ever
	}
}
