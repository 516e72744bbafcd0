package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// ports are the open accounts and sinks of one configuration. They are
// immutable: a reload makes new ones, which keep what did not change.
type ports struct {
	cfg      *config.Config
	accounts map[string]*cf.Client // by account id
	byName   map[string]*cf.Client // by the account's key in the configuration
	budgets  map[string]*cf.Budget // by API token
	sinks    map[string]sinks.Sink // by key in the configuration
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

// openPorts opens what cfg names, taking over from old (which may be nil) what
// is configured alike, with its connections and logins. On an error nothing
// stays open that was not open before.
func openPorts(ctx context.Context, cfg *config.Config, old *ports, m *metrics.Metrics) (*ports, error) {
	if old == nil {
		old = &ports{cfg: &config.Config{}}
	}
	p := &ports{
		cfg: cfg.WithoutFleet(), accounts: map[string]*cf.Client{}, byName: map[string]*cf.Client{},
		budgets: map[string]*cf.Budget{}, sinks: map[string]sinks.Sink{},
	}
	if err := errors.Join(p.openAccounts(old, m), p.openSinks(ctx, old, m)); err != nil {
		_ = p.closeBut(old)
		return nil, err
	}
	return p, nil
}

func (p *ports) openAccounts(old *ports, m *metrics.Metrics) error {
	var errs []error
	for name, a := range p.cfg.Accounts {
		if key, _ := p.budgetKey(a); old.budgets[key] != nil && same(old.cfg.Accounts[name], a) {
			p.accounts[a.AccountID], p.byName[name], p.budgets[key] = old.accounts[a.AccountID], old.byName[name], old.budgets[key]
			continue
		}
		budget := p.budget(a, old)
		c, err := cf.New(cf.Options{
			Account: name, AccountID: a.AccountID, APIURL: a.APIURL, Token: a.APIToken.Read, Budget: budget, Observer: m,
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.accounts[a.AccountID], p.byName[name] = c, c
	}
	return errors.Join(errs...)
}

// budget gives the budget of an API token: accounts that use the same one share
// it, with the tightest limit that any of them names.
func (p *ports) budget(a *config.Account, old *ports) *cf.Budget {
	key, limit := p.budgetKey(a)
	if p.budgets[key] == nil {
		p.budgets[key] = old.budgets[key]
	}
	if p.budgets[key] == nil {
		p.budgets[key] = cf.NewBudget(limit.Requests, limit.Per, limit.Share)
	}
	return p.budgets[key]
}

func (p *ports) budgetKey(a *config.Account) (string, config.RateLimit) {
	token, limit := tokenKey(a), a.RateLimit
	for _, other := range p.cfg.Accounts {
		if tokenKey(other) == token && pace(other.RateLimit) < pace(limit) {
			limit = other.RateLimit
		}
	}
	return fmt.Sprintf("%s %v", token, limit), limit
}

// pace is how many requests a second a limit allows.
func pace(l config.RateLimit) float64 { return float64(l.Requests) * l.Share / l.Per.Seconds() }

// tokenKey tells API tokens apart: by value while it can be read, so that the
// same token from two sources has one budget.
func tokenKey(a *config.Account) string {
	if v, err := a.APIToken.Read(); err == nil {
		return a.APIURL + " " + secret.Fingerprint(v)
	}
	return a.APIURL + " " + a.APIToken.String()
}

func (p *ports) openSinks(ctx context.Context, old *ports, m *metrics.Metrics) error {
	var errs []error
	for name, spec := range p.cfg.Sinks {
		if before, ok := old.cfg.Sinks[name]; ok && same(before, spec) {
			p.sinks[name] = old.sinks[name]
			continue
		}
		s, err := spec.Open(ctx, sinks.OpenOptions{Name: name})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		shared := spec.Shared()
		p.sinks[name] = sinks.Decorate(name, shared.Type, s, shared.Timeout, m)
	}
	return errors.Join(errs...)
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// closeBut closes what other does not use.
func (p *ports) closeBut(other *ports) error {
	var errs []error
	for name, s := range p.sinks {
		if other == nil || other.sinks[name] != s {
			errs = append(errs, s.Close())
		}
	}
	for name, c := range p.byName {
		if other == nil || other.byName[name] != c {
			c.Close()
		}
	}
	return errors.Join(errs...)
}
