package vault

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/transport"
)

// endpoint is where and how Vault is reached.
type endpoint struct {
	address   string
	namespace string
	http      *http.Client
}

// withEnvironment returns c with what the environment adds to it: only without an
// address, as the configuration's documentation says.
func (c *Config) withEnvironment(env secret.Environment) (*Config, error) {
	r := *c
	if r.Address == "" {
		r.Address = env.Get(api.EnvVaultAddress)
		r.Namespace = cmp.Or(r.Namespace, env.Get(api.EnvVaultNamespace))
		r.CAFile = cmp.Or(r.CAFile, env.Get(api.EnvVaultCACert))
	}
	if r.Address == "" {
		return nil, fault.Newf(fault.Permanent, fault.Invalid, "", "", "no address is known").
			WithHint("give the sink an address, or set VAULT_ADDR and start rotatord anew")
	}
	if p := r.addressDiagnostics(r.Address); len(p) > 0 {
		from, hint := "address", p[0].Hint
		if c.Address == "" {
			from, hint = api.EnvVaultAddress, hint+"; the environment is read once, at start"
		}
		return nil, fault.Newf(fault.Permanent, fault.Invalid, "", "", "%s: %s", from, p[0].Text).WithHint("%s", hint)
	}
	return &r, nil
}

// maxConnections bounds the connections of one sink: as many calls as a fleet makes side by side.
const maxConnections = 64

func (c *Config) newTransport(o sinks.OpenOptions) (*transport.Transport, error) {
	connections := cmp.Or(o.Connections, maxConnections)
	if len(c.RedirectHosts) > 0 {
		connections = max(1, connections/2) // each host has so many
	}
	return transport.WithAuthorities(transport.Options{
		TLS: c.tlsConfig(), Patience: c.Timeout, Connections: min(connections, maxConnections),
		MayAct: o.MayAct, Free: c.isOfLogin,
	}, c.CAFile)
}

// isOfLogin reports whether a request is about this process's own token: who may not act any more keeps it, or gives it
// back.
func (c *Config) isOfLogin(r *http.Request) bool {
	u, err := url.Parse(c.Address)
	return err == nil && strings.HasPrefix(r.URL.Path, strings.TrimRight(u.Path, "/")+"/v1/auth/")
}

func (c *Config) tlsConfig() *tls.Config {
	if c.Auth.Cert == nil {
		return nil
	}
	shown := &certificate{Cert: *c.Auth.Cert}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: shown.read}
}

// certificate is what is shown in a handshake: what the files hold then, or, while they
// are half written, what they held before.
type certificate struct {
	Cert
	last atomic.Pointer[tls.Certificate]
}

func (c *certificate) read(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err == nil {
		c.last.Store(&pair)
		return &pair, nil
	}
	if last := c.last.Load(); last != nil {
		return last, nil
	}
	return nil, err
}

// newClient makes a client with token. NewClient reads VAULT_* of the process, whatever
// its configuration says; main has taken them out of there.
func (e endpoint) newClient(token secret.Value) (*api.Client, error) {
	config := &api.Config{
		Address: e.address, HttpClient: e.http, MaxRetries: 0, ReadYourWrites: true,
		DisableRedirects: true, // it would follow one to anywhere
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	c.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if e.namespace != "" {
		c.SetNamespace(e.namespace)
	}
	c.SetToken(token.Reveal())
	return c, nil
}

// tied is a RoundTripper whose calls end, at the latest, with life: the renewal
// of a token takes no context of its own.
type tied struct {
	next http.RoundTripper
	life context.Context
}

// CloseIdleConnections does so for the RoundTripper below.
func (t tied) CloseIdleConnections() { transport.CloseIdle(t.next) }

// RoundTrip implements http.RoundTripper.
func (t tied) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(t.life, cancel)
	done := func() { stop(); cancel() }
	answer, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	noteRetryAfter(r.Context(), answer)
	answer.Body = &tiedBody{ReadCloser: answer.Body, done: done}
	return answer, nil
}

type tiedBody struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (b *tiedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

type retryAfterKey struct{}

// withRetryAfter makes room in a context for the Retry-After of the calls made
// under it, which Vault's client does not hand out.
func withRetryAfter(ctx context.Context) (_ context.Context, after func() time.Duration) {
	asked := new(atomic.Int64)
	return context.WithValue(ctx, retryAfterKey{}, asked), func() time.Duration { return time.Duration(asked.Load()) }
}

// askedFor adds to an error how long its answer asks to be left alone.
func askedFor(err error, after time.Duration) error {
	f := *fault.Of(err) // another may hold it too
	f.After = max(f.After, after)
	return &f
}

func noteRetryAfter(ctx context.Context, answer *http.Response) {
	asked, ok := ctx.Value(retryAfterKey{}).(*atomic.Int64)
	if d, said := fault.RetryAfter(answer.Header, time.Now()); ok && said && d > 0 {
		asked.Store(int64(d))
	}
}
