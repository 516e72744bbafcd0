package journal_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/scheduler"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

const (
	keptInstance = "kept"
	keptAccount  = "023e105f4ecef8ad9ca31a8372d0c353"
	keptGrace    = time.Hour
	keptLifetime = 30 * 24 * time.Hour
	keptEvents   = 43
)

// outside is everything around the engine that outlives it: what the relays accept and
// what the sinks hold, and what is wrong with both.
type outside struct {
	mu sync.Mutex

	Now     time.Time              `json:"now"`
	Tokens  map[string][]keptToken `json:"tokens"`   // by relay id
	InPlace map[string]string      `json:"in_place"` // the one value a relay accepts
	Stored  map[string]string      `json:"stored"`   // by target
	Next    int                    `json:"next"`

	mints map[string]string // by relay id: "hang" or "lost", once it was carried out
	calls map[string]bool   // relays that answer nothing else
	full  bool              // no place in the budget for routine calls
	probe map[string]bool   // targets that cannot be probed
	write map[string]bool   // targets that cannot be written to
}

// keptToken is a token as the relay has it, value included.
type keptToken struct {
	ID      string        `json:"id"`
	Type    moq.TokenType `json:"type"`
	Created time.Time     `json:"created"`
	Expires time.Time     `json:"expires"`
	Label   string        `json:"label"`
	Value   string        `json:"value"`
}

func newOutside() *outside {
	return &outside{
		Tokens: map[string][]keptToken{}, InPlace: map[string]string{}, Stored: map[string]string{},
		mints: map[string]string{}, calls: map[string]bool{}, probe: map[string]bool{}, write: map[string]bool{},
	}
}

// keptSlots are the slots, named after what they were doing when the state was kept.
func keptSlots() (plans []*slot.Plan) {
	for n, name := range []string{
		"idle", "grace", "attempt", "minted", "lost", "superseded", "failing", "requested", "optional",
		"in-place-idle", "in-place-attempt", "in-place-minted", "in-place-lost",
	} {
		p := &slot.Plan{
			Key: moq.Key{AccountID: keptAccount, RelayID: fmt.Sprintf("%032x", 0xa0+n), Type: moq.Subscribe}, Relay: name,
			Operations: moq.Subscribe.Operations(),
			Policy: &slot.Policy{
				Account: "main", Strategy: moq.Overlap, Initial: slot.InitialNow, CatchUp: true, Verify: true,
				Grace: keptGrace, Lifetime: keptLifetime, ProbeInterval: time.Hour,
			},
			Targets: []slot.Target{{Sink: "disk", Target: "disk/" + name, Location: "test:///disk/" + name, Required: true}},
		}
		if strings.HasPrefix(name, "in-place") {
			p.Strategy, p.Grace, p.Lifetime = moq.InPlace, 0, 0
		}
		if name == "optional" {
			p.Targets = append(p.Targets, slot.Target{Sink: "spare", Target: "spare/" + name, Location: "test:///spare/" + name})
		}
		plans = append(plans, p)
	}
	return plans
}

// keptDaemon is an engine at work.
type keptDaemon struct {
	engine  *rotation.Engine
	journal *journal.Bolt
	stop    func()
}

// begin starts an engine over the state in dir.
func (o *outside) begin(t *testing.T, dir, boot string) keptDaemon {
	t.Helper()
	identity := filepath.Join(dir, "identity.txt")
	id, err := secret.LoadIdentity(identity, secret.ThisProcess(nil, nil))
	if errors.Is(err, os.ErrNotExist) {
		id, err = secret.CreateIdentity(identity)
	}
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	queue := scheduler.NewQueue[*moq.Key](time.Now)
	clock := keptClock{boot, time.Now()}
	e := rotation.New(rotation.Options{
		Instance: keptInstance, Journal: j, Sealer: id, Alarm: queue, Clock: clock, Observer: unobserved{}, Log: zap.NewNop(),
	})
	if err := e.Load(t.Context(), keptSlots()); err != nil {
		t.Fatal(err)
	}
	e.Configure(keptSlots(), o, o, []string{"disk", "spare"})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { queue.Run(ctx, e.Wake) })
	return keptDaemon{e, j, func() {
		now, over := context.WithCancel(t.Context())
		over() // what hangs is cut off
		e.Stop(now)
		cancel()
		wg.Wait()
	}}
}

