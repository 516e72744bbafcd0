package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

const oneYear = 365 * 24 * time.Hour // the longest life of a token

// world is everything outside the engine, in virtual time and without a
// goroutine: Cloudflare, the sinks and the disk outlive a crash of the engine.
// Every call that the engine makes passes through a choice among the outcomes of its
// table (calls_test.go): to go well, which is the default, to fail in one of its ways, or
// to be where the process dies.
type world struct {
	t testing.TB
	process
	plan  *slot.Plan
	names []string // of the installation, the present one last
	relay *fakeRelay
	sinks map[string]*fakeSink
	disk  *fakeDisk

	log *zap.Logger // nil: none
	*replicas
	landing bool // a call of a former leader is carried out

	random *rand.Rand // of the waits after failures: a script has one course

	choose  func(choice) int // which of a call's options comes; 0 is that it goes well
	called  [callKinds]int   // how many calls of each kind were made
	crashes int              // how many more deaths may be chosen
	stale   int              // how many more stale answers may be chosen
	lags    int              // how many more times lists may begin to lag
	steps   int              // how many more times the wall clock may be set
	sane    bool             // no more trouble

	identityLost, compromised, removed, forgetful bool
	hadFour                                       bool                     // tokens when all targets were wiped, one of them of a lost mint
	timeless                                      bool                     // no answer tells Cloudflare's time
	passed                                        time.Duration            // since the world began, whatever the clocks say
	met                                           map[slot.Timestamp]bool  // instants met by the schedule; true: when they had passed
	fresh                                         []time.Duration          // when new values came, in true time
	mints                                         map[string]time.Duration // rotation ids by when their mint was called, in true time
	backup                                        *slot.Record

	born       time.Time
	beforeNext [callKinds]func() // what happens just before the next call of a kind
	check      func(w *world)    // after every call
	broken     []string          // promises seen broken
	trace      []madeCall
	stats      tally
}

// tally is what an observer saw.
type tally struct {
	success, failure, superseded, drifts, blackouts, contradicted int
	lag                                                           []time.Duration
	steps                                                         map[slot.Stage]int
}

var errDead = errors.New("the process is dead")

const (
	testAccount = "023e105f4ecef8ad9ca31a8372d0c353"
	testRelay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
)

var testKey = moq.Key{AccountID: testAccount, RelayID: testRelay, Type: moq.Subscribe}

// every is a schedule of equal gaps.
type every time.Duration

func (d every) Next(t time.Time) time.Time { return t.Add(time.Duration(d)) }

func (d every) Latest(after, now time.Time) time.Time {
	n := now.Sub(after) / time.Duration(d)
	if n <= 0 {
		return time.Time{}
	}
	return after.Add(n * time.Duration(d))
}

// newWorld has a relay with one token of somebody else's and n file-like sinks, all required.
func newWorld(t testing.TB, strategy moq.Strategy, n int) *world {
	w := &world{
		t: t, process: process{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), boot: slot.Reading{Boot: "one", Elapsed: time.Hour}},
		sinks: map[string]*fakeSink{}, choose: func(choice) int { return 0 }, check: func(*world) {},
		random: rand.New(rand.NewPCG(1, 0)), names: []string{"test"},
	}
	w.born, w.stats.steps, w.met, w.mints = w.now, map[slot.Stage]int{}, map[slot.Timestamp]bool{}, map[string]time.Duration{}
	w.relay = newFakeRelay(w)
	w.disk = &fakeDisk{w: w}
	w.plan = &slot.Plan{
		Key: testKey, Relay: "live", Schedule: every(24 * time.Hour), Operations: testKey.Type.Operations(),
		Policy: &slot.Policy{
			Account: "main", Strategy: strategy, Initial: slot.InitialNow, CatchUp: true, Verify: true,
			Grace: time.Hour, Lifetime: 30 * 24 * time.Hour, LeastLife: 25 * time.Hour, ProbeInterval: time.Hour,
		},
	}
	for i := range n {
		w.addSink(fmt.Sprintf("sink%d", i), true)
	}
	return w
}

func (w *world) addSink(name string, required bool) *fakeSink {
	s := &fakeSink{w: w, name: name}
	w.sinks[name] = s
	p := copyOf(w.plan)
	p.Targets = append(p.Targets, slot.Target{Sink: name, Target: "t", Location: "file://" + name + "/t", Required: required})
	w.plan = p
	return s
}

