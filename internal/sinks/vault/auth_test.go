package vault

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
)

// ttl is what Vault gives each token of these tests: short, so that a token
// which nobody renews dies while the test looks on.
const ttl = 3 * time.Second

// Each setup enables an auth method at a mount of its own, with a role that
// gives the fixture's policy for ttl, and configures the sink for it.
var methods = map[string]func(t *testing.T, f *fixture, mount string){
	"approle":    useAppRole,
	"kubernetes": useKubernetes,
	"jwt":        useJWT,
	"cert":       useCert,
}

func TestLogin(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	for name, setup := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, server, nil)
			enable(t, f, name, name+"-x", setup)

			t.Run("logs in and writes", func(t *testing.T) {
				s, target := f.open(t), f.target()
				if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
					t.Fatalf("Probe: %v", err)
				}
				mustWrite(t, s, target, 1)
			})
			t.Run("logs in again after its token was revoked", func(t *testing.T) {
				s, target := f.open(t), f.target()
				mustWrite(t, s, target, 1)
				old := heldToken(t, s)
				revoke(t, server, old)
				mustWrite(t, s, target, 2)
				if heldToken(t, s).Equal(old) {
					t.Error("the sink still holds the revoked token")
				}
			})
			t.Run("says plainly that the login is refused, without the credential", func(t *testing.T) {
				server.Write(t, "sys/auth/"+name+"-wrong", map[string]any{"type": name})
				s := f.open(t)
				pointElsewhere(s, name+"-wrong")
				_, err := s.Probe(t.Context(), f.target(), sinks.ProbeOptions{Read: true})
				wantFault(t, err, fault.Permanent, fault.Unauthorized, "log in to Vault with auth."+name)
				pointElsewhere(s, "nowhere")
				_, err = s.Probe(t.Context(), f.target(), sinks.ProbeOptions{Read: true})
				wantFault(t, err, fault.Permanent, fault.Unauthorized, "auth/nowhere/login", "its mount")
				sinktest.NoLeak(t, err, credential(t, f.config.Auth))
			})
			t.Run("renews its token beyond its first life", func(t *testing.T) {
				outlivesTTL(t, f)
			})
		})
	}
}

func outlivesTTL(t *testing.T, f *fixture) {
	t.Helper()
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	token := heldToken(t, s)
	vaulttest.Eventually(t, 5*ttl, func() error { return renewedAfterFirstLife(f.server.Client(t), token) })
	mustWrite(t, s, target, 2)
	if !heldToken(t, s).Equal(token) {
		t.Error("the sink had to log in again: its token was not renewed")
	}
}

// renewedAfterFirstLife is nil when Vault says that the token was renewed at a
// time at which it would have been dead, had it not been renewed before.
func renewedAfterFirstLife(c *api.Client, token secret.Value) error {
	found, err := c.Auth().Token().Lookup(token.Reveal())
	if err != nil {
		return err
	}
	born, errBorn := found.Data["creation_time"].(json.Number).Int64()
	last, ok := found.Data["last_renewal_time"].(json.Number)
	if errBorn != nil || !ok {
		return errors.New("not renewed yet")
	}
	if renewed, err := last.Int64(); err != nil || renewed <= born+int64(ttl/time.Second) {
		return errors.New("not renewed after its first life")
	}
	return nil
}

func TestACertificateThatWasReplacedIsShownAtTheNextLogin(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t, vaulttest.TLS())
	f := newFixture(t, server, nil)
	enable(t, f, "cert", "cert", useCert)
	s, target := f.open(t), f.target()
	mustWrite(t, s, target, 1)
	cert, key := server.CA.ClientCert(t, "successor")
	replace(t, cert, f.config.Auth.Cert.CertFile)
	replace(t, key, f.config.Auth.Cert.KeyFile)
	server.Write(t, "auth/cert/certs/rotatord", map[string]any{
		"certificate": server.CA.PEM, "allowed_common_names": "successor", "token_policies": f.policy,
	})
	revoke(t, server, heldToken(t, s))
	mustWrite(t, s, target, 2)
}

