package transport_test

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm"
	"github.com/rotatord/rotatord/internal/sinks/vault"
)

// pipe is a way to a server whose connections can be made silent: what is sent on them
// arrives nowhere, and nobody says so.
type pipe struct {
	net.Listener
	to     string
	opened atomic.Int64

	mu     sync.Mutex
	silent chan struct{} // closed for the connections that were opened until then
}

func newPipe(t *testing.T, to string) *pipe {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{Listener: l, to: to, silent: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go p.serve()
	return p
}

func (p *pipe) serve() {
	for {
		near, err := p.Accept()
		if err != nil {
			return
		}
		p.opened.Add(1)
		far, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		go forward(far, near, silent)
		go forward(near, far, silent)
	}
}

// forward copies until its connection ends; what comes after silent is swallowed.
func forward(to io.WriteCloser, from io.ReadCloser, silent chan struct{}) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-silent:
			continue
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *pipe) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

// answers are those of a service that speaks HTTP/2, as far as one call needs them.
func answers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.ProtoMajor != 2:
		w.WriteHeader(http.StatusHTTPVersionNotSupported)
	case r.Header.Get("X-Amz-Target") != "":
		_, _ = io.WriteString(w, `{"SecretString":"x","VersionStages":["AWSCURRENT"]}`)
	case strings.HasSuffix(r.URL.Path, "/lookup-self"):
		_, _ = io.WriteString(w, `{"data":{"ttl":0,"renewable":false}}`)
	case strings.Contains(r.URL.Path, "/secret/data/"):
		_, _ = io.WriteString(w, `{"data":{"data":{"token":"x"},"metadata":{"version":1}}}`)
	default:
		_, _ = io.WriteString(w, `{"success":true,"errors":[],"result":{"issuers":[{"type":"cloudflare_jwt","cloudflare_tokens":[]}]}}`)
	}
}

// A call whose connection died under it finds that out by itself, and the next one
// does not go the same way: for every client there is.
func TestASilentConnectionIsNotUsedForLong(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(answers))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", ca)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	t.Setenv("SSL_CERT_FILE", ca) // for the client of Cloudflare
	var clients sync.WaitGroup
	for name, open := range map[string]func(*testing.T, string) func(context.Context) error{
		"vault": openVault(ca), "aws": openAWS, "cloudflare": openCloudflare,
	} {
		p := newPipe(t, server.Listener.Addr().String())
		call := open(t, "https://"+p.Addr().String())
		if err := call(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.silence()
		clients.Go(func() { _ = call(t.Context()) }) // while it waits the connection is in use
		clients.Go(func() {
			for n := 1; ; n++ {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				err := call(ctx)
				cancel()
				switch {
				case err == nil && p.opened.Load() > 1:
					return
				case err == nil || n == 20:
					t.Errorf("%s: after %d calls over %d connections: %v", name, n, p.opened.Load(), err)
					return
				}
			}
		})
	}
	clients.Wait()
}

func openVault(ca string) func(*testing.T, string) func(context.Context) error {
	return func(t *testing.T, address string) func(context.Context) error {
		t.Helper()
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := vault.NewConfig()
		c.Address, c.CAFile, c.Auth.Token = address, ca, &secret.Source{File: token}
		return reading(t, c)
	}
}

func openAWS(t *testing.T, address string) func(context.Context) error {
	t.Helper()
	c := awssm.NewConfig()
	c.EndpointURL, c.Region = address, "eu-west-1"
	return reading(t, c)
}

func reading(t *testing.T, c sinks.Spec) func(context.Context) error {
	t.Helper()
	c.Shared().Timeout = time.Minute
	s, err := c.Open(t.Context(), sinks.OpenOptions{Name: "sink"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return func(ctx context.Context) error {
		_, err := s.Read(ctx, "moq")
		return err
	}
}

func openCloudflare(t *testing.T, address string) func(context.Context) error {
	t.Helper()
	c, err := cf.New(cf.Options{
		Account: "main", AccountID: "023e105f4ecef8ad9ca31a8372d0c353", APIURL: address,
		Token: func() (secret.Value, error) { return secret.New("token"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return func(ctx context.Context) error {
		_, err := c.List(ctx, moq.Priority{}, "a1b2c3d4e5f67890a1b2c3d4e5f67890")
		return err
	}
}
