package vault

import (
	"context"
	"fmt"
	"sync"

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

	mu   sync.Mutex
	held *login // nil: log in first
}

// login is one token and the client that carries it.
type login struct {
	client *api.Client
	token  secret.Value
	drop   context.CancelFunc // ends the token's renewal
}

func newSession(m chosen, place string, o sinks.OpenOptions, dial func(secret.Value) (*api.Client, error)) *session {
	s := &session{dial: dial, method: m, env: o.Env, place: place, sink: o.Name, logins: o.Logins, known: sinks.Confidences{Most: 16}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// use calls work with a client that is logged in. When Vault refuses and the
// token turns out to be dead, use logs in again, once, and repeats the work.
func (s *session) use(ctx context.Context, work func(context.Context, *api.Client) error) error {
	l, err := s.login(ctx)
	if err != nil {
		return err
	}
	err = work(ctx, l.client)
	if !hasStatus(err, 403) || !says(err, invalidToken) && !isDead(ctx, l.client) {
		return err
	}
	s.forget(l)
	fresh, again := s.login(ctx)
	switch {
	case again != nil:
		return again
	case !fresh.token.Equal(l.token):
		return work(ctx, fresh.client)
	}
	s.forget(fresh)
	return refused(err)
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

// refused says what it means that Vault refuses a token for which there is no
// other: it is dead, or it lacks a permission, that of looking itself up included.
func refused(err error) error {
	if !says(err, invalidToken) {
		return err
	}
	return fault.Newf(fault.Permanent, fault.Unauthorized, opLogin, "with auth.token",
		"Vault refuses the token: it is expired, revoked, or of another Vault").
		WithHint("put a new token into the source that auth.token names")
}

// login gives the login that all share. The one who finds none logs in for all
// who wait; who gives up waiting leaves the others undisturbed.
func (s *session) login(ctx context.Context) (*login, error) {
	if l, err := s.looked(ctx); l != nil || err != nil {
		return l, err
	}
	life, name := s.life, ""
	if sinks.IsUrgent(ctx) { // it may try where others may not
		life, name = sinks.Urgent(life), "urgent"
	}
	done := s.flight.DoChan(name, func() (any, error) {
		l, err := s.admitted(life)
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

// looked is usable for a caller who does not wait for a file longer than ctx: it may lie on
// a file system that does not answer. Who asks meanwhile waits for the same look.
func (s *session) looked(ctx context.Context) (*login, error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held == nil {
		return nil, ctx.Err()
	}
	done := s.flight.DoChan(fmt.Sprintf("look %p", held), func() (any, error) { return s.usable(), nil })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		return r.Val.(*login), ctx.Err()
	}
}

func (s *session) usable() *login {
	s.mu.Lock()
	l := s.held
	s.mu.Unlock()
	if l == nil || s.method.current(l.token, s.env) {
		return l
	}
	s.forget(l)
	return nil
}

func (s *session) forget(l *login) {
	l.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == l {
		s.held = nil
	}
}

// admitted logs in, unless that was refused a while ago or somebody else has done it meanwhile.
func (s *session) admitted(ctx context.Context) (l *login, err error) {
	shown, err := s.method.credential(s.env)
	if err != nil {
		return nil, loginFailed(s.method.key, err)
	}
	c := s.credential(shown)
	err = s.logins.Try(ctx, sinks.Login{
		Sink: s.sink, Credential: c,
		Renewed: func() bool { now, err := s.method.credential(s.env); return err == nil && s.credential(now) != c },
		Enter: func() (refused bool, err error) {
			if l = s.usable(); l != nil {
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
	l := &login{client: client, token: token, drop: drop}
	s.hold(l)
	s.watch(life, l, answer)
	return l, nil
}

func (s *session) hold(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = l
}

// watch renews l's token until it cannot be renewed any longer, a little before
// its end, and then forgets it.
func (s *session) watch(life context.Context, l *login, answer *api.Secret) {
	if answer.Auth.LeaseDuration == 0 {
		return // it lives for ever
	}
	w, err := l.client.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: answer})
	if err != nil {
		return // it is used until Vault refuses it
	}
	s.tasks.Go(w.Start)
	s.tasks.Go(func() {
		defer w.Stop()
		select {
		case <-life.Done():
		case <-w.DoneCh(): //nolint:errcheck // whatever ended the renewal, a new login is due
			s.forget(l)
		}
	})
}

// close ends renewal and every call under way.
func (s *session) close() {
	s.end()
	s.tasks.Wait()
}
