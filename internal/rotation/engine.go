// Package rotation is the heart: it mints, delivers, verifies and retires the
// tokens of every slot, so that a crash, a lost answer or a silent sink at any
// instant loses no token and revokes none that is served.
//
// decide says what to do next, as data in and data out; the engine carries it
// out, and journals every step before it acts on it.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/redact"
)

// Options are what an Engine works with. All are required.
type Options struct {
	Instance string // names this installation in token labels
	Journal  Journal
	Sealer   Sealer
	Accounts Accounts
	Sinks    Sinks
	Alarm    Alarm
	Clock    Clock
	Observer Observer
	Log      *zap.Logger
}

// Engine carries out rotations. Its methods are safe for concurrent use.
type Engine struct {
	Options

	mu     sync.RWMutex
	slots  map[moq.Key]*slot
	spare  []slot
	roster atomic.Pointer[roster]
	ports  atomic.Pointer[ports]

	digestKey []byte
	blank     observed // what a slot without notes has seen; never written to

	boot  Reading      // elapsed clock at the start
	since atomic.Int64 // the moment before which instants were missed; see view

	work     context.Context // of outside calls: outlives stopping by a little
	kill     context.CancelFunc
	starting sync.Mutex // makes stopping certain: no pass starts after it
	stopping atomic.Bool
	passes   sync.WaitGroup

	idle   *sync.Cond // on idleMu: a slot came to rest
	idleMu sync.Mutex

	// How work runs side by side; the exploration test puts its own order here.
	spawn    func(func())
	together func(n int, do func(i int))

	claims claimTable   // whose each place is
	unseen atomic.Int64 // configured slots that delivered before and were not looked at yet

	outages sync.Map // what is known of each party: *outage by party

	storage  sync.Mutex
	storeErr error // why the journal cannot be written; nil while it can
	byCheck  bool  // a check found it: only a check takes it back, as a save needs less

	restoreErr error // why lost files could not be written anew, the last time
}

// ports are what a reload replaces: accounts, sinks and the sinks' names.
type ports struct {
	accounts   Accounts
	sinks      Sinks
	configured map[string]bool
}

// slot is one slot in memory. mu guards all but what saving guards. Nearly all slots
// of a fleet are at rest: what only one at work needs is in its notes.
type slot struct {
	saving sync.Mutex // one save at a time, so that an older one never lands last

	mu        sync.Mutex
	plan      *Plan         // nil: not configured any more
	rec       Record        // its Key never changes
	notes     *observed     // nil: none; see seen
	sights    places[sight] // by location
	watchNext Moment        // when targets are looked at again
	ticket    int32         // tells one reservation from the next
	running   bool
	again     bool
	visited   bool // a pass was made since the configuration came into force
	watched   watched
}

// slotsAtOnce slots are allocated together: they are never freed, and lie closer
// than among what a start leaves behind. So many fill whole pages.
const slotsAtOnce = 1024

// add makes the slot of a record. e.mu is held.
func (e *Engine) add(r Record) *slot {
	if len(e.spare) == 0 {
		e.spare = make([]slot, slotsAtOnce)
	}
	s := &e.spare[0]
	e.spare = e.spare[1:]
	s.rec = r
	e.slots[r.Key] = s
	return s
}

// New makes an engine; Configure gives it its slots.
func New(o Options) *Engine {
	e := &Engine{Options: o, slots: map[moq.Key]*slot{}, together: sideBySide, digestKey: o.Journal.DigestKey()}
	e.spawn, e.idle = e.passes.Go, sync.NewCond(&e.idleMu)
	e.work, e.kill = context.WithCancel(context.Background())
	e.claims.seed, e.claims.of = maphash.MakeSeed(), map[uint64]claim{}
	e.ports.Store(&ports{accounts: o.Accounts, sinks: o.Sinks})
	e.boot = e.Clock.Elapsed()
	e.since.Store(int64(MomentOf(e.now())))
	e.roster.Store(&roster{})
	return e
}

// sideBySide runs do(0) to do(n-1) at once and waits for all. The first needs no
// goroutine: it begins without a switch.
func sideBySide(n int, do func(i int)) {
	var wg sync.WaitGroup
	defer wg.Wait() // even if do(0) panics: what comes next must be alone
	for i := 1; i < n; i++ {
		wg.Go(func() { do(i) })
	}
	if n > 0 {
		do(0)
	}
}

