package sinks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/limit"
)

// Stores defend themselves against guessing. Vault locks an AppRole role, for
// everybody who uses it, at the fifth refused login in a run, for 15 minutes; a run
// ends with a login that succeeds, or 15 minutes after its last refusal, and not
// 15 minutes after its first. So a steady pace is no way out, however slow, unless
// its pauses are longer than that: hence the burst of three and the quiet after it.
// Others who use the role are refused as well now and then: two of the five are
// left to them and to a person who asks for a try.
const (
	loginPause   = 5 * time.Minute  // between tries of a credential: three in 15 minutes
	loginQuiet   = 16 * time.Minute // after the third: the store's count begins anew
	loginBurst   = 3
	loginsBefore = 4 // in a run, whoever asks: the next could lock the account
	loginsKept   = 256
)

// Logins remembers which credentials a store refused, so that each of a fleet's
// slots need not be refused anew. All sinks of a process share one, which outlives
// them. It is safe for concurrent use; a nil one remembers nothing.
//
// A refused credential is tried again after 5 minutes, three times at most, and
// then every 16 minutes; for a slot in blackout (Urgent) never later than 5 minutes
// after its last try, which may end in a lock-out: its consumers are locked out
// already. Another secret is another credential and tried at once.
type Logins struct {
	turns *limit.Keyed // one login of an account at a time: side by side, all would be refused

	mu       sync.Mutex
	refused  map[Credential]*refusal
	accounts map[string]*account
}

// NewLogins returns a Logins that remembers nothing yet.
func NewLogins() *Logins {
	return &Logins{turns: limit.NewKeyed(), refused: map[Credential]*refusal{}, accounts: map[string]*account{}}
}

// Credential is what a sink shows a store to be let in. Its parts are only compared.
type Credential struct {
	Account string // where and as whom: what the store counts refusals of
	Digest  string // of the secret that is shown
}

// Login is one attempt of a sink to be let in.
type Login struct {
	Sink       string // the sink's key in the configuration
	Credential Credential
	// Renewed reports whether the sink would show another secret by now; nil if it cannot tell.
	Renewed func() bool
	// Enter shows the credential to the store. refused says that the store itself turned it down.
	Enter func() (refused bool, err error)
}

// refusal is what is remembered of a credential that was turned down.
type refusal struct {
	why         fault.Error
	since, last time.Time
	tries       int
	asked       bool                   // a person wants one more try now
	sinks       map[string]func() bool // who was refused, and whether its secret was renewed
}

// account is what a store counts refusals of.
type account struct {
	run  int       // refusals without a success or a quiet time between them
	last time.Time // the latest of them
}

// Try calls a.Enter, unless its credential was refused and is not to be tried yet:
// then it returns that refusal, with the time of the next try in After.
func (l *Logins) Try(ctx context.Context, a Login) error {
	if l == nil {
		_, err := a.Enter()
		return err
	}
	if err := l.rememberedRefusal(ctx, a); err != nil {
		return err
	}
	leave, err := l.turns.Enter(ctx, a.Credential.Account)
	if err != nil {
		return err
	}
	defer leave()
	if err := l.rememberedRefusal(ctx, a); err != nil { // it was the one before that was refused
		return err
	}
	refused, err := a.Enter()
	switch {
	case refused:
		return l.noteRefusal(ctx, a, err)
	case err == nil:
		l.forgetRefusal(a.Credential)
	}
	return err
}

