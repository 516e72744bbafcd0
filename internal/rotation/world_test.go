package rotation

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
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
	t     testing.TB
	now   time.Time
	boot  slot.Reading
	plan  *slot.Plan
	names []string // of the installation, the present one last
	relay *fakeRelay
	sinks map[string]*fakeSink
	disk  *fakeDisk

	engine *Engine
	log    *zap.Logger // nil: none
	alarm  time.Time
	queue  []func()
	dead   bool // the process has died; nothing it does has an effect

	random *rand.Rand // of the waits after failures: a script has one course

	choose  func(choice) int // which of a call's options comes; 0 is that it goes well
	called  [callKinds]int   // how many calls of each kind were made
	crashes int              // how many more deaths may be chosen
	stale   int              // how many more stale answers may be chosen
	lags    int              // how many more times lists may begin to lag
	steps   int              // how many more times the wall clock may be set
	sane    bool             // no more trouble

	identityLost, compromised, removed, forgetful bool
	timeless                                      bool          // no answer tells Cloudflare's time
	passed                                        time.Duration // since the world began, whatever the clocks say
	told                                          toldTime
	met                                           map[slot.Timestamp]bool // instants met by the schedule; true: when they had passed
	fresh                                         []time.Duration         // when new values came, in true time
	backup                                        *slot.Record

	born       time.Time
	opened     time.Time         // when the present process opened its journal
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
		t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), boot: slot.Reading{Boot: "one", Elapsed: time.Hour},
		sinks: map[string]*fakeSink{}, choose: func(choice) int { return 0 }, check: func(*world) {},
		random: rand.New(rand.NewPCG(1, 0)), names: []string{"test"},
	}
	w.born, w.stats.steps, w.met = w.now, map[slot.Stage]int{}, map[slot.Timestamp]bool{}
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
	w.dead, w.queue, w.alarm, w.told = false, nil, time.Time{}, toldTime{}
	w.relay.missed, w.opened = map[string]time.Time{}, w.theirs()
	w.askForTime()
	w.engine = New(Options{
		Instance: w.names[len(w.names)-1], Journal: w.disk, Sealer: fakeSealer{w}, Alarm: w, Clock: w, Observer: w, Log: cmp.Or(w.log, zap.NewNop()),
	})
	w.engine.draw = func(limit time.Duration) time.Duration { return time.Duration(w.random.Int64N(int64(limit))) }
	w.engine.spawn = func(f func()) { w.queue = append(w.queue, f) }
	w.engine.together = w.inSomeOrder
	if err := w.engine.Load(context.Background(), []*slot.Plan{w.plan}); err != nil {
		w.t.Fatal(err)
	}
	w.configure()
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
	w.pass(end - w.passed)
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
	}
	if c.options() > 1 {
		c.taken = w.choose(c)
	}
	w.traceCall(c, of)
	o := c.option(c.taken)
	if o.stale {
		w.stale--
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

func (w *world) RotationDone(_ *slot.Plan, _ moq.Strategy, r slot.Result, _ time.Duration) {
	switch r {
	case slot.ResultSuccess:
		w.stats.success++
	case slot.ResultFailure:
		w.stats.failure++
	case slot.ResultSuperseded:
		w.stats.superseded++
	}
}
func (w *world) AttemptFailed(_ string, s slot.Stage, _ string) { w.stats.steps[s]++ }
func (w *world) LagMeasured(lag time.Duration)                  { w.stats.lag = append(w.stats.lag, lag) }
func (w *world) BlackoutEnded(time.Duration)                    { w.stats.blackouts++ }
func (w *world) ClaimsContradicted(string)                      { w.stats.contradicted++ }
func (w *world) Drifted(string)                                 { w.stats.drifts++ }

// fakeRelay is Cloudflare's side of one relay: both generations.
type fakeRelay struct {
	w       *world
	tokens  []moq.Token              // generation 2, values included
	down    bool                     // every call is turned away, with a wait to be obeyed
	longest time.Duration            // the longest life of a token; zero: as long as is asked
	odd     bool                     // a token of an odd kind came
	claims  func(t moq.Token) string // the claims of the next values, in JSON; nil: values are no JWTs
	refused string                   // the value that claimed another id, and is not to be delivered
	short   string                   // the value of a short-lived token
	inPlace string                   // the one accepted value of generation 1
	next    int
	brings  *outcome // of the present mint
	late    []func() // lost calls that have not been carried out yet
	limit   int      // places, 0 for no limit
	revokes []string
	buried  map[string]time.Time     // values by when they were revoked
	fresh   time.Duration            // for how long relays refuse a new token, which they do not know yet
	made    map[string]time.Duration // values by when they were created, in true time
	creates int
	rotates int
	lists   int
	proofs  int

	before  []moq.Token          // what there was before the last change
	changed time.Duration        // when that was, in true time
	lagging time.Duration        // until when lists show what there was before
	ids     map[string]string    // ids of tokens by value
	missed  map[string]time.Time // ids by when a list of this process first lacked them

	answered time.Duration // when it last answered as Cloudflare does, in true time
	hidden   time.Duration // until when a portal answers in its place
	forwards bool          // the portal lets calls through, and still answers in its place
	lasting  time.Duration // how long one stands that comes up at a mint
	unknown  bool          // the value that is accepted has not come back
}

const (
	foreignToken   = "ffffffffffffffffffffffffffffffff"
	neighbourToken = "fffffffffffffffffffffffffffffffe" // of another slot of ours
	namesakesToken = "fffffffffffffffffffffffffffffffd" // of another living installation that has our name
)

func newFakeRelay(w *world) *fakeRelay {
	return &fakeRelay{w: w, buried: map[string]time.Time{}, made: map[string]time.Duration{}, ids: map[string]string{}, changed: -oneYear, lagging: -oneYear, answered: -oneYear, lasting: glimpsedFor, tokens: []moq.Token{{
		ID: foreignToken, Operations: moq.Subscribe.Operations(), Created: w.now, Expires: w.now.Add(oneYear),
	}}}
}

func (f *fakeRelay) accepts(value string) bool {
	if value == f.inPlace && value != "" {
		return true
	}
	return slices.ContainsFunc(f.tokens, func(t moq.Token) bool {
		return t.Value.Reveal() == value && value != "" && f.w.theirs().Before(t.Expires)
	})
}

// knows reports whether relays know a token by now, if it is one.
func (f *fakeRelay) knows(value string) bool {
	at, created := f.made[value]
	return !created || f.w.truth()-at >= f.fresh
}

func (f *fakeRelay) own() (out []moq.Token) {
	for _, t := range f.tokens {
		if owner, _ := moq.LabelInstance(t.Label); slices.Contains(f.w.names, owner) && t.ID != neighbourToken && t.ID != namesakesToken {
			out = append(out, t)
		}
	}
	return out
}

func (f *fakeRelay) byID(id string) (moq.Token, bool) {
	i := slices.IndexFunc(f.tokens, func(t moq.Token) bool { return t.ID == id })
	if i < 0 {
		return moq.Token{}, false
	}
	return f.tokens[i], true
}

// justRevoked allows for what nobody can see: a token that another hand revoked
// within the minute for which a listing is trusted.
func (f *fakeRelay) justRevoked(value string, now time.Time) bool {
	at, ok := f.buried[value]
	return ok && now.Sub(at) <= slot.NotGoneFor
}

// Time is not known.
func (f *fakeRelay) Time() moq.CloudflareTime { return f.w.tellTime() }

// noteMissed notes which tokens a list lacks.
func (f *fakeRelay) noteMissed(listed []moq.Token) {
	for _, id := range f.ids {
		_, before := f.missed[id]
		switch has := slices.ContainsFunc(listed, func(t moq.Token) bool { return t.ID == id }); {
		case has:
			delete(f.missed, id)
		case !before:
			f.missed[id] = f.w.theirs()
		}
	}
}

// mayBeThere allows for what lists leave open: that a token lives that they began to lack not long ago.
func (f *fakeRelay) mayBeThere(value string, now time.Time) bool {
	at, missed := f.missed[f.ids[value]]
	return missed && now.Sub(at) <= slot.NotGoneFor+10*time.Second
}

func (f *fakeRelay) Warm(context.Context) {}

func (f *fakeRelay) OpensAt() time.Time { return time.Time{} }

func (f *fakeRelay) Reserve(_ moq.Priority, granted func()) func() {
	granted()
	return func() {}
}

// listsLagFor is how long after a create or a revoke lists may show what there was before.
const listsLagFor = 40 * time.Second

func (f *fakeRelay) mayLag() bool { return f.w.truth()-f.changed < listsLagFor }

// change changes what is accepted.
func (f *fakeRelay) change(tokens []moq.Token) {
	f.before, f.changed, f.tokens = slices.Clone(f.tokens), f.w.truth(), tokens
}

// listed are the tokens that a list shows now.
func (f *fakeRelay) listed() []moq.Token {
	if f.w.truth() < f.lagging {
		return f.before
	}
	return f.tokens
}

// How long a portal stands. One that comes up at a mint stands while a few calls are made:
// each of them is a choice of the exploration.
const (
	portalFor   = 10 * time.Minute
	glimpsedFor = 5 * time.Second
)

func (f *fakeRelay) hide(forwards bool, lasting time.Duration) {
	f.hidden, f.forwards = f.w.truth()+lasting, forwards
}

// portal is what a portal answers in Cloudflare's place, if there is one.
func (f *fakeRelay) portal(kind string, class fault.Class) error {
	if f.w.sane || f.w.truth() >= f.hidden {
		return nil
	}
	return fault.Newf(class, fault.BadAnswer, kind, "", "403 Forbidden")
}

// Prove asks for the relay when the account has not answered for a while.
func (f *fakeRelay) Prove(context.Context, moq.Priority, string) error {
	if f.w.truth()-f.answered < time.Minute {
		return nil
	}
	f.proofs++
	return f.w.call(proveCall, "", func(o *outcome) error {
		if o.portal {
			f.hide(false, portalFor)
		}
		if err := f.portal("get relay", fault.Retry); err != nil {
			return err
		}
		if o.answered {
			f.answer()
		}
		return o.error("get relay")
	})
}

// answer notes that it answers as Cloudflare does, which tells the time.
func (f *fakeRelay) answer() {
	f.answered = f.w.truth()
	f.w.told.note(f.answered)
}

func (f *fakeRelay) mint(kind callKind, commit func()) error {
	return f.w.call(kind, "", func(o *outcome) error {
		f.brings = o
		if f.down {
			return greedy(fault.Newf(fault.Retry, fault.ServerError, kind.String(), "", "down"))
		}
		if o.portal {
			f.hide(o.done, f.lasting)
		}
		if err := f.portal(kind.String(), fault.Ambiguous); err != nil {
			if f.forwards {
				commit()
			}
			return err
		}
		if o.done {
			commit()
		}
		if o.twice {
			commit()
		}
		if o.late {
			f.commitLater(func() { f.brings = o; commit() })
		}
		if o.answered {
			f.answer()
		}
		return o.error(kind.String())
	})
}

// commitLater carries a call out when half a minute has passed.
func (f *fakeRelay) commitLater(commit func()) {
	due := f.w.truth() + 30*time.Second
	f.late = append(f.late, func() {
		if f.w.truth() >= due {
			commit()
			commit = func() {}
		}
	})
}

// greedy asks to be left alone for as long as a header can say.
func greedy(e *fault.Error) *fault.Error {
	e.After = math.MaxInt32 * time.Second
	return e
}

func (f *fakeRelay) commitLate() {
	for _, c := range f.late {
		c()
	}
}

func (f *fakeRelay) Create(_ context.Context, _ moq.Priority, _ string, t moq.NewToken) (moq.Token, error) {
	f.creates++
	f.w.onMint(t.Label)
	f.next++
	tok := moq.Token{
		ID: fmt.Sprintf("%032x", f.next), Operations: t.Operations, Created: f.w.theirs(),
		Expires: t.Expires, Label: t.Label, Value: secret.New(fmt.Sprintf("value-%d", f.next)),
	}
	if tok.Expires.After(f.w.theirs().Add(oneYear)) { // refused, and asked for again by Cloudflare's clock
		tok.Expires = tok.Expires.Add(f.w.theirs().Sub(f.w.now))
	}
	if tok.Expires.IsZero() {
		tok.Expires = f.w.theirs().Add(oneYear)
	}
	if f.limit > 0 && len(f.tokens) >= f.limit {
		return moq.Token{}, fault.Newf(fault.Permanent, fault.Full, "create token", "", "409: 21009 token limit reached")
	}
	err := f.mint(createCall, func() {
		f.spoil(&tok)
		f.commit(&tok)
	})
	if err != nil {
		return moq.Token{}, err
	}
	return tok, nil
}

// spoil makes a new token as odd as its call's outcome says.
func (f *fakeRelay) spoil(t *moq.Token) {
	if f.claims != nil {
		t.Value = signed(f.claims(*t), t.Value.Reveal())
	}
	if end := f.w.theirs().Add(f.longest); f.longest > 0 && t.Expires.After(end) {
		t.Expires = end
	}
	f.odd = f.odd || f.brings.isOdd()
	switch {
	case f.brings.short:
		t.Expires, f.short = f.w.theirs().Add(time.Hour), t.Value.Reveal()
	case f.brings.otherID:
		t.Value = signed(`{"jti":"`+foreignToken+`"}`, t.Value.Reveal())
		f.refused = t.Value.Reveal()
	}
}

// signed is a value with claims, signed with a text.
func signed(claims, signature string) secret.Value {
	part := base64.RawURLEncoding.EncodeToString
	return secret.New(part([]byte("{}")) + "." + part([]byte(claims)) + "." + part([]byte(signature)))
}

// commit adds a token to what is accepted; one that is there already, under another id: its call was sent again.
func (f *fakeRelay) commit(tok *moq.Token) {
	made := *tok
	if _, twice := f.byID(tok.ID); twice {
		f.next++
		made.ID, made.Value = fmt.Sprintf("%032x", f.next), secret.New(fmt.Sprintf("value-%d", f.next))
	}
	f.ids[made.Value.Reveal()], f.made[made.Value.Reveal()] = made.ID, f.w.truth()
	f.change(append(slices.Clip(f.tokens), made))
}

func (f *fakeRelay) Rotate(_ context.Context, _ moq.Priority, _ string, _ moq.TokenType) (secret.Value, error) {
	f.rotates++
	f.w.onMint("")
	f.next++
	v := fmt.Sprintf("value-%d", f.next)
	if f.claims != nil {
		v = signed(f.claims(moq.Token{}), v).Reveal()
	}
	f.w.onRotate()
	if err := f.mint(rotateCall, func() { f.inPlace, f.unknown = v, true }); err != nil {
		return secret.Value{}, err
	}
	f.unknown = false
	return secret.New(v), nil
}

func (f *fakeRelay) List(context.Context, moq.Priority, string) (out moq.TokenList, err error) {
	f.lists++
	f.commitLate()
	err = f.w.call(listCall, "", func(o *outcome) error {
		if o.fails() || f.down {
			return fault.Newf(fault.Retry, fault.ServerError, "list", "", "refused")
		}
		if err := f.portal("list", fault.Retry); err != nil {
			return err
		}
		f.answer()
		if o.lags {
			f.w.lags--
			f.lagging = f.changed + listsLagFor
		}
		out.Complete = true
		for _, t := range f.listed() {
			t.Value = secret.Value{}
			out.Tokens = append(out.Tokens, t)
		}
		f.noteMissed(out.Tokens)
		return nil
	})
	return out, err
}

func (f *fakeRelay) Revoke(ctx context.Context, _ moq.Priority, _, id string) error {
	return f.w.call(revokeCall, "", func(o *outcome) error {
		if ctx.Err() != nil {
			return ctx.Err() // it waited for its turn
		}
		if f.down {
			return greedy(fault.Newf(fault.Retry, fault.ServerError, "revoke", "", "down"))
		}
		hidden := f.portal("revoke", fault.Retry)
		if o.done && (hidden == nil || f.forwards) {
			f.w.onRevoke(id)
			f.revokes = append(f.revokes, id)
			if t, ok := f.byID(id); ok {
				f.buried[t.Value.Reveal()] = f.w.theirs()
			}
			f.change(slices.DeleteFunc(slices.Clone(f.tokens), func(t moq.Token) bool { return t.ID == id }))
		}
		if hidden != nil {
			return hidden
		}
		if o.answered {
			f.answer()
		}
		return o.error("revoke")
	})
}

// fakeSink is a store with one target.
type fakeSink struct {
	sinks.Apart
	w        *world
	name     string
	content  string        // "" is absent
	former   string        // before the present one
	standby  bool          // it may answer with what it held before
	lags     time.Duration // until when it does, in true time
	rotation string
	since    time.Time // when the present content was written
	down     bool
	greedy   bool // its trouble asks for a wait
	refuses  bool // when it is down: the login, and that for a long time
	urgent   bool // the latest write was of a slot in blackout
	writes   int
	left     map[string]time.Duration // values by when they were replaced, in true time

	template func(sinks.Record) error // what rendering comes to; nil: it goes well
	warnings []string                 // of each trial
	trials   []sinks.ProbeOptions
}

func (s *fakeSink) Render(r sinks.Record) (secret.Value, error) {
	if s.template != nil {
		if err := s.template(r); err != nil {
			return secret.Value{}, err
		}
	}
	return secret.New(r.Token.Reveal()), nil
}

func (s *fakeSink) trouble(op string) error {
	if s.refuses {
		return &fault.Error{Class: fault.Permanent, Reason: fault.Unauthorized, Op: op, Object: s.name, After: 5 * time.Minute}
	}
	e := fault.Newf(fault.Retry, fault.Unreachable, op, s.name, "the sink is down")
	if s.greedy {
		return greedy(e)
	}
	return e
}

func (s *fakeSink) Probe(_ context.Context, _ string, asked sinks.ProbeOptions) (h sinks.Holding, err error) {
	err = s.w.call(probeCall, s.name, func(o *outcome) error {
		if o.fails() || s.down {
			return s.trouble("probe")
		}
		h = s.shown(o)
		h.Known = asked.Read
		if !asked.Trial.IsEmpty() {
			h.Warnings, s.trials = s.warnings, append(s.trials, asked)
		}
		return nil
	})
	return h, err
}

func (s *fakeSink) Read(context.Context, string) (h sinks.Holding, err error) {
	err = s.w.call(readCall, s.name, func(o *outcome) error {
		if o.fails() || s.down {
			return s.trouble("read")
		}
		h = s.shown(o)
		return nil
	})
	return h, err
}

func (s *fakeSink) holding() sinks.Holding {
	return sinks.Holding{Known: true, Exists: s.content != "", Content: secret.New(s.content), MayBeStale: s.standby}
}

// lagsFor is how long a standby answers with what was: shorter than the looks are apart that must agree.
const lagsFor = 9 * time.Second

// shown is what the store answers.
func (s *fakeSink) shown(o *outcome) sinks.Holding {
	if o.stale {
		s.lags = s.w.truth() + lagsFor
	}
	if s.w.truth() < s.lags {
		return sinks.Holding{Known: true, Exists: s.former != "", Content: secret.New(s.former), MayBeStale: true}
	}
	return s.holding()
}

func (s *fakeSink) Write(ctx context.Context, _ string, v secret.Value, asked sinks.WriteOptions) error {
	s.urgent = sinks.IsUrgent(ctx)
	plan := s.w.plan
	return s.w.call(writeCall, s.name, func(o *outcome) error {
		s.writes++
		if !o.done && !o.fails() {
			return nil
		}
		if !o.done || s.down {
			return s.trouble("write")
		}
		s.w.onWrite(s, v.Reveal())
		s.w.mustStillDeliver(s.name, plan)
		if s.content != v.Reveal() {
			s.replace(v.Reveal())
			s.rotation, s.since = asked.RotationID, s.w.now
		}
		if o.fails() {
			return s.trouble("write, answer lost")
		}
		return nil
	})
}

func (s *fakeSink) replace(v string) {
	if s.left == nil {
		s.left = map[string]time.Duration{}
	}
	s.left[s.content] = s.w.truth()
	delete(s.left, v)
	s.former, s.content = s.content, v
}

func (s *fakeSink) MaxContent() int { return 1 << 20 }

func (s *fakeSink) Refresh(context.Context) (bool, error) { return false, nil }

func (s *fakeSink) Close() error { return nil }

// fakeDisk keeps the record; what is loaded from it has been through bytes, as on a disk.
type fakeDisk struct {
	w          *world
	saved      *slot.Record // never changed once it is here
	neighbour  *slot.Record // of another slot of the relay, which left the configuration
	events     []slot.Event
	full       bool
	half       bool // saves succeed, checks do not
	lost       bool // its files were deleted
	stuck      bool // and cannot be written anew
	unfit      bool // it refuses the record
	failedOnce bool
	saves      int
}

func (d *fakeDisk) Save(_ context.Context, r *slot.Record, events ...slot.Event) error {
	return d.w.call(saveCall, "", func(o *outcome) error {
		if o.fails() || d.full {
			d.failedOnce = true
			return errors.New("no space left on device")
		}
		if d.unfit {
			return fault.Newf(fault.Permanent, fault.Internal, "save", "record", "too large")
		}
		d.w.onSave(r)
		d.saves++
		d.saved, d.events = r, append(d.events, events...)
		return nil
	})
}

// record is what is durable; nil when nothing is.
func (d *fakeDisk) record() *slot.Record { return d.saved }

func (d *fakeDisk) bytes() []byte {
	b, err := json.Marshal(d.saved)
	if err != nil {
		d.w.t.Fatal(err)
	}
	if bytes.Contains(b, []byte("value-")) {
		d.w.breaks("9: a value lies in clear in the journal")
	}
	return b
}

func (d *fakeDisk) Load(_ context.Context, visit func(*slot.Record) error) error {
	if d.neighbour != nil {
		if err := visit(d.neighbour.Clone()); err != nil {
			return err
		}
	}
	if d.saved == nil {
		return nil
	}
	r := new(slot.Record)
	if err := json.Unmarshal(d.bytes(), r); err != nil {
		d.w.t.Fatal(err)
	}
	return visit(r)
}

func (d *fakeDisk) History(context.Context, *moq.Key, int) ([]slot.Event, error) {
	out := slices.Clone(d.events)
	slices.Reverse(out)
	return out, nil
}

func (d *fakeDisk) Check(context.Context) error {
	switch {
	case d.lost:
		return slot.ErrRecordsLost
	case d.full || d.half:
		return errors.New("no space left on device")
	}
	return nil
}

func (d *fakeDisk) Restore(_ context.Context, records iter.Seq[*slot.Record]) error {
	if d.stuck {
		return errors.New("read-only file system")
	}
	d.saved, d.lost = nil, false
	for r := range records {
		if r.Key == testKey {
			d.saved = r
		}
	}
	return nil
}

func (d *fakeDisk) DigestKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// fakeSealer reverses and shifts, so that a value is never in clear.
type fakeSealer struct{ w *world }

func (fakeSealer) Seal(v secret.Value) ([]byte, error) {
	return shift([]byte(v.Reveal()), 1), nil
}

func (f fakeSealer) Open(b []byte) (secret.Value, error) {
	if f.w.identityLost && !f.w.sane {
		return secret.Value{}, errors.New("no identity matched")
	}
	if len(b) == 0 {
		return secret.Value{}, errors.New("nothing is sealed")
	}
	return secret.New(string(shift(b, 255))), nil
}

func shift(b []byte, by byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] += by
	}
	return out
}
