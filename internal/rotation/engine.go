// Package rotation is the engine: it mints, delivers, verifies and retires the tokens of every
// slot, so that a crash, a lost answer or a silent sink at any instant loses no token and revokes
// none that is served.
//
// What is done when, package slot says. Engine keeps the registry of slots; each has a worker,
// woken by its alarm, or by what it waits for. It asks slot.Decide what to do next (runPass),
// carries the action out (carryOut, in worker.go: the list of all there are), journals what
// came of it (a mint before the call, its value before it goes anywhere), and asks again until the
// answer is to wait. At most one goroutine works on a slot; slots share nothing but the budget, the
// journal and the gates of places.
//
// Until when the engine works, lifetime.go says; whether it may act, where replicas take turns,
// term.go; whether its journal can be written, storage.go. The world is reached through the
// interfaces in ports.go alone. Administration is what people ask for beside rotations: tokens,
// pruning, the history, the forecast.
package rotation

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// Options are what an Engine works with. All but BuiltAt are required, and what replicas alone have.
type Options struct {
	Instance string    // names this installation in token labels
	BuiltAt  time.Time // no clock that is right is before it; zero: not known
	Journal  Journal
	Sealer   Sealer
	Alarm    Alarm
	Clock    Clock
	Observer Observer
	Log      *zap.Logger

	// With replicas an Engine works for one term, and its Clock counts the term as a boot of its own.
	Term        Term        // nil: nobody else can lead
	TakeOver    bool        // replicas take turns: it goes on from the records of the term before, perhaps its own
	LeaderClock LeaderClock // the former leader's
}

// Engine carries out rotations. Its methods are safe for concurrent use.
type Engine struct {
	Options
	*lifetime  // until when it works
	*termGuard // whether it may act

	slots    *registry
	backends atomic.Pointer[backends]

	digestKey []byte
	blank     slot.Observation // what a slot without notes has seen; never written to

	began       slot.Reading // elapsed clock at the start
	activeSince atomic.Int64 // a Timestamp: slot.View's ActiveSince

	idle   *sync.Cond // on idleMu: a slot came to rest
	idleMu sync.Mutex

	// How work runs side by side, and how a wait below a limit is drawn; the exploration
	// puts its own order here.
	together together
	draw     func(limit time.Duration) time.Duration

	claims      claimTable // whose each place is
	gates       gates      // one write at a time at each place
	left        atomic.Pointer[leftLocations]
	uninspected atomic.Int64 // configured slots that delivered before and were not looked at yet

	outages *outages
	blocks  *blocks
	lists   *lists
	maker   moq.Maker // of rotation ids

	storage storage
}

// backends are what a reload replaces: accounts, sinks and the sinks' names.
type backends struct {
	accounts   Accounts
	sinks      Sinks
	configured map[string]bool
}

// New makes an engine without slots: they come with Load and Configure.
func New(o Options) *Engine {
	e := &Engine{Options: o, slots: newRegistry(), together: sideBySide, draw: rand.N[time.Duration], digestKey: o.Journal.DigestKey()}
	e.termGuard = newTermGuard(&e.Options)
	e.lifetime = e.termGuard.life
	e.idle = sync.NewCond(&e.idleMu)
	e.storage.log, e.storage.onReturn = o.Log, e.WakeAll
	e.lists, e.blocks, e.maker = newLists(), newBlocks(), moq.NewMaker()
	e.outages = &outages{clock: o.Clock, log: o.Log}
	e.claims.seed, e.claims.of = maphash.MakeSeed(), map[uint64]claim{}
	e.backends.Store(&backends{})
	e.left.Store(&leftLocations{})
	e.began = e.Clock.Elapsed()
	e.activeSince.Store(int64(slot.TimestampOf(e.now())))
	return e
}

// Wake looks at a slot now. It does not block.
func (e *Engine) Wake(k *moq.Key) {
	if w := e.slots.workerOf(*k); w != nil {
		w.wake()
	}
}

