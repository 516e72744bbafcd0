package vault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/singleflight"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

// session keeps one login for all users of a sink: it logs in when it is first
// needed, renews the token in the background, and logs in again when the token
// ends or is refused. It is safe for concurrent use.
type session struct {
	dial   func(token secret.Value) (*api.Client, error)
	part   func(token secret.Value) (*api.Client, error) // as dial; its calls outlive the session
	method chosen
	env    secret.Environment
	sink   string            // its name in the configuration
	place  string            // Vault's address and namespace
	logins *sinks.Logins     // what was refused, to this sink or another one
	known  sinks.Confidences // tokens, and what they were got for

	life   context.Context // ends with close
	end    context.CancelFunc
	flight singleflight.Group
	tasks  sync.WaitGroup

	mu     sync.Mutex
	held   *login          // nil: log in first
	owned  map[*login]bool // those to give back
	closed bool
}

// login is one token and the client that carries it.
type login struct {
	client   *api.Client
	token    secret.Value
	accessor string             // names the token without being one; "" when Vault did not tell
	drop     context.CancelFunc // ends the token's renewal

	users int  // calls under way with it
	over  bool // no more calls begin with it
}

func newSession(m chosen, place string, o sinks.OpenOptions, dial func(secret.Value) (*api.Client, error)) *session {
	s := &session{dial: dial, part: dial, owned: map[*login]bool{}, method: m, env: o.Env, place: place, sink: o.Name, logins: o.Logins, known: sinks.Confidences{Most: 16}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// withClient calls work with a client that is logged in. When Vault refuses and the
// token turns out to be dead, use logs in again, once, and repeats the work.
func (s *session) withClient(ctx context.Context, work func(context.Context, *api.Client) error) error {
	l, err := s.login(ctx)
	if err != nil {
		return err
	}
	err = s.callWith(ctx, l, work)
	gone := hasWords(err, invalidToken)
	if !hasStatus(err, 403) || !gone && !isDead(ctx, l.client) {
		return err
	}
	if gone {
		s.disownLogin(l)
	}
	s.forgetLogin(l)
	fresh, again := s.login(ctx)
	switch {
	case again != nil:
		return again
	case !fresh.token.Equal(l.token):
		return s.callWith(ctx, fresh, work)
	}
	s.forgetLogin(fresh)
	return deadTokenError(err)
}

// callWith calls work with l, which is not given back meanwhile.
func (s *session) callWith(ctx context.Context, l *login, work func(context.Context, *api.Client) error) error {
	s.mu.Lock()
	l.users++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.users--
		s.giveBackUnused(l)
	}()
	return work(ctx, l.client)
}

// invalidToken is how Vault says that it does not know a token; a refusal without it is about
// a permission, except in old releases.
const invalidToken = "invalid token"

// isDead reports whether Vault no longer knows the client's token. A token that
// may not look itself up counts as dead: a new one cannot be worse.
func isDead(ctx context.Context, c *api.Client) bool {
	_, err := c.Auth().Token().LookupSelfWithContext(ctx)
	return hasStatus(err, 403)
}

// deadTokenError says what it means that Vault refuses a token for which there is no
// other: it is dead, or it lacks a permission, that of looking itself up included.
func deadTokenError(err error) error {
	if !hasWords(err, invalidToken) {
		return err
	}
	return fault.Newf(fault.Permanent, fault.Unauthorized, opLogin, "with auth.token",
		"Vault refuses the token: it is expired, revoked, or of another Vault").
		WithHint("put a new token into the source that auth.token names")
}

// login returns the login that all share. The one who finds none logs in for all
// who wait; who gives up waiting leaves the others undisturbed.
func (s *session) login(ctx context.Context) (*login, error) {
	if l, err := s.usableWithin(ctx); l != nil || err != nil {
		return l, err
	}
	life, name := s.life, ""
	if sinks.IsUrgent(ctx) { // it may try where others may not
		life, name = sinks.Urgent(life), "urgent"
	}
	done := s.flight.DoChan(name, func() (any, error) {
		l, err := s.logInOnce(life)
		return l, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*login), nil
	}
}

// usableWithin is usableLogin for a caller who does not wait for a file longer than ctx: it may lie on
// a file system that does not answer. Who asks meanwhile waits for the same look.
func (s *session) usableWithin(ctx context.Context) (*login, error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held == nil {
		return nil, ctx.Err()
	}
	done := s.flight.DoChan(fmt.Sprintf("look %p", held), func() (any, error) { return s.usableLogin(), nil })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		return r.Val.(*login), ctx.Err()
	}
}

