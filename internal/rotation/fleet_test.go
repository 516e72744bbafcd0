package rotation

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// fleet is many slots with goroutines of their own, in a bubble's time: the world of
// the exploration has one.
type fleet struct {
	t       *testing.T
	born    time.Time
	engine  *Engine
	plans   []*slot.Plan
	account *store
	stores  stores

	mu     sync.Mutex
	disk   map[moq.Key][]byte
	alarms map[moq.Key]*time.Timer
	made   int
	tokens map[string][]moq.Token // by relay
	onMint func(relayID string)

	inPlace map[string]string // by relay: the value that is accepted
}

// newFleet has n slots that rotate once a day, each with one of the sinks in turn.
func newFleet(t *testing.T, strategy moq.Strategy, n int, names ...string) *fleet {
	f := &fleet{
		t: t, born: time.Now(), account: newStore(), stores: stores{},
		disk: map[moq.Key][]byte{}, alarms: map[moq.Key]*time.Timer{}, tokens: map[string][]moq.Token{}, inPlace: map[string]string{},
	}
	for _, name := range names {
		f.stores[name] = newStore()
	}
	policy := &slot.Policy{
		Account: "main", Strategy: strategy, Initial: slot.InitialNow, CatchUp: true, Verify: true,
		Grace: time.Hour, Lifetime: 30 * 24 * time.Hour, ProbeInterval: 100 * time.Hour, // no probe finds out
	}
	for i := range n {
		k := moq.Key{AccountID: testAccount, RelayID: fmt.Sprintf("%032x", i+1), Type: moq.Subscribe}
		name := names[i%len(names)]
		f.plans = append(f.plans, &slot.Plan{
			Policy: policy, Key: k, Relay: fmt.Sprintf("relay%d", i), Schedule: every(24 * time.Hour), Operations: k.Type.Operations(),
			Targets: []slot.Target{{Sink: name, Target: k.RelayID, Location: "file://" + name + "/" + k.RelayID, Required: true}},
		})
	}
	return f
}

// start begins a process over what the disk holds.
func (f *fleet) start() {
	f.t.Helper()
	f.load()
	f.configure()
}

func (f *fleet) load() {
	f.t.Helper()
	f.engine = New(Options{
		Instance: "test", Journal: f, Sealer: fakeSealer{&world{}}, Alarm: f, Clock: f,
		Observer: unobserved{}, Log: zap.NewNop(),
	})
	if err := f.engine.Load(f.t.Context(), f.plans); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) configure() {
	f.engine.Configure(f.plans, f, maps.Clone(f.stores), slices.Collect(maps.Keys(f.stores)))
}

// kill ends the process in the midst of its waits.
func (f *fleet) kill() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	f.engine.Stop(ended)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.alarms {
		a.Stop()
	}
}

// lastRotation is when the last slot was right; zero while one is not since a time.
func (f *fleet) lastRotation(since time.Time) (last time.Time) {
	all := true
	f.engine.Statuses(func(s *slot.Status) bool {
		all = all && s.Failure == nil && s.LastRotation.After(since)
		if s.LastRotation.After(last) {
			last = s.LastRotation
		}
		return all
	})
	if !all {
		return time.Time{}
	}
	return last
}

// store is a sink or an account, which may be in trouble.
type store struct {
	mu      sync.Mutex
	trouble error // what each call comes to; nil: the store is well
	after   int   // so many calls more go well
	reads   bool  // reads go well all the same
	healthy time.Time
	held    map[string]string
	places  map[string]string      // by target; what has one is held under it
	onWrite func(target string)    // w.mu is held
	suffix  string                 // of each content
	called  map[string][]time.Time // by target or relay
}

func newStore() *store { return &store{held: map[string]string{}, called: map[string][]time.Time{}} }

// fails has each call fail, after some that go well; nil ends it.
func (s *store) fails(after int, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after, s.trouble, s.healthy = after, trouble, time.Time{}
}