// copied is a plan that can be changed.
func copyOf(p *slot.Plan) *slot.Plan {
	c, policy := *p, *p.Policy
	c.Policy, c.Targets = &policy, slices.Clone(p.Targets)
	return &c
}

// start boots a new process over what the disk holds.
func (w *world) start() {
	w.forgetUnsaved()
	w.dead, w.queue, w.alarm, w.told = false, nil, time.Time{}, toldTime{}
	w.relay.missed, w.opened = map[string]time.Time{}, w.theirs()
	w.askForTime()
	o := Options{
		Instance: w.names[len(w.names)-1], Journal: w.disk, Sealer: fakeSealer{w}, Alarm: w, Clock: w, Observer: w, Log: cmp.Or(w.log, zap.NewNop()),
	}
	w.beginTerm(&o)
	w.engine = New(o)
	w.engine.draw = func(limit time.Duration) time.Duration { return time.Duration(w.random.Int64N(int64(limit))) }
	w.engine.spawn = func(f func()) { w.queue = append(w.queue, f) }
	w.engine.together = w.inSomeOrder
	if err := w.engine.Load(context.Background(), []*slot.Plan{w.plan}); err != nil {
		w.t.Fatal(err)
	}
	w.configure()
}

// forgetUnsaved notes what targets hold that nobody knows of: the journal could not be written before the process died.
func (w *world) forgetUnsaved() {
	if w.engine == nil {
		return
	}
	if s := w.engine.slots.workerOf(testKey); s != nil && s.notes != nil && s.notes.Unsaved {
		for _, sink := range w.sinks {
			sink.forgotten = sink.content
		}
	}
}

func (w *world) configure() {
	names := make([]string, 0, len(w.sinks))
	for n := range w.sinks {
		names = append(names, n)
	}
	w.engine.Configure([]*slot.Plan{w.plan}, w, w, names)
}

// inSomeOrder runs what is side by side in an order of the explorer's choice.
// Without a delivery under way they are reads, and the order of reads is the same to all.
func (w *world) inSomeOrder(n int, do func(int)) {
	delivering := w.disk.saved != nil && w.disk.saved.Unfinished()
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for len(order) > 0 {
		i := 0
		if delivering && len(order) > 1 {
			i = w.chooseOrder(len(order))
		}
		do(order[i])
		order = slices.Delete(order, i, i+1)
	}
}

// settle runs what is ready now; it restarts a process that died.
func (w *world) settle() {
	for {
		if w.dead {
			w.start()
		}
		if len(w.queue) == 0 && !w.alarm.IsZero() && !w.alarm.After(w.now) {
			w.alarm = time.Time{}
			w.engine.Wake(&testKey)
		}
		if len(w.queue) == 0 && w.successor != nil {
			w.giveWay()
			continue
		}
		if len(w.queue) == 0 {
			return
		}
		next := w.queue[0]
		w.queue = w.queue[1:]
		next()
		if w.dead {
			w.queue = nil
		}
	}
}

// run lets d of time pass.
func (w *world) run(d time.Duration) {
	end := w.passed + d
	for w.settle(); w.alarmWithin(end - w.passed); w.settle() {
		if !w.setClock() {
			w.pass(max(0, w.alarm.Sub(w.now)))
		}
	}
	w.pass(max(0, end-w.passed))
	w.settle()
}

// alarmWithin reports whether the slot's alarm comes within d, as long as nobody sets the wall clock.
func (w *world) alarmWithin(d time.Duration) bool {
	return !w.alarm.IsZero() && !w.alarm.After(w.now.Add(d))
}

// pass has time pass without an event, but that the daemon asks for the time once a minute until it counts.
func (w *world) pass(d time.Duration) {
	for ; d > time.Minute && !w.told.counts; d -= time.Minute {
		w.passAtOnce(time.Minute)
	}
	w.passAtOnce(d)
}

func (w *world) passAtOnce(d time.Duration) {
	w.now = w.now.Add(d)
	w.boot.Elapsed += d
	w.passed += d
	w.askForTime()
	w.relay.commitLate()
	w.landLate()
}

// truth is the time that no clock of the engine's shows: it never jumps.
func (w *world) truth() time.Duration { return w.passed }

// theirs is Cloudflare's clock, which is right.
func (w *world) theirs() time.Time { return w.born.Add(w.passed) }

