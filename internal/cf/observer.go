package cf

import "time"

// Observer is told of every request, as it happens; metrics implement it. Its
// methods do not block, do not call back, and are safe for concurrent use.
type Observer interface {
	// Request reports one finished request. operation is create, list, revoke,
	// rotate, relay or verify; code is the HTTP status, or "error" when there was no answer.
	Request(account, operation, code string, took time.Duration)
	// RateLimitPolicy reports how many requests Cloudflare says it allows in its window.
	RateLimitPolicy(account string, limit int)
	// RateLimit reports how many requests Cloudflare says are left in its window.
	RateLimit(account string, remaining int)
	// Up reports whether an answer showed the account to be reachable and its credentials
	// to be accepted, if not for this call.
	Up(account string, up bool)
	// Blocked reports until when Cloudflare refuses all calls of the account's API
	// token; zero when it no longer does.
	Blocked(account string, until time.Time)
}

type unobserved struct{}

func (unobserved) Request(string, string, string, time.Duration) {}
func (unobserved) RateLimitPolicy(string, int)                   {}
func (unobserved) RateLimit(string, int)                         {}
func (unobserved) Up(string, bool)                               {}
func (unobserved) Blocked(string, time.Time)                     {}
