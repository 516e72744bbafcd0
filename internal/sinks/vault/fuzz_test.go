package vault

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/transport"
)

// What a Vault answers in turn, and what it had better not: to a login, to a look at the mount, to reads and writes.
func seedLies(f *testing.F) {
	const self, mount = `{"data":{"ttl":3600,"renewable":true}}`, `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`
	const held, put = `{"data":{"data":{"token":"x"},"metadata":{"version":3}}}`, `{"data":{"version":4}}`
	const login = `{"auth":{"client_token":"hvs.x","accessor":"a","lease_duration":3600,"renewable":true}}`
	for i, answers := range [][]string{
		{self, mount, held, put}, {login, mount, held, put, self}, {self, held, put}, {login, held, mount, put}, {self, mount, `{"data":null}`}, {""}, {"null"}, {"[]"}, {"{"}, {"<html>"},
		{`{"errors":[]}`}, {`{"errors":["permission denied"]}`}, {`{"errors":["invalid token"]}`}, {`{"errors":["check-and-set parameter required"]}`},
		{self, mount, held, `{"errors":["check-and-set parameter did not match the current version"]}`}, {`{"errors":[null,7,{}]}`}, {`{"errors":"no"}`},
		{`{"data":{"ttl":1e99,"renewable":"yes"}}`}, {`{"data":{"ttl":-1,"renewable":[]}}`}, {`{"data":{"ttl":9223372036854775807}}`}, {`{"data":{"ttl":"99999999h"}}`},
		{`{"auth":null}`}, {`{"auth":{"client_token":7}}`}, {`{"auth":{"client_token":"\u001b[2J\n"}}`}, {`{"auth":{"client_token":"a","lease_duration":-1}}`},
		{`{"auth":{"client_token":"a","mfa_requirement":{"mfa_request_id":"x","mfa_constraints":null}}}`}, {`{"auth":{"client_token":"a","lease_duration":9223372036854775807,"renewable":true}}`},
		{`{"wrap_info":{"token":"x","ttl":1}}`}, {self, `{"data":{"type":7,"path":"../../","options":[]}}`}, {self, `{"data":{"type":"\u001b[31m","path":"s","options":{"version":"9"}}}`},
		{self, mount, `{"data":{"data":[],"metadata":{"version":1e300}}}`}, {self, mount, `{"data":{"data":{"token":` + strings.Repeat("[", 2000)},
		{self, mount, `{"data":{"data":{"token":"7f3a9c=.sig_-nature"},"metadata":{"version":"3"}}}`}, {self, mount, `{"data":{"data":{"a":1,"a":2},"metadata":{"version":-1}}}`},
		{`{"errors":["7f3a9c=.sig_-nature \u001b[2J\u202e"]}`}, {`{"data":{"capabilities":["deny"]}}`}, {`{"data":{"keys":{}}}`},
	} {
		for _, status := range []uint16{200, 204, 302, 307, 400, 403, 404, 412, 429, 473, 500, 503} {
			f.Add(status-200, uint8(i), uint8(status+uint16(i)*7), "", []byte(strings.Join(answers, "\x1e")))
		}
	}
	f.Add(uint16(229), uint8(0), uint8(1), "99999999999999999999", []byte(self))
	f.Add(uint16(303), uint8(1), uint8(2), "Fri, 31 Dec 9999 23:59:59 GMT", []byte(self))
}

// FuzzAnswers: nothing that answers for Vault makes rotatord panic, go on for ever, or say what is unfit to be shown.
func FuzzAnswers(f *testing.F) {
	seedLies(f)
	o := sinks.OpenOptions{Name: "v", Env: secret.NewEnvironment([]string{"CREDENTIAL=hvs.7f3a9c-credential"})}
	clients := map[uint8]*loggedIn{}
	f.Fuzz(func(t *testing.T, status uint16, call, kind uint8, retryAfter string, text []byte) {
		c, lies := lyingConfig(kind), sinktest.Lie(status, retryAfter, text)
		o.Logins = sinks.NewLogins()
		s, err := c.sinkOver(lies, c.Auth.chosenMethods()[0], o)
		if err != nil {
			t.Fatal(err)
		}
		s.transport = transport.New(transport.Options{})
		if kind < logsIn {
			if clients[kind] == nil {
				clients[kind] = newLoggedIn(t, s)
			}
			clients[kind].lend(s, lies)
		}
		defer s.Close()
		sinktest.CallLying(t, sinks.Decorate("v", Type, s, 0, nil), "moq/live/subscribe", call)
	})
}

// logsIn is the first of the kinds that log in; the others have.
const logsIn = 192

// loggedIn is a client for many sinks, one after the other: to make one takes longer than its calls.
type loggedIn struct {
	lies   *sinktest.Lies
	client *api.Client
}

func newLoggedIn(t *testing.T, s *sink) *loggedIn {
	l := &loggedIn{}
	redirects := &transport.Redirects{Next: l, Allow: s.config.refuseRedirect, Hint: redirectHint}
	at := endpoint{address: s.config.Address, http: &http.Client{Transport: tied{redirects, context.Background()}}}
	var err error
	if l.client, err = at.newClient(secret.New("hvs.7f3a9c-credential")); err != nil {
		t.Fatal(err)
	}
	return l
}

// RoundTrip implements http.RoundTripper.
func (l *loggedIn) RoundTrip(r *http.Request) (*http.Response, error) { return l.lies.RoundTrip(r) }

func (l *loggedIn) lend(s *sink, lies *sinktest.Lies) {
	l.lies = lies
	s.session.held = &login{client: l.client, token: secret.New("hvs.7f3a9c-credential"), drop: func() {}}
}

// lyingConfig is one of the ways to use Vault.
func lyingConfig(kind uint8) *Config {
	c := NewConfig()
	c.Address = "https://vault.example"
	shown := secret.Source{Env: "CREDENTIAL"}
	switch kind % 3 {
	case 0:
		c.Auth.Token = &shown
	case 1:
		c.Auth.AppRole = &AppRole{RoleID: "role", SecretID: shown}
	case 2:
		c.Auth.JWT = &JWT{Role: "role", Token: shown}
	}
	if kind&4 != 0 {
		c.WriteMode = Merge
	}
	if kind&8 != 0 {
		c.KVVersion = 1
	}
	c.CAS = kind&16 == 0
	return c
}