type keptClock struct {
	boot  string
	since time.Time
}

func (keptClock) Now() time.Time { return time.Now() }
func (c keptClock) Elapsed() slot.Reading {
	return slot.Reading{Boot: c.boot, Elapsed: time.Hour + time.Since(c.since)}
}

type unobserved struct{}

func (unobserved) RotationCounted(*slot.Plan, moq.Strategy, slot.Result, time.Duration) {}
func (unobserved) AttemptFailed(string, slot.Stage, string)                             {}
func (unobserved) LagMeasured(time.Duration)                                            {}
func (unobserved) BlackoutEnded(time.Duration)                                          {}
func (unobserved) ClaimsContradicted(string)                                            {}
func (unobserved) Drifted(string)                                                       {}

func (o *outside) Account(string) (rotation.Cloudflare, bool) { return keptCloudflare{o}, true }
func (o *outside) Sink(string) (sinks.Sink, bool)             { return keptSink{outside: o}, true }

type keptCloudflare struct{ *outside }

func (keptCloudflare) Time() moq.CloudflareTime                          { return moq.CloudflareTime{} }
func (keptCloudflare) Warm(context.Context)                              {}
func (keptCloudflare) WatchBlock(func(time.Time)) func()                 { return func() {} }
func (keptCloudflare) Block(time.Time)                                   {}
func (keptCloudflare) BeginTerm()                                        {}
func (keptCloudflare) OpensAt() time.Time                                { return time.Time{} }
func (keptCloudflare) Prove(context.Context, moq.Priority, string) error { return nil }

func (c keptCloudflare) Reserve(p moq.Priority, granted func()) func() {
	c.mu.Lock()
	waits := c.full && p.Urgency != moq.Blackout
	c.mu.Unlock()
	if !waits {
		granted()
	}
	return func() {}
}

// minted ends a mint that was carried out as its relay does.
func (o *outside) minted(ctx context.Context, relayID string) error {
	switch o.mints[relayID] {
	case "hang":
		o.mu.Unlock()
		<-ctx.Done()
		o.mu.Lock()
		return fault.Newf(fault.Ambiguous, fault.Timeout, "mint", "", "no answer")
	case "lost":
		return fault.Newf(fault.Ambiguous, fault.BadAnswer, "mint", "", "no answer")
	}
	return nil
}

func (c keptCloudflare) Create(ctx context.Context, _ moq.Priority, relayID string, n moq.NewToken) (moq.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Next++
	t := keptToken{fmt.Sprintf("%032x", c.Next), moq.Subscribe, time.Now(), n.Expires, n.Label, fmt.Sprint("value-", c.Next)}
	c.Tokens[relayID] = append(c.Tokens[relayID], t)
	if err := c.minted(ctx, relayID); err != nil {
		return moq.Token{}, err
	}
	out := t.listed()
	out.Value = secret.New(t.Value)
	return out, nil
}

func (t keptToken) listed() moq.Token {
	return moq.Token{ID: t.ID, Operations: t.Type.Operations(), Created: t.Created, Expires: t.Expires, Label: t.Label}
}

func (c keptCloudflare) Rotate(ctx context.Context, _ moq.Priority, relayID string, _ moq.TokenType) (secret.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Next++
	value := fmt.Sprint("value-", c.Next)
	c.InPlace[relayID] = value
	if err := c.minted(ctx, relayID); err != nil {
		return secret.Value{}, err
	}
	return secret.New(value), nil
}

func (c keptCloudflare) List(_ context.Context, _ moq.Priority, relayID string) (out moq.TokenList, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[relayID] {
		return out, fault.Newf(fault.Retry, fault.ServerError, "list", "", "refused")
	}
	for _, t := range c.Tokens[relayID] {
		out.Tokens = append(out.Tokens, t.listed())
	}
	return out, nil
}

func (c keptCloudflare) Revoke(_ context.Context, _ moq.Priority, relayID, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Tokens[relayID] = slices.DeleteFunc(c.Tokens[relayID], func(t keptToken) bool { return t.ID == id })
	return nil
}

type keptSink struct {
	sinks.Apart
	*outside
}

func (keptSink) Render(r sinks.Record) (secret.Value, error) { return r.Token, nil }
func (keptSink) Refresh(context.Context) (bool, error)       { return false, nil }
func (keptSink) Close() error                                { return nil }
func (keptSink) MaxContent() int                             { return 1 << 20 }

