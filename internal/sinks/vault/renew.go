package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// A token is renewed when two thirds of its time to live are gone, and given up, for a new login, when a
// tenth is left; one that was given, at its end. A renewal that fails is tried again after a third of what remains until then, but
// never sooner than after a second: Vault's own LifetimeWatcher does not pause when the time is short.
const (
	renewAfter = 2.0 / 3
	renewUntil = 9.0 / 10
	renewRetry = 1.0 / 3
	renewPause = time.Second
)

// leaseMost is the longest lease, in seconds, that is believed: ten years. A longer one does not fit a duration.
const leaseMost = 10 * 365 * 24 * 3600

// lease is how long a token lives.
type lease struct {
	from      time.Time
	ttl       time.Duration
	renewable bool
	jitter    float64 // so that logins that began together are not renewed together
}

func newLease(auth *api.SecretAuth) *lease {
	return &lease{
		from: time.Now(), ttl: time.Duration(min(auth.LeaseDuration, leaseMost)) * time.Second, renewable: auth.Renewable,
		jitter: 1 - rand.Float64()/10, //nolint:gosec // no secret
	}
}

// timeAtShare returns when a share of the time to live will be gone.
func (l *lease) timeAtShare(share float64) time.Time {
	return l.from.Add(time.Duration(share * l.jitter * float64(l.ttl)))
}

// startRenewal renews l's token until it cannot be renewed any longer, a little before
// its end, and then forgets it.
func (s *session) startRenewal(life context.Context, l *login, auth *api.SecretAuth) {
	if auth.LeaseDuration <= 0 {
		return // it lives for ever
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client := l.client
	s.goWhileOpen(func() {
		if s.keepRenewing(life, client, newLease(auth)) {
			s.forgetLogin(l)
		}
	})
}

// keepRenewing renews a token until a new login is due, and reports whether one is: else life ended before.
func (s *session) keepRenewing(life context.Context, c *api.Client, now *lease) bool {
	next := now.timeAtShare(renewAfter)
	for now.renewable && next.Before(s.givesUp(now)) {
		if !sleepUntil(life, next) {
			return false
		}
		ctx, after := withRetryAfter(life)
		answer, err := c.Auth().Token().RenewSelfWithContext(ctx, 0)
		switch {
		case err == nil && answer != nil && answer.Auth != nil:
			now.takeRenewal(answer.Auth)
			next = now.timeAtShare(renewAfter)
		case isFinal(err):
			now.renewable = false
		default:
			rest := time.Duration(renewRetry * float64(time.Until(s.givesUp(now))))
			next = time.Now().Add(max(rest, renewPause, after()))
		}
	}
	return sleepUntil(life, s.givesUp(now))
}

// givesUp is when a token is given up for a new login: at its very end where there is none to be had.
func (s *session) givesUp(l *lease) time.Time {
	if s.method.logsIn() {
		return l.timeAtShare(renewUntil)
	}
	return l.from.Add(l.ttl)
}

// takeRenewal takes over what a renewal came to. One that has not moved the end is the last: the token has
// reached its maximum.
func (l *lease) takeRenewal(auth *api.SecretAuth) {
	next := newLease(auth)
	switch end := l.from.Add(l.ttl); {
	case next.from.Add(next.ttl).After(end.Add(renewPause)):
		*l = *next
	case next.from.Add(next.ttl).Before(end):
		*l = *next
		l.renewable = false
	default:
		l.renewable = false
	}
}

// isFinal reports whether Vault says that it will not renew the token.
func isFinal(err error) bool {
	r, ok := errors.AsType[*api.ResponseError](err)
	return ok && !r.RawError && (r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusForbidden)
}

// sleepUntil reports false when life ended before.
func sleepUntil(life context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return life.Err() == nil
	case <-life.Done():
		return false
	}
}
