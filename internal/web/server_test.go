package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/rotatord/rotatord/internal/fault"
)

const (
	password = "correct-horse-canary"
	rotateIt = "/api/v1/slots/live/subscribe/rotate"
)

// authority signs the certificates of one test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), pool: x509.NewCertPool()}
	a.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := certificate("test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key))
	a.cert = must(x509.ParseCertificate(der))
	a.pool.AddCert(a.cert)
	a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// issue makes a key pair in the authority's folder.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, certificate(name), a.cert, key.Public(), a.key))
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	return must(tls.LoadX509KeyPair(filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")))
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	writeFile(t, filepath.Join(a.dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func (a *authority) client(certs ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: a.pool, Certificates: certs, MinVersion: tls.VersionTLS12},
	}}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func users() string {
	return fmt.Sprintf("basic_auth_users:\n  ada: %q\n", must(bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)))
}

// public starts a server on a loopback port with a web configuration.
func public(t *testing.T, d Daemon, dir, webConfig string, log *logged) *Server {
	t.Helper()
	o := options(d)
	o.Listen = "127.0.0.1:0"
	if log != nil {
		o.Log = log.logger()
	}
	if webConfig != "" {
		o.WebConfigFile = filepath.Join(dir, "web.yml")
		writeFile(t, o.WebConfigFile, webConfig)
	}
	s := New(o)
	start(t, s)
	return s
}

// call makes a request; user is "" for none.
func call(t *testing.T, c *http.Client, method, url, user, pass string, headers ...string) (int, string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, url, http.NoBody))
	if user != "" {
		r.SetBasicAuth(user, pass)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body := must(io.ReadAll(resp.Body))
	return resp.StatusCode, fmt.Sprint(resp.Header) + string(body)
}

func TestBasicAuthOverTLSMayChangeThingsFromTheSameOrigin(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	d := newDaemon()
	var log logged
	s := public(t, d, a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"+users(), &log)
	c, base := a.client(), "https://"+s.Addr()

	var said strings.Builder
	for _, tt := range []struct {
		name, method, path, user, pass string
		headers                        []string
		status                         int
		asked                          string
	}{
		{"nobody", "GET", "/", "", "", nil, 401, ""},
		{"nobody, metrics", "GET", "/metrics", "", "", nil, 401, ""},
		{"wrong password", "POST", rotateIt, "ada", "wrong", nil, 401, ""},
		{"unknown user", "POST", rotateIt, "bob", password, nil, 401, ""},
		{"user", "GET", "/", "ada", password, nil, 200, ""},
		{"another site", "POST", rotateIt, "ada", password, []string{"Origin", "https://evil.example"}, 403, ""},
		{"another site, says the browser", "POST", rotateIt, "ada", password, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"another port of the host", "POST", rotateIt, "ada", password, []string{"Sec-Fetch-Site", "same-site"}, 403, ""},
		{"a sandboxed frame", "POST", rotateIt, "ada", password, []string{"Origin", "null"}, 403, ""},
		{"same origin", "POST", rotateIt, "ada", password, []string{"Origin", base, "Sec-Fetch-Site", "same-origin"},
			202, "rotate live subscribe by user ada "},
		{"no browser", "POST", rotateIt, "ada", password, nil, 202, "rotate live subscribe by user ada "},
		{"admin socket's own", "GET", "/api/v1/tokens/live", "ada", password, nil, 404, ""},
		{"profiles", "GET", "/debug/pprof/heap", "ada", password, nil, 404, ""},
	} {
		d.asked = nil
		status, answer := call(t, c, tt.method, base+tt.path, tt.user, tt.pass, tt.headers...)
		said.WriteString(answer)
		if status != tt.status || d.lastAsked() != tt.asked {
			t.Errorf("%s: %d, asked %q; want %d, %q (%s)", tt.name, status, d.lastAsked(), tt.status, tt.asked, answer)
		}
	}
	if strings.Contains(said.String()+log.String(), password) {
		t.Error("the password leaked into an answer or the log")
	}
}

func TestAVerifiedClientCertificateMayChangeThings(t *testing.T) {
	for _, policy := range []string{"RequireAndVerifyClientCert", "VerifyClientCertIfGiven"} {
		a, stranger := newAuthority(t), newAuthority(t)
		a.issue(t, "server")
		d := newDaemon()
		s := public(t, d, a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem, "+
			"client_auth_type: "+policy+"}\n", nil)
		if status, answer := call(t, a.client(a.issue(t, "ops")), "POST", "https://"+s.Addr()+rotateIt, "", ""); status != 202 ||
			d.lastAsked() != "rotate live subscribe by certificate ops " {
			t.Errorf("%s: %d %s, asked %q", policy, status, answer, d.lastAsked())
		}
		d.asked = nil
		for name, c := range map[string]*http.Client{"none": a.client(), "another's": a.client(stranger.issue(t, "ops"))} {
			if status, _ := call(t, c, "POST", "https://"+s.Addr()+rotateIt, "", ""); status == 202 || d.lastAsked() != "" {
				t.Errorf("%s: certificate %s: %d", policy, name, status)
			}
		}
	}
}

func TestACertificateThatNobodyVerifiedIsNoAuthentication(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	a.issue(t, "server")
	d := newDaemon()
	s := public(t, d, a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAnyClientCert}\n", nil)
	status, answer := call(t, a.client(stranger.issue(t, "ops")), "POST", "https://"+s.Addr()+rotateIt, "", "")
	if status != http.StatusForbidden || d.lastAsked() != "" {
		t.Errorf("got %d %s, asked %q", status, answer, d.lastAsked())
	}
}

func TestAUserTakenOutOfTheFileIsNobodyFromThenOn(t *testing.T) {
	dir, d := t.TempDir(), newDaemon()
	s := public(t, d, dir, users(), nil)
	url := "http://" + s.Addr() + rotateIt
	if status, _ := call(t, http.DefaultClient, "POST", url, "ada", password); status != 202 {
		t.Fatalf("before: %d", status)
	}
	d.asked = nil
	writeFile(t, filepath.Join(dir, "web.yml"), "basic_auth_users: {}\n") // now the toolkit lets everybody pass
	if status, _ := call(t, http.DefaultClient, "POST", url, "ada", password); status != 403 || d.lastAsked() != "" {
		t.Errorf("after: %d, asked %q", status, d.lastAsked())
	}
}

func TestABrokenWebConfigurationIsRefusedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	o := options(newDaemon())
	o.Listen, o.WebConfigFile = "127.0.0.1:0", filepath.Join(dir, "web.yml")
	for name, text := range map[string]string{"unknown key": "bsic_auth_users: {}\n", "plain password": "basic_auth_users: {ada: secret}\n"} {
		writeFile(t, o.WebConfigFile, text)
		if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "web_config_file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPortInUseIsExplained(t *testing.T) {
	s := public(t, newDaemon(), "", "", nil)
	o := options(newDaemon())
	o.Listen = s.Addr()
	if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "server.listen") {
		t.Errorf("got %v", err)
	}
}

// What the file alone does not show is told at the start, with what to do.
func TestWhatCannotBeBoundIsToldWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "")
	for name, c := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"no such address":   {func(o *Options) { o.Listen = "198.51.100.7:0" }, []string{"server.listen 198.51.100.7:0", "ip address"}},
		"no such interface": {func(o *Options) { o.Listen = "[fe80::1%nosuch]:0" }, []string{"no network interface"}},
		"no such name":      {func(o *Options) { o.Listen = "nosuch.invalid:0" }, []string{"server.listen", "give an address"}},
		"a folder there":    {func(o *Options) { o.AdminSocket = dir }, []string{"server.admin_socket " + dir, "no socket", "remove it"}},
		"a file on the way": {func(o *Options) { o.AdminSocket = filepath.Join(dir, "file", "s") }, []string{"no folder"}},
		"no such group":     {func(o *Options) { o.AdminSocketGroup = "no-such-group" }, []string{"server.admin_socket_group no-such-group", "make the group"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(newDaemon())
			o.AdminSocket = filepath.Join(dir, "s")
			c.change(&o)
			err := New(o).Listen()
			if err == nil {
				t.Fatal("it was bound")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, "s")); err == nil {
				t.Error("the socket stays")
			}
		})
	}
}

