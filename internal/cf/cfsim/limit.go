package cfsim

import (
	"fmt"
	"net/http"
	"time"
)

const penalty = 5 * time.Minute // how long everything is refused after going over

// limiter is the quota of one API token, in fixed windows.
type limiter struct {
	quota        int // 0: none
	window       time.Duration
	used         int
	resets       time.Time
	blockedUntil time.Time
}

// SetQuota gives an API token a quota of requests per window; going over it blocks
// the token for five minutes. 0 takes the quota away.
func (s *Sim) SetQuota(apiToken string, requests int, window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bearers[apiToken]; b != nil {
		b.limit = limiter{quota: requests, window: window}
	}
}

// Spend uses up requests of an API token's quota, as another client of it would.
func (s *Sim) Spend(apiToken string, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bearers[apiToken]; b != nil {
		b.limit.dropOld(s.o.Now())
		b.limit.used += requests
	}
}

func (l *limiter) dropOld(now time.Time) {
	if !now.Before(l.resets) {
		l.used, l.resets = 0, now.Add(l.window)
	}
}

// countRequest counts one request and reports whether it is within the quota.
func (l *limiter) countRequest(now time.Time, h http.Header) bool {
	if l.quota <= 0 {
		return true
	}
	l.dropOld(now)
	l.used++
	if l.used > l.quota && !now.Before(l.blockedUntil) {
		l.blockedUntil = now.Add(penalty)
	}
	h.Set("Ratelimit", fmt.Sprintf(`"default";r=%d;t=%d`, max(0, l.quota-l.used), wholeSeconds(l.resets.Sub(now))))
	h.Set("Ratelimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, l.quota, wholeSeconds(l.window)))
	if now.Before(l.blockedUntil) {
		h.Set("Retry-After", fmt.Sprint(wholeSeconds(l.blockedUntil.Sub(now))))
		return false
	}
	return true
}

// wholeSeconds rounds up: nobody is told to come back too early.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