// Wake looks at a slot now. It does not block.
func (e *Engine) Wake(k *moq.Key) {
	e.mu.RLock()
	s := e.slots[*k]
	e.mu.RUnlock()
	if s != nil {
		e.wake(s)
	}
}

// WakeAll looks at every slot, after a suspension or a recovery of the journal.
func (e *Engine) WakeAll() {
	for _, s := range e.all() {
		if !e.calm(s) {
			e.wake(s)
		}
	}
}

// calm sets the alarm of a slot that has nothing to do now. To find that out with
// a pass for each slot of a fleet would take as many goroutines at once.
func (e *Engine) calm(s *slot) (calm bool) {
	defer func() {
		if recover() != nil {
			calm = false // the pass that comes instead will tell
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	next := decide(e.view(s))
	if next.do != doWait {
		return false
	}
	s.visited = true
	s.tidy(e.now(), next.until)
	e.Alarm.Set(&s.rec.Key, next.until) // while no pass can begin
	return true
}

func (e *Engine) wake(s *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		s.again = true
		return
	}
	s.running = true
	if !e.start(func() { e.run(s) }) {
		s.running = false
	}
}

// start begins a pass, unless the engine is stopping.
func (e *Engine) start(pass func()) bool {
	e.starting.Lock()
	defer e.starting.Unlock()
	if e.stopping.Load() {
		return false
	}
	e.spawn(pass)
	return true
}

// run makes passes over a slot until nothing is left to do now.
func (e *Engine) run(s *slot) {
	for {
		until := e.pass(s)
		e.Alarm.Set(&s.rec.Key, until) // while running: no other pass sets it meanwhile
		if e.rest(s, until) {
			e.rested()
			return
		}
	}
}

// rest ends the run unless the slot was woken meanwhile.
func (e *Engine) rest(s *slot, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.again && !e.stopping.Load()
	s.again, s.visited = false, true
	if !s.running {
		s.tidy(e.now(), until)
	}
	return !s.running
}

func (e *Engine) rested() {
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	e.idle.Broadcast()
}

// Quiesce returns when no slot has anything left to do now, or when ctx ends.
// What failed is not waited for.
func (e *Engine) Quiesce(ctx context.Context) {
	defer context.AfterFunc(ctx, e.rested)()
	e.idleMu.Lock()
	defer e.idleMu.Unlock()
	for busy := e.busy(); busy != nil && ctx.Err() == nil; {
		if busy.quiet() {
			busy = e.busy()
		} else {
			e.idle.Wait()
		}
	}
}

// busy gives a slot that has something left to do now; nil when none has.
func (e *Engine) busy() *slot {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, s := range e.slots {
		if !s.quiet() {
			return s
		}
	}
	return nil
}

func (s *slot) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.visited || s.running || s.notes.pending() {
		return false
	}
	return s.watched == looked || s.plan == nil || s.rec.Failure != nil || s.rec.unfinished()
}

// maxSteps bounds one pass: no sound decision takes so many.
const maxSteps = 100

// pass carries out steps until the slot has to wait, and returns until when.
func (e *Engine) pass(s *slot) (until time.Time) {
	defer func() {
		if p := recover(); p != nil {
			until = e.panicked(s, p)
		}
	}()
	for range maxSteps {
		st := e.next(s)
		if st.do == doWait {
			return st.until
		}
		if e.stopping.Load() && !st.urgent() {
			return time.Time{}
		}
		e.do(s, st)
	}
	panic("the slot found no rest")
}

// urgent steps are still taken while stopping: a value at hand is brought home.
func (s step) urgent() bool {
	return s.do == doDeliver || s.do == doConclude || s.do == doSave
}

func (e *Engine) next(s *slot) step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return decide(e.view(s))
}

// view gathers what decide needs; s.mu is held.
func (e *Engine) view(s *slot) *view {
	seen := s.notes
	if seen == nil {
		seen = &e.blank
	}
	return &view{
		r: &s.rec, p: s.plan, o: seen, watchNext: s.watchNext, sights: s.sights, sinks: e.ports.Load().configured,
		watched: s.watched == looked, unseenFor: e.unseenFor(s), now: e.now(), clock: e.Clock.Elapsed(), boot: e.boot, since: Moment(e.since.Load()).Time(), stopped: e.StorageErr() != nil,
	}
}

