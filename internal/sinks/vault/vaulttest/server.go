// Package vaulttest runs a real Vault on loopback for tests.
package vaulttest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/test/servers"
)

const patience = 30 * time.Second

// Server is a running Vault: unsealed, with KV version 2 mounted at secret/.
// Its methods are not for concurrent use, except Client.
type Server struct {
	Address   string // scheme://host:port; the same after a restart
	RootToken string
	CA        *CA // signed the server's certificate; nil without TLS

	http     *http.Client
	binary   string
	settings settings
	process  *servers.Process
}

// Option changes how a Server is started.
type Option func(testing.TB, *Server)

// TLS makes the server speak https with a certificate of CA, and ask for client
// certificates.
func TLS() Option {
	return func(t testing.TB, s *Server) {
		s.CA = NewCA(t)
		s.settings.CertPEM, s.settings.KeyPEM = s.CA.issueCertificate(t, "127.0.0.1", tomorrow())
	}
}

// Persistent keeps the server's storage in a folder, so that Restart is possible.
func Persistent() Option {
	return func(t testing.TB, s *Server) { s.settings.Storage = t.TempDir() }
}

// Blank leaves the server as it is before its first initialisation.
func Blank() Option {
	return func(_ testing.TB, s *Server) { s.settings.Blank = true }
}

// Start builds the server if need be, starts it on a free port and waits until it
// is ready. It is stopped when the test ends. Any failure is fatal to the test.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	binary, err := servers.Build("test/vaultserver")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{binary: binary, settings: settings{Listen: "127.0.0.1:0"}}
	for _, o := range options {
		o(t, s)
	}
	s.http = newHTTPClient(s.CA)
	t.Cleanup(s.Stop)
	r := s.runProcess(t)
	s.Address, s.RootToken, s.settings.Unseal = r.Address, r.RootToken, r.Unseal
	if !s.settings.Blank {
		s.Mount(t, "secret", 2)
	}
	return s
}

func newHTTPClient(ca *CA) *http.Client {
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if ca != nil {
		transport.TLSClientConfig = ca.TLS()
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// Stop kills the server, as a crash would. It does nothing when it is not running.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Kill()
		s.http.CloseIdleConnections()
		s.process = nil
	}
}

// Restart kills the server and starts it again, unsealed, at the same address.
// What it held is there again if it was started with Persistent.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if s.settings.Storage == "" {
		t.Fatal("a Vault that keeps its storage in memory cannot be restarted: start it with Persistent")
	}
	s.Stop()
	u, err := url.Parse(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	s.settings.Listen = u.Host
	s.runProcess(t)
}

// Freeze makes the server accept connections and answer nothing until thaw is called.
func (s *Server) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	p := s.process.OS()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the Vault server did not stop: %v, %v", status, err)
	}
	return func() { _ = p.Signal(syscall.SIGCONT) }
}

// Seal seals the server.
func (s *Server) Seal(t testing.TB) {
	t.Helper()
	if err := s.Client(t).Sys().Seal(); err != nil {
		t.Fatalf("seal: %v", err)
	}
}

// Unseal unseals the server and waits until it serves requests again.
func (s *Server) Unseal(t testing.TB) {
	t.Helper()
	c := s.Client(t)
	for _, key := range s.settings.Unseal {
		if _, err := c.Sys().Unseal(fmt.Sprintf("%x", key)); err != nil {
			t.Fatalf("unseal: %v", err)
		}
	}
	Eventually(t, patience, func() error { _, err := c.Auth().Token().LookupSelf(); return err })
}

// Mount mounts the KV engine, version 1 or 2, at path and waits until it can be used.
func (s *Server) Mount(t testing.TB, path string, version int) {
	t.Helper()
	c := s.Client(t)
	kv := &api.MountInput{Type: "kv", Options: map[string]string{"version": fmt.Sprint(version)}}
	if err := c.Sys().Mount(path, kv); err != nil {
		t.Fatalf("mount %s: %v", path, err)
	}
	// A new KV version 2 refuses requests for a moment, while it "upgrades".
	Eventually(t, patience, func() error { _, err := c.Logical().Read(path + "/data/probe"); return err })
}

// Policy makes rules, in Vault's policy language, the policy name.
func (s *Server) Policy(t testing.TB, name, rules string) {
	t.Helper()
	if err := s.Client(t).Sys().PutPolicy(name, rules); err != nil {
		t.Fatalf("policy %s: %v", name, err)
	}
}

// Token creates a token.
func (s *Server) Token(t testing.TB, r *api.TokenCreateRequest) string {
	t.Helper()
	made, err := s.Client(t).Auth().Token().Create(r)
	if err != nil {
		t.Fatalf("create token: %v", err)
	}
	return made.Auth.ClientToken
}

// Write writes data to path with the root token.
func (s *Server) Write(t testing.TB, path string, data map[string]any) *api.Secret {
	t.Helper()
	answer, err := s.Client(t).Logical().Write(path, data)
	if err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
	return answer
}

// Logins returns how many tokens live that were got by logging in at an auth mount.
func (s *Server) Logins(t testing.TB, mount string) (n int) {
	t.Helper()
	c := s.Client(t)
	list, err := c.Logical().List("auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	for _, accessor := range list.Data["keys"].([]any) {
		found, err := c.Auth().Token().LookupAccessor(accessor.(string))
		if err == nil && strings.HasPrefix(fmt.Sprint(found.Data["path"]), "auth/"+mount+"/login") {
			n++
		}
	}
	return n
}

// Client returns a client with the root token. The environment has no part in it.
func (s *Server) Client(t testing.TB) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: s.Address, HttpClient: s.http})
	if err != nil {
		t.Fatal(err)
	}
	c.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	c.SetToken(s.RootToken)
	return c
}

// Eventually calls check until it succeeds; it is fatal when it still fails after within.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline, tick := time.After(within), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("still failing after %s: %v", within, err)
		case <-tick.C:
		}
	}
}

// settings and ready are the server's two lines; see its main package.
type settings struct {
	Listen  string   `json:"listen"`
	Storage string   `json:"storage,omitempty"`
	CertPEM string   `json:"cert_pem,omitempty"`
	KeyPEM  string   `json:"key_pem,omitempty"`
	Unseal  [][]byte `json:"unseal,omitempty"`
	Blank   bool     `json:"blank,omitempty"`
}

type ready struct {
	Address   string   `json:"address"`
	RootToken string   `json:"root_token"`
	Unseal    [][]byte `json:"unseal"`
}

func (s *Server) runProcess(t testing.TB) (r ready) {
	t.Helper()
	s.process = servers.Start(t, s.binary, patience, s.settings, &r)
	return r
}