// What a machine or a user would have to be made for.
func TestWhatTheKernelRefusesIsToldWithWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "ss -ltnp", syscall.EACCES: "CAP_NET_BIND_SERVICE", syscall.EADDRNOTAVAIL: "ip address",
		syscall.EINVAL: "ip link", syscall.EAFNOSUPPORT: "version of IP",
	} {
		if text := tcpFault("a:1", os.NewSyscallError("bind", errno)).Error(); !strings.Contains(text, want) {
			t.Errorf("%v: %q does not say %q", errno, text, want)
		}
	}
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES: "RuntimeDirectory=", syscall.EPERM: "RuntimeDirectory=", syscall.EROFS: "RuntimeDirectory=",
		syscall.EOPNOTSUPP: "hold no sockets", syscall.ENOTDIR: "no folder", syscall.ENOENT: "no folder",
	} {
		if text := socketFault("/s", &os.PathError{Op: "mkdir", Path: "/", Err: errno}).Error(); !strings.Contains(text, want) {
			t.Errorf("%v: %q does not say %q", errno, text, want)
		}
	}
	notPermitted := &os.PathError{Op: "chown", Path: "/run/rotatord/.01234567/s", Err: syscall.EPERM}
	if text := socketFault("/run/s", chownFault("g", notPermitted)).Error(); strings.Contains(text, ".01234567") ||
		!strings.Contains(text, "server.admin_socket_group g: the socket cannot be given to this group: operation not permitted") ||
		!strings.Contains(text, "was no member of it when it was started") || !strings.Contains(text, "SupplementaryGroups=") {
		t.Error(text)
	}
}