// now is the wall clock without a monotonic reading: schedules, graces and
// expiries are wall-clock times.
func (e *Engine) now() time.Time { return e.Clock.Now().Round(0) }

func (e *Engine) do(s *slot, st step) {
	switch st.do {
	case doSave:
		e.catchUp(s)
	case doReserve:
		e.reserve(s)
	case doLook:
		e.look(s, st)
	case doList:
		e.list(s, st)
	case doProve:
		e.prove(s)
	case doFailed:
		e.failed(s, st.where, st.err)
	case doMint:
		e.mint(s, st.due)
	case doDeliver:
		e.deliver(s, st.targets)
	case doConclude:
		e.conclude(s)
	case doTrail:
		e.trail(s, st.targets)
	case doDrop:
		e.drop(s)
	case doBeginGrace:
		e.beginGrace(s, st)
	case doRevoke:
		e.revoke(s, st)
	case doSweepLost:
		e.sweep(s, st)
	case doAdoptLost:
		e.adopt(s, st)
	case doForgetLost:
		e.amend(s, func(r *Record) { r.found(st.lost.Label) })
	}
}

// panicked turns a bug into one slot's failure: the others go on.
func (e *Engine) panicked(s *slot, p any) time.Time {
	e.log(s).Error("internal error; the slot is tried again later",
		zap.String("panic", fmt.Sprint(p)), zap.ByteString("stack", debug.Stack()))
	e.failed(s, StepPreflight, fault.Newf(fault.Retry, fault.Internal, "rotate", "", "internal error: %v", p))
	return e.now().Add(time.Minute)
}

// failed records one failed attempt and when the next is made.
func (e *Engine) failed(s *slot, where Step, err error) {
	if errors.Is(err, errOvertaken) {
		return
	}
	f := fault.Of(err)
	s.mu.Lock()
	e.unreserve(s)
	s.unlook()
	err = s.explainAbsence(where, err)
	s.mu.Unlock()
	if where == StepRetire {
		e.retireFailed(s, string(f.Reason), err)
		return
	}
	e.attemptFailed(s, where, string(f.Reason), err)
}

// retireFailed puts the slot's retirements off; its rotations are not held up.
func (e *Engine) retireFailed(s *slot, reason string, err error) {
	s.mu.Lock()
	o := s.seen()
	o.retires++
	pause := routine
	if v := e.view(s); v.cramped() || len(v.r.Lost) > 0 && v.isDue() {
		pause.longest = time.Minute // a rotation waits for it
	}
	next := e.now().Add(pause.delay(int(o.retires), askedWait(err, routine.longest)))
	o.retireNext, o.sweepNext, o.retireSakes = MomentOf(next), MomentOf(next), sakesOf(err)
	account := s.account()
	s.mu.Unlock()
	e.Observer.AttemptFailed(account, StepRetire, reason)
	e.log(s).Warn("retirement failed", zap.String("step", string(StepRetire)),
		zap.String("reason", reason), zap.Error(err), zap.Time("next_attempt", next))
	e.awaits(s, sakesOf(err))
}

// attemptFailed records the failure and tells everybody.
func (e *Engine) attemptFailed(s *slot, where Step, reason string, err error) {
	s.mu.Lock()
	now, sakes, pause := e.now(), sakesOf(err), s.backoff()
	s.rec.fail(Failure{At: now, Step: where, Reason: reason, Sink: sinkOf(sakes), Message: fitMessage(err.Error())})
	s.rec.Failure.Next = now.Add(pause.delay(s.rec.Failure.Count, askedWait(err, pause.longest)))
	s.seen().sakes = sakes
	f, plan, ev := *s.rec.Failure, s.plan, e.event(s, Failed)
	ev.Step, ev.Detail = f.Step, f.Message
	account, strategy := s.account(), s.strategy()
	s.mu.Unlock()

	e.Observer.AttemptFailed(account, f.Step, f.Reason)
	if plan != nil {
		e.Observer.RotationDone(plan, strategy, ResultFailure, 0)
	}
	e.log(s).Warn("attempt failed", zap.String("step", string(f.Step)), zap.String("reason", f.Reason),
		zap.Int("consecutive", f.Count), zap.Error(err), zap.Time("next_attempt", f.Next))
	var events []Event
	if f.Count == 1 {
		events = append(events, ev)
	}
	_ = e.save(s, events...) // a failure that cannot be journalled is still in memory
	e.awaits(s, sakes)
}