// key is what a target's content is held under; w.mu is held.
func (s *store) key(target string) string { return cmp.Or(s.places[target], target) }

// change is a call that changes something.
func (s *store) change(of string) error { return s.answer(of, true) }

// answer notes a call and says what becomes of it.
func (s *store) answer(of string, changes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called[of] = append(s.called[of], time.Now())
	s.after--
	if s.trouble != nil && s.after < 0 && (changes || !s.reads) {
		return s.trouble
	}
	if s.healthy.IsZero() && (changes || !s.reads) { // reads that always go well are no news
		s.healthy = time.Now()
	}
	return nil
}

// noticed is when the first call went well since fails was called.
func (s *store) noticed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthy
}

// calls are those since a time, by target or relay.
func (s *store) calls(since time.Time) map[string][]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]time.Time{}
	for of, at := range s.called {
		if late := slices.DeleteFunc(slices.Clone(at), func(t time.Time) bool { return t.Before(since) }); len(late) > 0 {
			out[of] = late
		}
	}
	return out
}

func (s *store) Render(r sinks.Record) (secret.Value, error) {
	return secret.New(r.Token.Reveal() + s.suffix), nil
}

func (s *store) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	return s.Read(ctx, target)
}

func (s *store) Read(_ context.Context, target string) (sinks.Holding, error) {
	if err := s.answer(target, false); err != nil {
		return sinks.Holding{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.held[s.key(target)]
	return sinks.Holding{Known: true, Exists: ok, Content: secret.New(v)}, nil
}

func (s *store) Write(_ context.Context, target string, v secret.Value, o sinks.WriteOptions) error {
	if err := s.change(target); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onWrite != nil {
		s.onWrite(target)
	}
	s.held[s.key(target)] = v.Reveal()
	return nil
}

func (s *store) MaxContent() int { return 1 << 20 }

func (s *store) Place(_ context.Context, target string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places[target], nil
}

func (s *store) Refresh(context.Context) (bool, error) { return false, nil }

func (s *store) Close() error { return nil }

type stores map[string]*store

func (s stores) Sink(name string) (sinks.Sink, bool) {
	found, ok := s[name]
	return found, ok
}

// The other ports of the engine.

func (f *fleet) Account(string) (Cloudflare, bool) { return f, true }

func (f *fleet) Time() moq.CloudflareTime { return moq.CloudflareTime{} }

func (f *fleet) Warm(context.Context) {}

func (f *fleet) Prove(_ context.Context, _ moq.Priority, relayID string) error {
	return f.account.answer(relayID, false)
}

func (f *fleet) OpensAt() time.Time { return time.Time{} }

func (f *fleet) WatchBlock(func(time.Time)) func() { return func() {} }
func (f *fleet) Block(time.Time)                   {}
func (f *fleet) BeginTerm()                        {}

func (f *fleet) SaveAccount(context.Context, slot.AccountNote) error { return nil }
func (f *fleet) LoadAccounts(context.Context, func(error)) ([]slot.AccountNote, error) {
	return nil, nil
}

func (f *fleet) Reserve(_ moq.Priority, granted func()) func() { granted(); return func() {} }

func (f *fleet) Create(_ context.Context, _ moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	f.minting(relayID)
	if err := f.account.change(relayID); err != nil {
		return moq.Token{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	tok := moq.Token{
		ID: fmt.Sprintf("%032x", f.made), Operations: t.Operations, Created: time.Now(), Expires: t.Expires,
		Label: t.Label, Value: secret.New(fmt.Sprintf("value-%d", f.made)),
	}
	f.tokens[relayID] = append(f.tokens[relayID], tok)
	return tok, nil
}

func (f *fleet) List(_ context.Context, _ moq.Priority, relayID string) (moq.TokenList, error) {
	if err := f.account.answer(relayID, false); err != nil {
		return moq.TokenList{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return moq.TokenList{Tokens: slices.Clone(f.tokens[relayID]), Complete: true}, nil
}

func (f *fleet) Revoke(_ context.Context, _ moq.Priority, relayID, id string) error {
	if err := f.account.answer(relayID, false); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens[relayID] = slices.DeleteFunc(f.tokens[relayID], func(t moq.Token) bool { return t.ID == id })
	return nil
}

func (f *fleet) minting(relayID string) {
	if f.onMint != nil {
		f.onMint(relayID)
	}
}

func (f *fleet) Rotate(_ context.Context, _ moq.Priority, relayID string, _ moq.TokenType) (secret.Value, error) {
	f.minting(relayID)
	if err := f.account.change(relayID); err != nil {
		return secret.Value{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	f.inPlace[relayID] = fmt.Sprintf("value-%d", f.made)
	return secret.New(f.inPlace[relayID]), nil
}

func (f *fleet) Set(k *moq.Key, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.alarms[*k]; a != nil {
		a.Stop()
	}
	if e := f.engine; !at.IsZero() {
		f.alarms[*k] = time.AfterFunc(time.Until(at), func() { e.Wake(k) })
	}
}

func (f *fleet) Now() time.Time { return time.Now() }

func (f *fleet) Elapsed() slot.Reading { return slot.Reading{Boot: "one", Elapsed: time.Since(f.born)} }

func (f *fleet) Save(ctx context.Context, r *slot.Record, _ ...slot.Event) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b, err := json.Marshal(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disk[r.Key] = b
	return err
}

func (f *fleet) Load(_ context.Context, visit func(*slot.Record) error) error {
	for _, b := range f.disk {
		r := new(slot.Record)
		if err := json.Unmarshal(b, r); err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) History(context.Context, *moq.Key, int) ([]slot.Event, error) { return nil, nil }

func (f *fleet) Check(context.Context) error { return nil }

func (f *fleet) Restore(context.Context, iter.Seq[*slot.Record]) error { return nil }

func (f *fleet) DigestKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// unobserved is an Observer that nobody looks at.
type unobserved struct{}

func (unobserved) RotationCounted(*slot.Plan, moq.Strategy, slot.Result, time.Duration) {}
func (unobserved) AttemptFailed(string, slot.Stage, string)                             {}
func (unobserved) LagMeasured(time.Duration)                                            {}
func (unobserved) BlackoutEnded(time.Duration)                                          {}
func (unobserved) ClaimsContradicted(string)                                            {}
func (unobserved) Drifted(string)                                                       {}

// busyFor is a store's answer that asks to be left alone.
func busyFor(d time.Duration) error {
	e := fault.Newf(fault.Retry, fault.ServerError, "call", "it", "503")
	e.After = d
	return e
}

// silentJournal takes a while for each save, and then says that it was in vain.
type silentJournal struct{ *fleet }

const silence = 15 * time.Second

func (silentJournal) Save(context.Context, *slot.Record, ...slot.Event) error {
	<-time.After(silence)
	return fault.Newf(fault.Retry, fault.Storage, "write journal", "", "no answer")
}

func TestNewSlotsWaitTogetherOnceForAJournalThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 5000, "disk")
		f.engine = New(Options{
			Instance: "test", Journal: silentJournal{f}, Sealer: fakeSealer{&world{}}, Alarm: f, Clock: f,
			Observer: unobserved{}, Log: zap.NewNop(),
		})
		if err := f.engine.Load(t.Context(), f.plans); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		f.configure()
		if took := time.Since(began); took != silence {
			t.Errorf("they waited for %s", took)
		}
		for w := range f.engine.slots.eachWorker() {
			unsaved := false
			if w.locked(func() { unsaved = w.notes != nil && w.notes.Unsaved }); !unsaved {
				t.Fatalf("%s is not saved later", w.record.Key)
			}
		}
		f.kill()
	})
}
