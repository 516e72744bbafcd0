package vault

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/secret"
)

const opLogin = "log in to Vault"

// answered is an error that Vault answered with: its status and its own words.
type answered struct {
	status int
	call   string // "PUT secret/data/moq/live-main"
	words  string
}

// Error implements error.
func (a *answered) Error() string { return fmt.Sprintf("%s answers %d: %s", a.call, a.status, a.words) }

func hasStatus(err error, status int) bool {
	var r *api.ResponseError
	return errors.As(err, &r) && r.StatusCode == status
}

func isConflict(err error) bool {
	return hasStatus(err, 400) && hasWords(err, "did not match the current version")
}

// demandsCAS reports whether a write was refused because it compares no version.
func demandsCAS(err error) bool {
	return hasStatus(err, 400) && hasWords(err, "check-and-set parameter required")
}

// hasWords reports whether words are in one of the errors that Vault answered with.
func hasWords(err error, words string) bool {
	r, ok := errors.AsType[*api.ResponseError](err)
	return ok && slices.ContainsFunc(r.Errors, func(s string) bool { return strings.Contains(s, words) })
}

func newAnswered(r *api.ResponseError) *answered {
	call := r.URL
	if u, err := url.Parse(r.URL); err == nil {
		_, call, _ = strings.Cut(u.Path, "/v1/")
	}
	return &answered{status: r.StatusCode, call: r.HTTPMethod + " " + call, words: wordsOf(r)}
}

// wordsOf returns Vault's own list of errors on one line. An answer that is not
// Vault's JSON is not shown: a proxy's page may echo what it was sent.
func wordsOf(r *api.ResponseError) string {
	switch {
	case r.RawError && slices.ContainsFunc(r.Errors, redact.IsPage):
		return redact.Page + ", not an answer of Vault's: look at the proxy or load balancer in front of it"
	case r.RawError:
		return "not an answer of Vault's: look at the proxy or load balancer in front of it"
	case len(r.Errors) == 0:
		return "no reason is given"
	}
	return redact.Folded(strings.Join(r.Errors, "; "))
}

// toFault returns err as a *fault.Error about op on object, in Vault's own words.
func toFault(op, object string, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		if f.Op == "" {
			f.Op, f.Object = op, object
		}
		return f
	}
	if r, ok := errors.AsType[*api.ResponseError](err); ok {
		m, _ := answers.Find(r)
		return m.Error(op, object, newAnswered(r))
	}
	m, _ := silences.Find(err)
	return m.Error(op, object, err)
}

// isRefusal reports whether Vault itself turned a login down.
func isRefusal(err error) bool {
	if r, ok := errors.AsType[*api.ResponseError](err); ok {
		return turnsDown(r)
	}
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Reason == fault.Unauthorized // a second factor is demanded
}

// loginFailed returns err as that of a login.
func loginFailed(method string, err error) error {
	if method == "token" && hasWords(err, invalidToken) {
		return deadTokenError(err)
	}
	object := "with auth." + method
	if own, ok := errors.AsType[*fault.Error](err); ok {
		own.Op, own.Object = opLogin, object
		return own
	}
	if r, ok := errors.AsType[*api.ResponseError](err); ok {
		if m, other := loginAnswers.Find(r); other {
			return m.Error(opLogin, object, newAnswered(r))
		}
	}
	return toFault(opLogin, object, err)
}

func badAnswer(what string) error {
	return fault.Newf(fault.Retry, fault.BadAnswer, "", "", "Vault answers with %s", what)
}

// openingError says which sink cannot be opened; class and reason are for sinks.Deferred to say.
func openingError(name string, err error) error {
	f := &fault.Error{Class: fault.Permanent, Reason: fault.Invalid, Err: err}
	var g *fault.Error
	if errors.As(err, &g) {
		f = g
	}
	f.Op, f.Object = "open sink", name
	return f
}

// addAdvice adds to f what only this sink knows: the policy that is needed, and why
// Vault is not available.
func (s *sink) addAdvice(ctx context.Context, f *fault.Error, target string) {
	a, ok := errors.AsType[*answered](f)
	switch {
	case ok && a.status == 503 && s.isBlank(ctx):
		f.Err, f.Hint = errors.New("Vault is not initialised"), "initialise it: vault operator init"
	case f.Reason == fault.Forbidden && f.Op != opLogin:
		f.Hint = "give the token's policy: " + s.policyFor(target)
	}
}

// policyFor is what a policy must grant for target, ready to paste.
func (s *sink) policyFor(target string) string {
	data, _ := s.engine.paths(target)
	return fmt.Sprintf(`path %q { capabilities = ["create", "read", "update"] }`, data)
}

// isBlank reports whether Vault was never initialised; it then calls itself sealed.
func (s *sink) isBlank(ctx context.Context) bool {
	c, err := s.session.dial(secret.Value{})
	if err != nil {
		return false
	}
	status, err := c.Sys().SealStatusWithContext(ctx)
	return err == nil && !status.Initialized
}