// AllowOnce lets each refused credential be tried once now, because a person has
// acted, and returns the sinks that were refused.
func (l *Logins) AllowOnce() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]bool{}
	for _, r := range l.refused {
		r.asked = true
		for sink := range r.sinks {
			out[sink] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// Renewed returns the sinks that were refused and would show another secret by now,
// each once.
func (l *Logins) Renewed() []string {
	out := map[string]bool{}
	for c, sinks := range l.renewalChecks() {
		for sink, renewed := range sinks {
			if renewed() { // it may read a file: not under the lock
				out[sink] = true
				l.forgetSink(c, sink)
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// renewalChecks returns, by credential, the sinks that can tell whether theirs was renewed.
func (l *Logins) renewalChecks() map[Credential]map[string]func() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[Credential]map[string]func() bool{}
	for c, r := range l.refused {
		out[c] = maps.Clone(r.sinks)
		maps.DeleteFunc(out[c], func(_ string, renewed func() bool) bool { return renewed == nil })
	}
	return out
}

// forgetSink no longer counts sink among those that were refused with c.
func (l *Logins) forgetSink(c Credential, sink string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.refused[c]; r != nil {
		delete(r.sinks, sink)
	}
}

// rememberedRefusal returns the refusal of a's credential until the next try is due.
func (l *Logins) rememberedRefusal(ctx context.Context, a Login) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.refused[a.Credential]
	if r == nil {
		return nil
	}
	now := time.Now()
	due := l.nextTry(ctx, a.Credential.Account, r)
	if !due.After(now) {
		return nil
	}
	r.sinks[a.Sink] = a.Renewed
	return r.rememberedError(due, now)
}

// rememberedError says that the refusal is remembered, since when and until when.
func (r *refusal) rememberedError(due, now time.Time) error {
	f := r.why
	f.After = due.Sub(now)
	f.Err = fmt.Errorf("%w; this answer is remembered: %s since %s, tried again at %s",
		r.why.Err, countRefusals(r.tries), formatTime(r.since), formatTime(due))
	f.Hint = strings.TrimPrefix(r.why.Hint+"; "+retryHint, "; ")
	return &f
}

// retryHint says what makes a try come sooner.
const retryHint = "another secret in its source is tried at once; `rotatord reload` or `rotatord rotate` " +
	"try the same once more, unless that could lock the account"

// nextTry returns when a refused credential may be tried again; l.mu is held.
func (l *Logins) nextTry(ctx context.Context, name string, r *refusal) time.Time {
	run, latest := 0, r.last
	if a := l.accounts[name]; a != nil {
		run, latest = a.run, a.last
	}
	soon, quiet := r.last.Add(loginPause), latest.Add(loginQuiet)
	switch {
	case r.asked && run < loginsBefore:
		return r.last
	case IsUrgent(ctx), r.tries < loginBurst && run < loginBurst:
		return soon
	}
	return quiet
}

// noteRefusal remembers that a's credential was turned down.
func (l *Logins) noteRefusal(ctx context.Context, a Login, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.dropQuiet(now)
	at := l.accounts[a.Credential.Account]
	if at == nil {
		at = &account{}
		l.accounts[a.Credential.Account] = at
	}
	at.run, at.last = at.run+1, now
	r := l.refused[a.Credential]
	if r == nil {
		r = &refusal{since: now, sinks: map[string]func() bool{}}
		l.refused[a.Credential] = r
	}
	r.why, r.last, r.asked = *fault.Of(err), now, false
	r.tries++
	r.sinks[a.Sink] = a.Renewed
	l.dropOldest()
	f := r.why
	f.After = l.nextTry(ctx, a.Credential.Account, r).Sub(now)
	return &f
}

// forgetRefusal takes c as good: the store counts anew, too.
func (l *Logins) forgetRefusal(c Credential) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.refused, c)
	delete(l.accounts, c.Account)
}

// dropQuiet forgets the accounts that no store can still be counting; l.mu is held.
func (l *Logins) dropQuiet(now time.Time) {
	maps.DeleteFunc(l.accounts, func(_ string, a *account) bool { return now.Sub(a.last) >= loginQuiet })
}

// dropOldest keeps what is remembered within bounds; l.mu is held.
func (l *Logins) dropOldest() {
	if len(l.refused) <= loginsKept {
		return
	}
	var oldest Credential
	for c, r := range l.refused {
		if o := l.refused[oldest]; o == nil || r.last.Before(o.last) {
			oldest = c
		}
	}
	delete(l.refused, oldest)
}

func countRefusals(n int) string {
	if n == 1 {
		return "refused once"
	}
	return fmt.Sprintf("refused %d times", n)
}

type urgencyKey struct{}

// Urgent marks the calls made under the returned context as those of a slot whose
// consumers are locked out meanwhile.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgencyKey{}, true) }

// IsUrgent reports whether ctx is of a call that Urgent marked.
func IsUrgent(ctx context.Context) bool { return ctx.Value(urgencyKey{}) != nil }
