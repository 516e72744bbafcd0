package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// ports are the open accounts and sinks of one configuration. They are
// immutable: a reload makes new ones, which keep what did not change.
type ports struct {
	cfg      *config.Config
	accounts map[string]*cf.Client      // by account id
	byName   map[string]*cf.Client      // by the account's key in the configuration
	budgets  map[string]*cf.Budget      // by API token
	tokens   map[string]*apiToken       // by the account's key
	sinks    map[string]sinks.Sink      // by key in the configuration
	deferred map[string]*sinks.Deferred // those within sinks
	logins   *sinks.Logins              // the same from reload to reload
	troubles []trouble
}

// Account implements rotation.Accounts.
func (p *ports) Account(id string) (rotation.Cloudflare, bool) {
	c, ok := p.accounts[id]
	return c, ok
}

// Sink implements rotation.Sinks.
func (p *ports) Sink(name string) (sinks.Sink, bool) {
	s, ok := p.sinks[name]
	return s, ok
}

func (p *ports) sinkNames() []string { return slices.Collect(maps.Keys(p.sinks)) }

// surroundings are what accounts and sinks are opened in.
type surroundings struct {
	environment
	metrics *metrics.Metrics
	warn    func(text string)
}

// openPorts opens what cfg names, taking over from old (which may be nil) what
// is configured alike, with its connections and logins. An error is a fault of
// the configuration; then nothing stays open that was not open before. What an
// account or a sink lacks besides is its own trouble.
func openPorts(ctx context.Context, cfg *config.Config, old *ports, in surroundings) (*ports, error) {
	if old == nil {
		old = &ports{cfg: &config.Config{}, logins: sinks.NewLogins()}
	}
	p := &ports{
		cfg: cfg.WithoutFleet(), accounts: map[string]*cf.Client{}, byName: map[string]*cf.Client{},
		tokens: readTokens(ctx, cfg.Accounts, in.Environment), budgets: map[string]*cf.Budget{},
		sinks: map[string]sinks.Sink{}, deferred: map[string]*sinks.Deferred{},
		logins: old.logins,
	}
	if err := p.openAccounts(old, in); err != nil {
		_ = p.closeBut(old)
		return nil, err
	}
	p.openSinks(old, in)
	p.blameTokens()
	p.settle(ctx, old, in)
	return p, nil
}