func (s keptSink) holding(target string) sinks.Holding {
	content, ok := s.Stored[target]
	return sinks.Holding{Known: true, Exists: ok, Content: secret.New(content)}
}

func (s keptSink) Probe(_ context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe[target] {
		return sinks.Holding{}, fault.Newf(fault.Retry, fault.Unreachable, "probe", target, "down")
	}
	return s.holding(target), nil
}

func (s keptSink) Read(_ context.Context, target string) (sinks.Holding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holding(target), nil
}

func (s keptSink) Write(_ context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write[target] {
		return fault.Newf(fault.Retry, fault.Unreachable, "write", target, "down")
	}
	s.Stored[target] = content.Reveal()
	return nil
}

// unpack puts a kept state into a new folder, and gives what was around it.
func unpack(t *testing.T, name string) (dir string, o *outside) {
	t.Helper()
	dir, o = t.TempDir(), newOutside()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir, o
		}
		b, err2 := io.ReadAll(r)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if h.Name == "outside.json" {
			err = json.Unmarshal(b, o)
		} else {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// finished tells what a slot still lacks: one token of its own, which its targets hold.
func (o *outside) finished(p *slot.Plan, s slot.Status) error {
	switch {
	case s.State != slot.StateIdle, s.Phase != "", s.ConsecutiveFailures > 0, len(s.OldTokens) > 0, !s.Requested.IsZero(), !s.BlackoutSince.IsZero():
		return fmt.Errorf("it is not at rest: %+v", s)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	want := o.InPlace[p.Key.RelayID]
	if p.Strategy == moq.Overlap {
		if n := len(o.Tokens[p.Key.RelayID]); n != 1 {
			return fmt.Errorf("the relay has %d tokens", n)
		}
		want = o.Tokens[p.Key.RelayID][0].Value
	}
	for _, t := range p.Targets {
		if got := o.Stored[t.Target]; got != want {
			return fmt.Errorf("%s holds %s, and %s is accepted", t.Target, got, want)
		}
	}
	return nil
}

// What earlier releases left behind, with a rotation in each phase, is opened and finished.
func TestAStateOfTheFormerFormatIsOpenedAndFinished(t *testing.T) {
	testAKeptStateIsOpenedAndFinished(t, "format2.tar.gz")
}

func TestAStateOfTheFirstFormat3IsOpenedAndFinished(t *testing.T) {
	testAKeptStateIsOpenedAndFinished(t, "format3.tar.gz")
}

func testAKeptStateIsOpenedAndFinished(t *testing.T, name string) {
	synctest.Test(t, func(t *testing.T) {
		dir, o := unpack(t, name)
		<-time.After(time.Until(o.Now.Add(10 * time.Minute)))
		before := maps.Clone(o.Stored)
		d := o.begin(t, dir, "another boot")
		events, err := d.journal.History(t.Context(), nil, 0)
		kept := slices.DeleteFunc(events, func(ev slot.Event) bool { return ev.At.After(o.Now) }) // the engine is at work already
		if err != nil || len(kept) != keptEvents {
			t.Errorf("%d events, want %d (%v)", len(kept), keptEvents, err)
		}
		<-time.After(26 * time.Hour)
		for _, p := range keptSlots() {
			s, ok := d.engine.StatusOf(p.Relay, "subscribe")
			if !ok {
				t.Fatalf("%s is unknown", p.Relay)
			}
			if err := o.finished(p, s); err != nil {
				t.Errorf("%s: %v", p.Relay, err)
			}
		}
		for _, name := range []string{"disk/idle", "disk/grace", "disk/in-place-idle"} {
			if o.Stored[name] != before[name] {
				t.Errorf("%s was rotated without need", name)
			}
		}
		d.stop()
		if err := d.journal.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The former format's rules stay for what it left behind.
func TestALogOfTheFormerFormatThatWasCutShortIsRefused(t *testing.T) {
	dir, _ := unpack(t, "format2.tar.gz")
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("logs %v (%v)", logs, err)
	}
	if err := os.Truncate(logs[0], 100); err != nil {
		t.Fatal(err)
	}
	_, err = journal.Open(dir, journal.Options{})
	if !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), logs[0]+": damaged: it is cut short") {
		t.Errorf("err = %v", err)
	}
}
