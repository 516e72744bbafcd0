package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// fixed is a RoundTripper that gives the same answer to everybody.
type fixed func(*http.Request) *http.Response

func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func answerOf(body io.Reader) fixed {
	return func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(body)}
	}
}

func roundTrip(t *testing.T, rt http.RoundTripper) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://service.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := rt.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func TestAnAnswerOfOneMebibyteIsReadAndALargerOneIsNot(t *testing.T) {
	for _, c := range []struct {
		size  int
		whole bool
	}{{0, true}, {MaxAnswer, true}, {MaxAnswer + 1, false}, {50 * MaxAnswer, false}} {
		source := &counted{Reader: io.LimitReader(zeros{}, int64(c.size))}
		text, err := roundTrip(t, Bound(answerOf(source), time.Minute))
		if whole := err == nil && len(text) == c.size; whole != c.whole {
			t.Errorf("%d bytes: got %d, %v", c.size, len(text), err)
		}
		if source.n > MaxAnswer+1 {
			t.Errorf("of %d bytes %d were read", c.size, source.n)
		}
		if err != nil && fault.Of(err).Reason != fault.BadAnswer {
			t.Errorf("%v is a %s", err, fault.Of(err).Reason)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestWhatUnpacksToMuchIsNotUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, errW := io.CopyN(z, zeros{}, 64<<20)
	if err := errors.Join(errW, z.Close()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}))
	defer server.Close()
	answer, err := (&http.Client{Transport: New(Options{})}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); n > MaxAnswer || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// A byte a second is progress, and not enough.
func TestAnAnswerThatDripsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dripping := func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(readerFunc(func(p []byte) (int, error) {
				select {
				case <-r.Context().Done():
					return 0, r.Context().Err()
				case <-time.After(time.Second):
					return copy(p, " "), nil
				}
			}))}
		}
		begin := time.Now()
		_, err := roundTrip(t, Bound(fixed(dripping), 7*time.Second))
		if f := fault.Of(err); f == nil || f.Reason != fault.Timeout || time.Since(begin) != 7*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestConnectionsToOneHostAreBoundedAndAllCallsAreMade(t *testing.T) {
	var open, most atomic.Int64
	arrived := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			if n := open.Add(1); n > most.Load() {
				most.Store(n)
			}
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: New(Options{Connections: 3})}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			answer, err := client.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			_ = answer.Body.Close()
		})
	}
	wg.Wait()
	if len(arrived) != 50 || most.Load() > 3 {
		t.Errorf("%d calls were made, over %d connections at a time", len(arrived), most.Load())
	}
}

func TestAServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gone }))
	defer server.Close()
	defer close(gone)
	_, err := (&http.Client{Transport: New(Options{Patience: 50 * time.Millisecond})}).Get(server.URL)
	if f := fault.NoAnswer("", "", err); err == nil || f.Reason != fault.Timeout {
		t.Errorf("%v is a %s", err, f.Reason)
	}
}

// authority makes the certificate of an authority in PEM.
func authority(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func certificateOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func TestAnAuthorityThatIsRenewedOnDiskIsBelieved(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine, other := certificateOf(server), authority(t, "other")
	write(other)
	transport, err := WithAuthorities(Options{}, file)
	if err != nil {
		t.Fatal(err)
	}
	get := func() error {
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	for i, c := range []struct {
		name, text  string
		fails, good bool // the refresh; a call after it
	}{
		{"another's authority", other, false, false},
		{"the server's", other + mine, false, true},
		{"half written", other + mine[:len(mine)/2], true, true},
		{"empty", "", true, true},
		{"a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", true, true},
		{"the server's withdrawn", other, false, false},
		{"the server's alone", mine, false, true},
	} {
		write(c.text)
		if changed, err := transport.Refresh(); (err != nil) != c.fails || changed != (!c.fails && i > 0) {
			t.Errorf("%s: Refresh = %t, %v", c.name, changed, err)
		}
		if err := get(); (err == nil) != c.good {
			t.Errorf("%s: a call = %v, want it to succeed: %t", c.name, err, c.good)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.Refresh(); err == nil || get() != nil {
		t.Error("a file that is gone is no fault, or ended the connection")
	}
	if _, err := WithAuthorities(Options{}, file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without its file a transport is made: %v", err)
	}
}

// Nobody has to ask for it, and nobody waits for the file.
func TestACallHasTheAuthoritiesLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, []byte(authority(t, "a")), 0o600); err != nil {
			t.Fatal(err)
		}
		transport, err := WithAuthorities(Options{}, file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(authority(t, "b")), 0o600); err != nil {
			t.Fatal(err)
		}
		before := transport.inForce()
		if synctest.Wait(); transport.inForce() != before {
			t.Error("the file was looked at again at once")
		}
		<-time.After(lookAfter)
		if transport.inForce() != before {
			t.Error("a call waited for the file")
		}
		if synctest.Wait(); transport.inForce() == before {
			t.Error("the renewed authority is not taken up")
		}
	})
}

func TestARedirectKeepsMethodAndBody(t *testing.T) {
	var got []string
	next := fixed(func(r *http.Request) *http.Response {
		text, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-Vault-Token")+" "+string(text))
		status := 200
		if len(got) == 1 {
			status = 307
		}
		return &http.Response{
			StatusCode: status, Request: r, Header: http.Header{"Location": {"/moved"}}, Body: http.NoBody,
		}
	})
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "https://vault.example/v1/a", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", "token")
	answer, err := (&Redirects{Next: next, Allow: func(_, _ *url.URL) string { return "" }}).RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	_ = answer.Body.Close()
	if want := "PUT https://vault.example/moved token body"; len(got) != 2 || got[1] != want {
		t.Errorf("sent %q, want then %q", got, want)
	}
}