// WakeAll has every slot decide anew: something that all of them go by has changed.
func (e *Engine) WakeAll() {
	for _, w := range e.slots.allWorkers() {
		w.armOrWake()
	}
}

func (e *Engine) signalRest() {
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	e.idle.Broadcast()
}

// Quiesce returns when no slot has anything left to do now, or when ctx ends.
// What failed is not waited for.
func (e *Engine) Quiesce(ctx context.Context) {
	defer context.AfterFunc(ctx, e.signalRest)()
	if e.TakeOver {
		e.lookAgain(e.now()) // who waits for the end waits for no pace
	}
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	for busy := e.slots.anyBusy(); busy != nil && ctx.Err() == nil; {
		if busy.isQuiet() {
			busy = e.slots.anyBusy()
		} else {
			e.idle.Wait()
		}
	}
}

// now is the wall clock without a monotonic reading, which stands still while the machine is suspended: schedules of who
// is alone go by it. What goes by which other clock, slot/clock.go says.
func (e *Engine) now() time.Time { return e.Clock.Now().Round(0) }

// Stop finishes the steps in hand and leaves the rest to the journal. When ctx
// ends first, outside calls are cut off, which is nobody's failure.
func (e *Engine) Stop(ctx context.Context) {
	e.beginNothing()
	defer e.kill()
	defer context.AfterFunc(ctx, e.cutOff)()
	e.passes.Wait()
	e.letGo()
	if e.isHalted() {
		return // the journal is another's to look after
	}
	e.saveLastBlocks()
	if e.CheckStorage() != nil { // what was lost since the last one would be missed by the next start
		_ = e.CheckStorage() // it may have been written anew
	}
}

// Halt is for who may not act any more: nothing begins from here on, and calls in hand are cut off, which is nobody's
// failure. Mints are not, as their answers are worth keeping: Stop waits for those.
func (e *Engine) Halt() { e.halt() }

// letGo hands back what outlives a term: turns in budgets that nobody will use, and who is to be told of blocks.
func (e *Engine) letGo() {
	e.watchBlocks(nil)
	if e.Term == nil {
		return // the budgets end with the process
	}
	for _, w := range e.slots.allWorkers() {
		w.locked(w.cancelReservation)
	}
}

func (e *Engine) cutOff() {
	e.Log.Warn("calls that are not answered are cut off, as the time to stop is up; the next start goes on from the journal")
	e.kill()
}

// Statuses calls yield with the status of every configured slot, sorted by relay, then
// type, until it returns false. The status is only valid during the call.
func (e *Engine) Statuses(yield func(*slot.Status) bool) {
	for _, n := range *e.slots.configured.Load() {
		st := n.slot.status()
		if st.Slot != "" && !yield(&st) {
			return
		}
	}
}

// Counts are how many slots are configured, and how many of them are in trouble.
type Counts struct{ Slots, Failing, InBlackout int }

// CountSlots looks at the records alone, which costs a small part of a status.
func (e *Engine) CountSlots() (c Counts) {
	for _, n := range *e.slots.configured.Load() {
		n.slot.countIn(&c)
	}
	return c
}

// Unfinished calls yield with the status of every configured slot that has something left to do at once and did not
// fail: what a stop has left.
func (e *Engine) Unfinished(yield func(*slot.Status)) {
	for _, n := range *e.slots.configured.Load() {
		if st := n.slot.status(); st.Slot != "" && st.ConsecutiveFailures == 0 && !n.slot.isFinished() {
			yield(&st)
		}
	}
}

// StatusOf returns one slot's status.
func (e *Engine) StatusOf(relay, typ string) (slot.Status, bool) {
	w, err := e.slots.findConfigured(relay, typ)
	if err != nil {
		return slot.Status{}, false
	}
	return w.status(), true
}

// Retry has one slot that waits for each named sink try it now: what the sink turned
// it away for may have been mended. When it gets in, the others follow.
func (e *Engine) Retry(sinkNames []string) {
	for _, name := range sinkNames {
		e.outages.sendAhead(upstream{name: name})
	}
}