func replace(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("a renewable token is renewed beyond its first life", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		f.config.Auth.Token = tokenFile(t, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}, TTL: ttl.String()}))
		outlivesTTL(t, f)
	})
	t.Run("a token that may do nothing but write and read is enough", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		f.config.Auth.Token = tokenFile(t, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}, NoDefaultPolicy: true}))
		s, target := f.open(t), f.target()
		if _, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true}); err != nil {
			t.Errorf("Probe: %v", err)
		}
		mustWrite(t, s, target, 1)
	})
	t.Run("what a token without the default policy lacks is told from a dead token", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		f.config.Auth.Token = tokenFile(t, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}, NoDefaultPolicy: true}))
		s, target := f.open(t), f.target()
		defer f.deny(t, target)()
		err := s.Write(t.Context(), target, content(t, s, 1), sinks.WriteOptions{})
		wantFault(t, err, fault.Permanent, fault.Forbidden, "permission denied", "capabilities")
	})
	t.Run("a token file that was replaced is used at once", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mustWrite(t, s, target, 1)
		next := server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}})
		save(t, f.config.Auth.Token.File, next)
		mustWrite(t, s, target, 2)
		if !heldToken(t, s).Equal(secret.New(next)) {
			t.Error("the sink still uses the token that was replaced")
		}
	})
}

func TestATokenIsMissing(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("a revoked token is reported as such, until a new one is there", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		s, target := f.open(t), f.target()
		mustWrite(t, s, target, 1)
		old := heldToken(t, s)
		revoke(t, server, old)
		for _, read := range []bool{true, false} {
			_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: read})
			wantFault(t, err, fault.Permanent, fault.Unauthorized, "expired, revoked", "new token")
			sinktest.NoLeak(t, err, old.Reveal())
		}
		err := s.Write(t.Context(), target, content(t, s, 2), sinks.WriteOptions{})
		wantFault(t, err, fault.Permanent, fault.Unauthorized, "expired, revoked")
		save(t, f.config.Auth.Token.File, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}}))
		mustWrite(t, s, target, 2)
	})
	t.Run("a token file that is not there yet is an error of the probe, not of the start", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, server, nil)
		file := filepath.Join(t.TempDir(), "later")
		f.config.Auth.Token = &secret.Source{File: file}
		s, target := f.open(t), f.target()
		_, err := s.Probe(t.Context(), target, sinks.ProbeOptions{Read: true})
		wantFault(t, err, fault.Permanent, fault.Unauthorized, file)
		save(t, file, server.Token(t, &api.TokenCreateRequest{Policies: []string{f.policy}}))
		mustWrite(t, s, target, 1)
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("users who come at once share one login", func(t *testing.T) {
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "shared", useAppRole)
		s, target := f.open(t), f.target()
		logins := counted(s)
		together := func() {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if _, err := s.Read(t.Context(), target); err != nil {
						t.Errorf("Read: %v", err)
					}
				})
			}
			wg.Wait()
		}
		together()
		if n := logins(); n != 1 {
			t.Errorf("%d logins at the start, want 1", n)
		}
		revoke(t, server, heldToken(t, s))
		together()
		if n := logins(); n != 2 {
			t.Errorf("%d logins after a revocation, want 2", n)
		}
	})
}

func TestMaximumLife(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("a token that reached its maximum is replaced before it ends", func(t *testing.T) {
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "short", useAppRole)
		server.Write(t, "auth/short/role/rotatord", map[string]any{"token_ttl": "2s", "token_max_ttl": "2s", "token_policies": f.policy})
		s, target := f.open(t), f.target()
		began := time.Now()
		mustWrite(t, s, target, 1)
		vaulttest.Eventually(t, 10*time.Second, func() error {
			if s.session.usableLogin() != nil {
				return errors.New("the token is still held")
			}
			return nil
		})
		if held := time.Since(began); held >= 2*time.Second {
			t.Errorf("the token was held to its end: %s", held)
		}
		mustWrite(t, s, target, 2)
	})
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)

	t.Run("a caller who gives up leaves the login to the others", func(t *testing.T) {
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "patient", useAppRole)
		s, target := f.open(t), f.target()
		entered, leave := make(chan struct{}), make(chan struct{})
		s.session.method.method = slow{s.session.method.method, entered, leave}
		hasty, giveUp := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := s.Read(hasty, target); errs <- err }()
		<-entered
		giveUp()
		wantFault(t, <-errs, fault.Retry, fault.Canceled)
		go func() { _, err := s.Read(t.Context(), target); errs <- err }()
		close(leave)
		if err := <-errs; err != nil {
			t.Errorf("Read: %v", err)
		}
	})

	t.Run("closing ends a call that hangs, and renewal", func(t *testing.T) {
		f := newFixture(t, server, nil)
		enable(t, f, "approle", "closing", useAppRole)
		s := open(t, f.config)
		mustWrite(t, s, f.target(), 1)
		thaw := server.Freeze(t)
		defer thaw()
		errs := make(chan error)
		go func() { _, err := s.Read(t.Context(), "x"); errs <- err }()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if <-errs == nil {
			t.Error("a call on a closed sink succeeded")
		}
	})
}