func (s *session) usableLogin() *login {
	s.mu.Lock()
	l := s.held
	s.mu.Unlock()
	if l == nil || s.method.current(l.token, s.env) {
		return l
	}
	s.forgetLogin(l)
	return nil
}

func (s *session) forgetLogin(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireLogin(l)
}

// disownLogin is for a token that there is no need to give back.
func (s *session) disownLogin(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owned, l)
}

// retireLogin has no more calls begin with l. s.mu is held.
func (s *session) retireLogin(l *login) {
	l.drop()
	l.over = true
	if s.held == l {
		s.held = nil
	}
	s.giveBackUnused(l)
}

// logInOnce logs in, unless that was refused a while ago or somebody else has done it meanwhile.
func (s *session) logInOnce(ctx context.Context) (l *login, err error) {
	shown, err := s.method.credential(s.env)
	if err != nil {
		return nil, loginFailed(s.method.key, err)
	}
	c := s.credential(shown)
	err = s.logins.Try(ctx, sinks.Login{
		Sink: s.sink, Credential: c,
		Renewed: func() bool { now, err := s.method.credential(s.env); return err == nil && s.credential(now) != c },
		Enter: func() (refused bool, err error) {
			if l = s.usableLogin(); l != nil {
				return false, nil
			}
			ctx, after := withRetryAfter(ctx)
			if l, err = s.open(ctx, shown); err != nil {
				return isRefusal(err), askedFor(loginFailed(s.method.key, err), after())
			}
			return false, nil
		},
	})
	return l, err
}

// credential names what is shown at a login.
func (s *session) credential(shown secret.Value) sinks.Credential {
	return sinks.Credential{Account: s.place + " " + s.method.account(shown), Digest: secret.Fingerprint(shown)}
}

func (s *session) open(ctx context.Context, shown secret.Value) (*login, error) {
	bare, err := s.dial(secret.Value{})
	if err != nil {
		return nil, err
	}
	s.known.Add(shown)
	answer, err := s.method.login(ctx, bare, shown)
	if err != nil {
		return nil, err
	}
	token, err := tokenOf(answer)
	if err != nil {
		return nil, err
	}
	s.known.Add(token)
	client, err := s.dial(token)
	if err != nil {
		return nil, err
	}
	life, drop := context.WithCancel(s.life)
	l := &login{client: client, token: token, accessor: answer.Auth.Accessor, drop: drop}
	s.holdLogin(l)
	s.startRenewal(life, l, answer.Auth)
	return l, nil
}

// holdLogin makes l the login of all, and one to give back if it is that.
func (s *session) holdLogin(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.method.logsIn() && !isBatch(l.token) {
		s.owned[l] = true
	}
	if s.held != nil {
		s.retireLogin(s.held)
	}
	s.held = l
	if s.closed {
		s.retireLogin(l)
	}
}

// isBatch reports whether a token is one that Vault keeps no record of, and cannot revoke.
func isBatch(token secret.Value) bool {
	return strings.HasPrefix(token.Reveal(), "hvb.") || strings.HasPrefix(token.Reveal(), "b.")
}

// giveBackUnused revokes a token that rotatord logged in for, once, when no call needs it any more. s.mu is held.
func (s *session) giveBackUnused(l *login) {
	if l.over && l.users == 0 && s.owned[l] {
		delete(s.owned, l)
		s.goWhileOpen(func() { s.giveBack(l) })
	}
}

// goWhileOpen starts a task that close waits for. s.mu is held.
func (s *session) goWhileOpen(task func()) {
	if s.closed { // nobody waits any more
		go task()
		return
	}
	s.tasks.Go(task)
}

// giveBackTime bounds how long a token that is given back holds up a stop.
const giveBackTime = 2 * time.Second

// giveBack has Vault forget l's token, which else lives until its time to live ends. It is not
// worth an error: Vault may be away, or the token gone already, or not allowed to do this.
func (s *session) giveBack(l *login) {
	client, err := s.part(l.token)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveBackTime)
	defer cancel()
	if self, err := client.Auth().Token().LookupSelfWithContext(ctx); err == nil && self != nil && isAnother(self.Data["accessor"], l.accessor) {
		return // what stands before Vault puts a token of its own in the place of ours: that one is not ours to end
	}
	_ = client.Auth().Token().RevokeSelfWithContext(ctx, "")
}

func isAnother(found any, accessor string) bool {
	f, told := found.(string)
	return told && f != "" && accessor != "" && f != accessor
}

// close ends renewal and every call under way, and gives back what was logged in for.
func (s *session) close() {
	s.end()
	s.mu.Lock()
	for l := range s.owned {
		s.tasks.Go(func() { s.giveBack(l) })
	}
	clear(s.owned)
	s.closed = true
	s.mu.Unlock()
	s.tasks.Wait()
}