func (w *world) rec() *slot.Record {
	s := w.engine.slots.workerOf(testKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.Clone()
}

func (w *world) status() slot.Status { return w.engine.slots.workerOf(testKey).status() }

// chooseOrder returns which of n that are left goes first.
func (w *world) chooseOrder(n int) int {
	w.called[orderCall]++
	c := choice{kind: orderCall, number: w.called[orderCall], lives: n}
	c.taken = w.choose(c)
	w.traceCall(c, "")
	return c.taken
}

// traceCall keeps what the trace of a run shows. Nothing is formatted before it is shown.
func (w *world) traceCall(c choice, of string) {
	if c.taken > 0 || calls[c.kind].traced {
		w.trace = append(w.trace, madeCall{w.now, c, of})
	}
}

// call is one call to the outside; of names the sink, if it is one. The process may die
// before it takes effect or after.
func (w *world) call(kind callKind, of string, effect func(*outcome) error) error {
	if w.dead {
		return errDead
	}
	if w.isStale() {
		return w.callOfFormer(kind, of, effect)
	}
	w.landNow()
	w.onCall()
	if kind != listCall && kind != proveCall && kind != probeCall && kind != readCall {
		w.setClock()
	}
	if do := w.beforeNext[kind]; do != nil {
		w.beforeNext[kind] = nil
		do()
	}
	w.called[kind]++
	c := choice{kind: kind, number: w.called[kind], lives: 1}
	if !w.sane {
		c.lives, c.deaths = w.possible(kind, of)
		c.turns = w.possibleTurns(kind)
	}
	if c.options() > 1 {
		c.taken = w.choose(c)
	}
	w.traceCall(c, of)
	o := c.option(c.taken)
	if o.stale {
		w.stale--
	}
	if c.taken >= c.lives+c.deaths {
		return w.takeTurns(kind, of, o, effect)
	}
	if c.taken >= c.lives {
		return w.die(kind, o, effect)
	}
	err := effect(o)
	w.check(w)
	return err
}

// possible returns how many outcomes and deaths may come of a call while there may be trouble.
func (w *world) possible(kind callKind, of string) (lives, died int) {
	outcomes := calls[kind].outcomes
	lives = len(outcomes)
	last := outcomes[lives-1]
	switch {
	case last.readBack && !w.plan.Verify, last.stale && (w.stale == 0 || !w.sinks[of].standby), last.lags && (w.lags == 0 || !w.relay.mayLag()):
		lives--
	}
	for w.relay.odd && outcomes[lives-1].isOdd() {
		lives--
	}
	if w.crashes > 0 {
		died = len(deaths)
	}
	return lives, died
}

// possibleTurns returns in how many ways another replica may come to lead at a call.
func (w *world) possibleTurns(kind callKind) int {
	if w.replicas == nil || w.handovers == 0 {
		return 0
	}
	return len(turnsAt(kind))
}

// die ends the process at a call.
func (w *world) die(kind callKind, o *outcome, effect func(*outcome) error) error {
	w.crashes--
	if o.done {
		_ = effect(&calls[kind].outcomes[0])
	}
	w.dead = true
	if o.done {
		w.check(w)
	}
	return errDead
}

func (w *world) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// The engine's ports.

func (w *world) Account(string) (Cloudflare, bool) { return w.relay, true }

func (w *world) Sink(name string) (sinks.Sink, bool) {
	s, ok := w.sinks[name]
	return s, ok
}

func (w *world) Set(k *moq.Key, at time.Time) {
	if !w.dead && *k == testKey {
		w.alarm = at
	}
}
func (w *world) Now() time.Time        { return w.now }
func (w *world) Elapsed() slot.Reading { return w.boot }

func (w *world) RotationCounted(_ *slot.Plan, _ moq.Strategy, r slot.Result, _ time.Duration) {
	switch r {
	case slot.ResultSuccess:
		w.stats.success++
	case slot.ResultFailure:
		w.mayFail()
		w.stats.failure++
	case slot.ResultSuperseded:
		w.stats.superseded++
	}
}
func (w *world) AttemptFailed(_ string, s slot.Stage, _ string) {
	w.mayFail()
	w.stats.steps[s]++
}
func (w *world) LagMeasured(lag time.Duration) { w.stats.lag = append(w.stats.lag, lag) }
func (w *world) BlackoutEnded(time.Duration)   { w.stats.blackouts++ }
func (w *world) ClaimsContradicted(string)     { w.stats.contradicted++ }
func (w *world) Drifted(string)                { w.stats.drifts++ }
