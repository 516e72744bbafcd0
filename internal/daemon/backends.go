package daemon

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/sinks"
)

// openPatience is how long a start or a reload waits for what does not answer.
const openPatience = 2 * time.Second

// backends are the open accounts and sinks of one configuration. They are
// immutable: a reload makes new ones, which keep what did not change.
type backends struct {
	cfg      *config.Config
	accounts map[string]*cf.Client      // by account id
	byName   map[string]*cf.Client      // by the account's key in the configuration
	asks     map[string]question        // what is asked for the time's sake, by the account's key
	budgets  map[string]*cf.Budget      // by API token
	tokens   map[string]*apiToken       // by the account's key
	sinks    map[string]sinks.Sink      // by key in the configuration
	deferred map[string]*sinks.Deferred // those within sinks
	logins   *sinks.Logins              // the same from reload to reload
	troubles []trouble
}

// Account implements rotation.Accounts.
func (b *backends) Account(id string) (rotation.Cloudflare, bool) {
	c, ok := b.accounts[id]
	return c, ok
}

// Sink implements rotation.Sinks.
func (b *backends) Sink(name string) (sinks.Sink, bool) {
	s, ok := b.sinks[name]
	return s, ok
}

func (b *backends) sinkNames() []string { return slices.Collect(maps.Keys(b.sinks)) }

// trouble is what is amiss with an account or a sink, as things are.
type trouble struct {
	kind, name string // kind: account | sink
	works      bool   // with what was read before
	err        error
}

// opener opens accounts and sinks: the one way in which a start, a reload, a single run and `check --online` do.
type opener struct {
	env     Environment
	metrics *metrics.Metrics
	warn    func(text string)
	mayAct  func() error // asked before anything is changed; nil: it always may
}

// open opens what cfg names, taking over from old (which may be nil) what
// is configured alike, with its connections and logins. An error is a fault of
// the configuration; then nothing stays open that was not open before. What an
// account or a sink lacks besides is its own trouble.
func (o opener) open(ctx context.Context, cfg *config.Config, old *backends) (*backends, error) {
	if old == nil {
		old = &backends{cfg: &config.Config{}, logins: sinks.NewLogins()}
	}
	b := &backends{
		cfg: cfg.WithoutFleet(), accounts: map[string]*cf.Client{}, byName: map[string]*cf.Client{},
		tokens: readTokens(ctx, cfg.Accounts, o.env.Environment), budgets: map[string]*cf.Budget{},
		sinks: map[string]sinks.Sink{}, deferred: map[string]*sinks.Deferred{},
		logins: old.logins, asks: questionsFor(cfg),
	}
	if err := b.openAccounts(old, o); err != nil {
		_ = b.closeExcept(old)
		return nil, err
	}
	b.openSinks(old, o)
	b.blameTokens()
	b.settleSinks(ctx, old, o)
	return b, nil
}

func sameConfig(a, b any) bool { return reflect.DeepEqual(a, b) }

// closeExcept closes what other, which may be nil, does not use, all side by side: a store may take its time.
func (b *backends) closeExcept(other *backends) error {
	var closing []func() error
	for name, s := range b.sinks {
		if other == nil || other.deferred[name] != b.deferred[name] {
			closing = append(closing, s.Close)
		}
	}
	for name, c := range b.byName {
		if other == nil || other.byName[name] != c {
			c.Close()
		}
	}
	return sideBySide(closing)
}

func sideBySide(all []func() error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, f := range all {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