func TestSlowClientsAreCutOffAndHoldNobodyUp(t *testing.T) {
	d := newDaemon()
	o := options(d)
	o.AdminSocket = filepath.Join(t.TempDir(), "s")
	s := New(o)
	s.limits.header, s.limits.read = 100*time.Millisecond, 100*time.Millisecond
	start(t, s)
	for name, sent := range map[string]string{
		"header": "POST " + rotateIt + " HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"body":   "POST " + rotateIt + " HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{",
	} {
		conn := must(net.Dial("unix", o.AdminSocket))
		defer func() { _ = conn.Close() }()
		must(io.WriteString(conn, sent))
		if status, _ := call(t, overSocket(o.AdminSocket), "GET", "http://x/-/healthy", "", ""); status != 200 {
			t.Errorf("%s: another client gets %d meanwhile", name, status)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: not cut off: %v", name, err)
		}
	}
	if d.lastAsked() != "" {
		t.Errorf("the daemon was asked %q", d.lastAsked())
	}
}

func TestMalformedAndOversizedRequestsAreRefused(t *testing.T) {
	d := newDaemon()
	s := public(t, d, "", "", nil)
	for name, tt := range map[string]struct{ sent, want string }{
		"no HTTP":         {"\x16\x03\x01\x02\x00\r\n\r\n", "400"},
		"huge header":     {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
		"two lengths":     {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
		"no host":         {"GET / HTTP/1.1\r\n\r\n", "400"},
		"old, no host":    {"GET / HTTP/1.0\r\n\r\n", "403"},
		"a proxy request": {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "403"},
	} {
		conn := must(net.Dial("tcp", s.Addr()))
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() { _, _ = io.WriteString(conn, tt.sent) }()
		status, err := bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
		if err != nil || !strings.Contains(status, tt.want) {
			t.Errorf("%s: %q, %v; want %s", name, status, err, tt.want)
		}
	}
	if status, _ := call(t, http.DefaultClient, "GET", "http://"+s.Addr()+"/", "", ""); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

func TestShutdownLetsARequestFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	o := options(newDaemon())
	o.AdminSocket = filepath.Join(t.TempDir(), "s")
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "whole")
	})
	s := New(o)
	start(t, s)
	answer := make(chan string, 1)
	go func() {
		_, body := call(t, overSocket(o.AdminSocket), "GET", "http://x/metrics", "", "")
		answer <- body
	}()
	<-entered
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	close(release)
	if err := <-down; err != nil {
		t.Error(err)
	}
	if body := <-answer; !strings.Contains(body, "whole") {
		t.Errorf("got %q", body)
	}
}

func TestShutdownCutsOffWhatOutlastsIt(t *testing.T) {
	entered := make(chan struct{})
	o := options(newDaemon())
	o.AdminSocket = filepath.Join(t.TempDir(), "s")
	o.Metrics = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	s := New(o)
	start(t, s)
	go func() { _, _ = call(t, overSocket(o.AdminSocket), "GET", "http://x/metrics", "", "") }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAServerWithNothingToListenOnServesNothing(t *testing.T) {
	s := New(options(newDaemon()))
	if err := errors.Join(s.Listen(), s.Serve(), s.Shutdown(t.Context())); err != nil || s.Addr() != "" {
		t.Errorf("%v, address %q", err, s.Addr())
	}
}

func TestAServerThatLacksWhatItNeedsDoesNotListen(t *testing.T) {
	for name, lack := range map[string]func(*Options){
		"a daemon": func(o *Options) { o.Daemon = nil },
		"metrics":  func(o *Options) { o.Metrics = nil },
		"a log":    func(o *Options) { o.Log = nil },
	} {
		o := options(newDaemon())
		o.Listen = "127.0.0.1:0"
		lack(&o)
		s := New(o)
		if err := s.Listen(); fault.Of(err) == nil || fault.Of(err).Reason != fault.Internal || s.Addr() != "" {
			t.Errorf("without %s: %v, listening at %q", name, err, s.Addr())
		}
	}
}
