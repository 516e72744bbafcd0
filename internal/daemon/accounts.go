package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
)

func (b *backends) openAccounts(old *backends, o opener) error {
	open := descriptorsFor(b.cfg)
	var errs []error
	for name, a := range b.cfg.Accounts {
		if key, _ := b.budgetKey(name); old.budgets[key] != nil && sameConfig(old.cfg.Accounts[name], a) {
			b.accounts[a.AccountID], b.byName[name] = old.accounts[a.AccountID], old.byName[name]
			b.budgets[key] = old.budgets[key]
			continue
		}
		token := b.tokens[name].reader
		c, err := cf.New(cf.Options{
			Account: name, AccountID: a.AccountID, APIURL: a.APIURL, Budget: b.budgetOf(name, old), Observer: o.metrics,
			Clock: b.clockOf(name, old), Warn: o.warn,
			Token:       func() (secret.Value, error) { return token.read(context.Background(), tokenPatience) },
			TokenHint:   a.APIToken.Remedy(),
			Connections: open.connections, MayAct: o.mayAct,
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		b.accounts[a.AccountID], b.byName[name] = c, c
	}
	return errors.Join(errs...)
}

// clockOf returns the clock of an account's answers: what they told of the time outlives a reload.
func (b *backends) clockOf(account string, old *backends) *cf.Clock {
	before := old.byName[account]
	if before != nil && old.cfg.Accounts[account].APIURL == b.cfg.Accounts[account].APIURL {
		return before.Clock()
	}
	return cf.NewClock(sinceBoot)
}

// budgetOf returns the budget of an account's API token: accounts that use the same
// one share it, with the tightest limit that any of them names.
func (b *backends) budgetOf(account string, old *backends) *cf.Budget {
	key, limit := b.budgetKey(account)
	if b.budgets[key] == nil {
		b.budgets[key] = old.budgets[key]
	}
	if b.budgets[key] == nil {
		b.budgets[key] = cf.NewBudget(limit.Requests, limit.Per, limit.Share)
	}
	return b.budgets[key]
}

func (b *backends) budgetKey(account string) (string, config.RateLimit) {
	token, limit := b.tokenKey(account), b.cfg.Accounts[account].RateLimit
	for name, other := range b.cfg.Accounts {
		if b.tokenKey(name) == token && requestsPerSecond(other.RateLimit) < requestsPerSecond(limit) {
			limit = other.RateLimit
		}
	}
	return fmt.Sprintf("%s %v", token, limit), limit
}

// requestsPerSecond is how many requests a second a limit allows.
func requestsPerSecond(l config.RateLimit) float64 {
	return float64(l.Requests) * l.Share / l.Per.Seconds()
}

// tokenKey tells API tokens apart: by value while it can be read, so that the
// same token from two sources has one budget.
func (b *backends) tokenKey(account string) string {
	a := b.cfg.Accounts[account]
	if t := b.tokens[account]; t.err == nil {
		return a.APIURL + " " + t.fingerprint
	}
	return a.APIURL + " " + a.APIToken.String()
}

// blameTokens lists the accounts whose API token cannot be read.
func (b *backends) blameTokens() {
	for name, t := range b.tokens {
		if t.err == nil {
			continue
		}
		err := fault.Newf(fault.Retry, fault.Unauthorized, "set up", "account "+name, "%w", t.err).
			WithHint("%s", b.cfg.Accounts[name].APIToken.Remedy())
		b.troubles = append(b.troubles, trouble{kind: "account", name: name, err: err})
	}
}

// eachAccountsWaiting visits how many calls of each account wait for their turn.
func (d *daemon) eachAccountsWaiting(visit func(account string, waiting int)) {
	b := d.backends.Load()
	if b == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(b.byName)) {
		visit(name, b.byName[name].Waiting())
	}
}