func TestEveryMethodReportsAnUnreadableCredential(t *testing.T) {
	gone := secret.Source{File: filepath.Join(t.TempDir(), "gone")}
	for _, m := range []method{
		&static{source: gone}, &AppRole{RoleID: "x", SecretID: gone},
		&Kubernetes{Role: "x", TokenFile: gone.File}, &JWT{Token: gone},
		&Cert{CertFile: gone.File, KeyFile: gone.File},
	} {
		_, err := newSession(chosen{"x", m}, "", sinks.OpenOptions{}, nil).login(t.Context())
		wantFault(t, err, fault.Permanent, fault.Unauthorized, gone.File)
	}
}

// heldToken returns the token that the sink is logged in with.
func heldToken(t *testing.T, s *sink) secret.Value {
	t.Helper()
	l := s.session.usableLogin()
	if l == nil {
		t.Fatal("the sink is not logged in")
	}
	return l.token
}

// credential returns the secret that a proves itself with.
func credential(t *testing.T, a Auth) string {
	t.Helper()
	var source secret.Source
	switch {
	case a.AppRole != nil:
		source = a.AppRole.SecretID
	case a.Kubernetes != nil:
		source.File = a.Kubernetes.TokenFile
	case a.JWT != nil:
		source = a.JWT.Token
	default:
		source.File = a.Cert.KeyFile
	}
	v, err := source.Read(secret.NewEnvironment(os.Environ()))
	if err != nil {
		t.Fatal(err)
	}
	return v.Reveal()
}

func revoke(t *testing.T, server *vaulttest.Server, token secret.Value) {
	t.Helper()
	if err := server.Client(t).Auth().Token().RevokeTree(token.Reveal()); err != nil {
		t.Fatalf("revoke: %v", err)
	}
}

func enable(t *testing.T, f *fixture, kind, mount string, setup func(*testing.T, *fixture, string)) {
	t.Helper()
	f.server.Write(t, "sys/auth/"+mount, map[string]any{"type": kind})
	f.config.Auth = Auth{}
	setup(t, f, mount)
}

// role returns the parameters that every method's role has, and more.
func (f *fixture) role(more map[string]any) map[string]any {
	out := map[string]any{"token_ttl": cmp.Or(f.ttl, ttl).String(), "token_policies": f.policy, "token_no_default_policy": f.bare}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func useAppRole(t *testing.T, f *fixture, mount string) {
	at := "auth/" + mount + "/role/rotatord"
	f.server.Write(t, at, f.role(nil))
	id, err := f.server.Client(t).Logical().Read(at + "/role-id")
	if err != nil {
		t.Fatal(err)
	}
	secretID := f.server.Write(t, at+"/secret-id", nil)
	f.config.Auth.AppRole = &AppRole{
		RoleID: id.Data["role_id"].(string), Mount: mount, SecretID: *tokenFile(t, secretID.Data["secret_id"].(string)),
	}
}

func useCert(t *testing.T, f *fixture, mount string) {
	cert, key := f.server.CA.ClientCert(t, "rotatord")
	f.server.Write(t, "auth/"+mount+"/certs/rotatord", f.role(map[string]any{
		"certificate": f.server.CA.PEM, "allowed_common_names": "rotatord",
	}))
	f.config.Auth.Cert = &Cert{CertFile: cert, KeyFile: key, Role: "rotatord", Mount: mount}
}

func useJWT(t *testing.T, f *fixture, mount string) {
	key, public := signingKey(t)
	f.server.Write(t, "auth/"+mount+"/config", map[string]any{"jwt_validation_pubkeys": public})
	f.server.Write(t, "auth/"+mount+"/role/rotatord", f.role(map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault",
	}))
	token := signJWT(t, key, map[string]any{"sub": "rotatord", "aud": "vault"})
	f.config.Auth.JWT = &JWT{Role: "rotatord", Token: *tokenFile(t, token), Mount: mount}
}