func (p *ports) openAccounts(old *ports, in surroundings) error {
	open := descriptorsFor(p.cfg)
	var errs []error
	for name, a := range p.cfg.Accounts {
		if key, _ := p.budgetKey(name); old.budgets[key] != nil && same(old.cfg.Accounts[name], a) {
			p.accounts[a.AccountID], p.byName[name], p.budgets[key] = old.accounts[a.AccountID], old.byName[name], old.budgets[key]
			continue
		}
		token := p.tokens[name].reader
		c, err := cf.New(cf.Options{
			Account: name, AccountID: a.AccountID, APIURL: a.APIURL, Budget: p.budget(name, old), Observer: in.metrics,
			Token: func() (secret.Value, error) { return token.read(context.Background(), tokenPatience) }, TokenHint: a.APIToken.Remedy(),
			Connections: open.connections,
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.accounts[a.AccountID], p.byName[name] = c, c
	}
	return errors.Join(errs...)
}

// budget gives the budget of an account's API token: accounts that use the same
// one share it, with the tightest limit that any of them names.
func (p *ports) budget(account string, old *ports) *cf.Budget {
	key, limit := p.budgetKey(account)
	if p.budgets[key] == nil {
		p.budgets[key] = old.budgets[key]
	}
	if p.budgets[key] == nil {
		p.budgets[key] = cf.NewBudget(limit.Requests, limit.Per, limit.Share)
	}
	return p.budgets[key]
}

func (p *ports) budgetKey(account string) (string, config.RateLimit) {
	token, limit := p.tokenKey(account), p.cfg.Accounts[account].RateLimit
	for name, other := range p.cfg.Accounts {
		if p.tokenKey(name) == token && pace(other.RateLimit) < pace(limit) {
			limit = other.RateLimit
		}
	}
	return fmt.Sprintf("%s %v", token, limit), limit
}

// pace is how many requests a second a limit allows.
func pace(l config.RateLimit) float64 { return float64(l.Requests) * l.Share / l.Per.Seconds() }

// tokenKey tells API tokens apart: by value while it can be read, so that the
// same token from two sources has one budget.
func (p *ports) tokenKey(account string) string {
	a := p.cfg.Accounts[account]
	if t := p.tokens[account]; t.err == nil {
		return a.APIURL + " " + t.fingerprint
	}
	return a.APIURL + " " + a.APIToken.String()
}

// tokenReader reads an API token, once for all who ask meanwhile: its file may lie
// on a file system that does not answer.
type tokenReader struct {
	name   string // of the source
	fetch  func() (secret.Value, error)
	flight singleflight.Group
}

func (r *tokenReader) read(ctx context.Context, patience time.Duration) (secret.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := r.flight.DoChan("", func() (any, error) { return r.fetch() })
	select {
	case a := <-done:
		v, _ := a.Val.(secret.Value)
		return v, a.Err
	case <-ctx.Done():
		return secret.Value{}, fmt.Errorf("read secret from %s: it does not answer", r.name)
	}
}

// apiToken is what came of reading an account's API token.
type apiToken struct {
	reader      *tokenReader
	fingerprint string
	err         error
}

// readTokens reads the API token of every account, side by side.
func readTokens(ctx context.Context, accounts map[string]*config.Account, env secret.Environment) map[string]*apiToken {
	out := map[string]*apiToken{}
	var wg sync.WaitGroup
	for name, a := range accounts {
		fetch := func() (secret.Value, error) { return a.APIToken.Read(env) }
		t := &apiToken{reader: &tokenReader{name: a.APIToken.String(), fetch: fetch}}
		out[name] = t
		wg.Go(func() {
			v, err := t.reader.read(ctx, openPatience)
			t.fingerprint, t.err = secret.Fingerprint(v), err
		})
	}
	wg.Wait()
	return out
}

const (
	// openPatience is how long a start or a reload waits for what does not answer.
	openPatience = 2 * time.Second
	// tokenPatience is how long a call to Cloudflare waits for its API token to be read.
	tokenPatience = 5 * time.Second
)

func (p *ports) openSinks(old *ports, in surroundings) {
	open := descriptorsFor(p.cfg)
	for name, spec := range p.cfg.Sinks {
		if p.keeps(name, old) {
			p.sinks[name], p.deferred[name] = old.sinks[name], old.deferred[name]
			continue
		}
		p.deferred[name] = sinks.Defer(spec, sinks.OpenOptions{
			Name: name, Logins: p.logins, Env: in.Environment, Withheld: in.withheld, Warn: in.warn,
			Connections: open.connections, Files: open.files,
		})
		p.sinks[name] = p.decorated(name, in)
	}
}

// keeps reports whether a sink of old is configured alike.
func (p *ports) keeps(sink string, old *ports) bool {
	before, ok := old.cfg.Sinks[sink]
	return ok && same(before, p.cfg.Sinks[sink])
}

func (p *ports) decorated(sink string, in surroundings) sinks.Sink {
	shared := p.cfg.Sinks[sink].Shared()
	return sinks.Decorate(sink, shared.Type, p.deferred[sink], shared.Timeout, in.metrics)
}

// trouble is what is amiss with an account or a sink, as things are.
type trouble struct {
	kind, name string // kind: account | sink
	works      bool   // with what was read before
	err        error
}

// settle waits a little for sinks that are being opened, has those of old read again
// what lies on disk, and lists what is amiss. A sink that has read something else is
// another one from now on for those who waited for the former.
func (p *ports) settle(ctx context.Context, old *ports, in surroundings) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	type outcome struct {
		trouble
		changed bool
	}
	found := make(chan outcome)
	for name, s := range p.deferred {
		go func() {
			o := outcome{trouble: trouble{kind: "sink", name: name}}
			if old.deferred[name] == s {
				o.changed, o.err = s.Refresh(ctx)
			}
			unopened := s.Opened(ctx)
			o.err, o.works = cmp.Or(o.err, unopened), unopened == nil
			found <- o
		}()
	}
	for range p.deferred {
		o := <-found
		if o.err != nil {
			o.err = sinks.Redacted(o.err) // the decorator has not seen it
			p.troubles = append(p.troubles, o.trouble)
		}
		if o.changed {
			p.sinks[o.name] = p.decorated(o.name, in)
		}
	}
	slices.SortFunc(p.troubles, func(a, b trouble) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
}

// blameTokens lists the accounts whose API token cannot be read.
func (p *ports) blameTokens() {
	for name, t := range p.tokens {
		if t.err == nil {
			continue
		}
		err := fault.Newf(fault.Retry, fault.Unauthorized, "set up", "account "+name, "%w", t.err).
			WithHint("%s", p.cfg.Accounts[name].APIToken.Remedy())
		p.troubles = append(p.troubles, trouble{kind: "account", name: name, err: err})
	}
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// closeBut closes what other does not use, all side by side: a store may take its time.
func (p *ports) closeBut(other *ports) error {
	var closing []func() error
	for name, s := range p.sinks {
		if other == nil || other.deferred[name] != p.deferred[name] {
			closing = append(closing, s.Close)
		}
	}
	for name, c := range p.byName {
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

// departures are the ports of former configurations, which steps in hand may still use.
// The zero value has none.
type departures struct {
	mu      sync.Mutex
	pending map[*ports]func() error
}

// closeAfter is longer than any step takes.
const closeAfter = 2 * time.Minute

// add closes, a while from now, what of former its successor does not use.
func (d *departures) add(former, successor *ports) {
	leave := sync.OnceValue(func() error { return former.closeBut(successor) })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending == nil {
		d.pending = map[*ports]func() error{}
	}
	d.pending[former] = leave
	time.AfterFunc(closeAfter, func() {
		_ = leave()
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.pending, former)
	})
}

// now returns what closes those that are not closed yet, for who waits no longer.
func (d *departures) now() []func() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.pending))
}