// maxMessage is how many characters the journal keeps of a failure: the words of several stores, and a hint.
const maxMessage = 4000

// fitMessage makes a text fit for the journal and for who reads it there. What comes from a store is
// cleaned already, by who knows its secrets; what an older journal holds was not.
func fitMessage(text string) string { return redact.Cleaner{}.Bounded(text, maxMessage) }

// backoff is capped exponential backoff with full jitter.
type backoff struct{ first, longest time.Duration }

var (
	routine  = backoff{time.Second, 5 * time.Minute}
	blackout = backoff{200 * time.Millisecond, 10 * time.Second} // consumers are locked out meanwhile
)

// delay gives the wait after the nth failure in a row, at least what the upstream asked for.
func (b backoff) delay(n int, asked time.Duration) time.Duration {
	ceiling := min(b.longest, b.first<<min(max(n-1, 0), 16))
	return max(asked, b.first/10, rand.N(ceiling))
}

func (s *slot) backoff() backoff {
	if s.rec.blackout().IsZero() {
		return routine
	}
	return blackout
}

func (s *slot) strategy() moq.Strategy {
	if s.rec.Attempt != nil {
		return s.rec.Attempt.Strategy
	}
	if s.plan != nil && !s.rec.unfinished() {
		return s.plan.Strategy
	}
	if s.rec.Rotation != nil {
		return s.rec.Rotation.Strategy
	}
	return ""
}

func (s *slot) account() string {
	if s.plan != nil {
		return s.plan.Account
	}
	if s.rec.Rotation != nil {
		return s.rec.Rotation.Names.Account
	}
	return ""
}

func (s *slot) named() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name()
}

// name is relay/type as configured, or as it was when last configured.
func (s *slot) name() string {
	switch {
	case s.plan != nil:
		return s.plan.Slot()
	case s.rec.Rotation != nil:
		return s.rec.Rotation.Names.Relay + "/" + string(s.rec.Key.Type)
	}
	return s.rec.Key.String()
}

func (e *Engine) log(s *slot) slotLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slotLog{e.Log, zap.String("slot", s.name())}
}

// slotLog names its slot in every line. A logger made with zap's With would do so,
// too, and be thrown away after a line or two: that copies its encoder.
type slotLog struct {
	log  *zap.Logger
	slot zap.Field
}

func (l slotLog) Info(msg string, f ...zap.Field)  { l.write(zap.InfoLevel, msg, f) }
func (l slotLog) Warn(msg string, f ...zap.Field)  { l.write(zap.WarnLevel, msg, f) }
func (l slotLog) Error(msg string, f ...zap.Field) { l.write(zap.ErrorLevel, msg, f) }

func (l slotLog) write(level zapcore.Level, msg string, f []zap.Field) {
	l.log.Log(level, msg, slices.Insert(f, 0, l.slot)...)
}

func (e *Engine) all() []*slot {
	e.mu.RLock()
	defer e.mu.RUnlock()
	out := make([]*slot, 0, len(e.slots))
	for _, s := range e.slots {
		out = append(out, s)
	}
	return out
}

// Stop finishes the steps in hand and leaves the rest to the journal. When ctx
// ends first, outside calls are cut off.
func (e *Engine) Stop(ctx context.Context) error {
	e.starting.Lock()
	e.stopping.Store(true) // no pass starts from here on
	e.starting.Unlock()
	done := make(chan struct{})
	go func() { e.passes.Wait(); close(done) }()
	select {
	case <-done:
		if e.CheckStorage() != nil { // what was lost since the last one would be missed by the next start
			_ = e.CheckStorage() // it may have been written anew
		}
		e.kill()
		return nil
	case <-ctx.Done():
		e.kill()
		<-done
		return ctx.Err()
	}
}
