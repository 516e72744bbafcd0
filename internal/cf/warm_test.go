package cf

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
)

const (
	testAccount = "023e105f4ecef8ad9ca31a8372d0c353"
	testRelay   = "a1b2c3d4e5f67890a1b2c3d4e5f67890"
	testToken   = "the-api-token-of-the-tests"
)

// overTLS is a client of a simulated Cloudflare that counts its connections.
type overTLS struct {
	*Client
	connections atomic.Int32
	before      func(*http.Request) // of each request; may be nil
}

func newOverTLS(t *testing.T, change ...func(*Options)) *overTLS {
	t.Helper()
	sim := cfsim.New(cfsim.Options{})
	sim.AddAccount(testAccount, cfsim.Both)
	sim.AddAPIToken(testToken, cfsim.Edit, testAccount)
	sim.AddRelay(testAccount, testRelay, "live")
	w := new(overTLS)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(a http.ResponseWriter, r *http.Request) {
		if w.before != nil {
			w.before(r)
		}
		sim.ServeHTTP(a, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	o := Options{
		Account: "main", AccountID: testAccount, APIURL: server.URL + cfsim.BasePath,
		Token: func() (secret.Value, error) { return secret.New(testToken), nil },
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	w.Client, err = New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	w.dialer.Config.RootCAs = x509.NewCertPool()
	w.dialer.Config.RootCAs.AddCert(server.Certificate())
	return w
}

func (w *overTLS) rotate(t *testing.T) {
	t.Helper()
	if _, err := w.Rotate(t.Context(), moq.Priority{}, testRelay, moq.Subscribe); err != nil {
		t.Fatal(err)
	}
}

func (w *overTLS) expect(t *testing.T, when string, connections int32) {
	t.Helper()
	if n := w.connections.Load(); n != connections {
		t.Errorf("%s there were %d connections, want %d", when, n, connections)
	}
}

func TestACallUsesTheConnectionThatWasMadeAhead(t *testing.T) {
	w := newOverTLS(t)
	w.Warm(t.Context())
	w.Warm(t.Context())
	w.expect(t, "before the call", 1)
	w.rotate(t)
	w.rotate(t)
	w.Warm(t.Context())
	w.expect(t, "after the calls", 1)
}

func TestAConnectionThatNobodyCameForIsClosed(t *testing.T) {
	w := newOverTLS(t)
	w.Warm(t.Context())
	conn := w.dialer.ahead
	w.dialer.dropAhead() // as after a while
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("it is still open")
	}
	w.rotate(t)
	w.expect(t, "after the call", 2)
}

func TestWarmLeavesTroubleToTheCall(t *testing.T) {
	w := newOverTLS(t)
	w.dialer.Config.RootCAs = x509.NewCertPool() // the certificate is not known
	w.Warm(t.Context())
	_, err := w.Rotate(t.Context(), moq.Priority{}, testRelay, moq.Subscribe)
	if f := fault.Of(err); f == nil || f.Class != fault.Retry || f.Reason != fault.Unreachable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want that it is unreachable because of its certificate", err)
	}
}