// useKubernetes stands in for Kubernetes in one thing: it reviews tokens.
func useKubernetes(t *testing.T, f *fixture, mount string) {
	kubernetes := httptest.NewTLSServer(http.HandlerFunc(reviewToken))
	t.Cleanup(kubernetes.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: kubernetes.Certificate().Raw})
	f.server.Write(t, "auth/"+mount+"/config", map[string]any{
		"kubernetes_host": kubernetes.URL, "kubernetes_ca_cert": string(ca), "disable_local_ca_jwt": true,
	})
	f.server.Write(t, "auth/"+mount+"/role/rotatord", f.role(map[string]any{
		"bound_service_account_names": "rotatord", "bound_service_account_namespaces": "moq",
	}))
	key, _ := signingKey(t)
	token := signJWT(t, key, map[string]any{
		"sub":           "system:serviceaccount:moq:rotatord",
		"kubernetes.io": map[string]any{"namespace": "moq", "serviceaccount": map[string]any{"name": "rotatord", "uid": "u1"}},
	})
	f.config.Auth.Kubernetes = &Kubernetes{Role: "rotatord", TokenFile: tokenFile(t, token).File, Mount: mount}
}

func reviewToken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
		"status": map[string]any{"authenticated": true, "user": map[string]any{
			"username": "system:serviceaccount:moq:rotatord", "uid": "u1", "groups": []string{"system:serviceaccounts"},
		}},
	})
}

func signingKey(t *testing.T) (key *ecdsa.PrivateKey, publicPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func signJWT(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	claims["nbf"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(time.Hour).Unix()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + b64(body)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// counted counts the logins of s from now on.
func counted(s *sink) (logins func() int64) {
	m := &counting{method: s.session.method.method}
	s.session.method.method = m
	return m.n.Load
}

type counting struct {
	method
	n atomic.Int64
}

func (c *counting) login(ctx context.Context, client *api.Client, credential secret.Value) (*api.Secret, error) {
	c.n.Add(1)
	return c.method.login(ctx, client, credential)
}

// slow says that it was entered and waits to be let go.
type slow struct {
	method
	entered, leave chan struct{}
}

func (s slow) login(ctx context.Context, client *api.Client, credential secret.Value) (*api.Secret, error) {
	close(s.entered)
	<-s.leave
	return s.method.login(ctx, client, credential)
}

// pointElsewhere changes the auth mount of an open sink.
func pointElsewhere(s *sink, mount string) {
	switch m := s.session.method.method.(type) {
	case *AppRole:
		s.session.method.method = &AppRole{RoleID: m.RoleID, SecretID: m.SecretID, Mount: mount}
	case *Kubernetes:
		s.session.method.method = &Kubernetes{Role: m.Role, TokenFile: m.TokenFile, Mount: mount}
	case *JWT:
		s.session.method.method = &JWT{Role: m.Role, Token: m.Token, Mount: mount}
	case *Cert:
		s.session.method.method = &Cert{CertFile: m.CertFile, KeyFile: m.KeyFile, Role: m.Role, Mount: mount}
	}
}

// stuck is a method whose token lies on a file system that does not answer.
type stuck struct {
	method
	looks  *atomic.Int64
	answer chan struct{}
}

func (s stuck) current(secret.Value, secret.Environment) bool {
	s.looks.Add(1)
	<-s.answer
	return true
}

func TestATokenFileThatDoesNotAnswerHoldsNoCallBeyondItsEndAndIsLookedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := stuck{method: &static{}, looks: new(atomic.Int64), answer: make(chan struct{})}
		s := newSession(chosen{"token", m}, "", sinks.OpenOptions{}, nil)
		held := &login{token: secret.New("x"), drop: func() {}}
		s.holdLogin(held)
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := s.login(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("login: %v", err)
			}
			cancel()
		}
		if n := m.looks.Load(); n != 1 {
			t.Errorf("%d looks hang", n)
		}
		close(m.answer)
		synctest.Wait()
		if l, err := s.login(t.Context()); err != nil || l != held {
			t.Errorf("once it answers: %v", err)
		}
		s.close()
	})
}
