package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
)

var errLed = errors.New("etcd has not confirmed the lease")

// leader may act until it is told otherwise, or, with turns, that often.
type leader struct {
	over  atomic.Bool
	turns atomic.Int64 // 0: any number
}

func (l *leader) mayAct() error {
	if l.over.Load() || l.turns.Load() > 0 && l.turns.Add(-1) == 0 {
		l.over.Store(true)
		return errLed
	}
	return nil
}

// leadsFor has so many questions be answered with yes.
func (l *leader) leadsFor(questions int64) {
	l.over.Store(false)
	l.turns.Store(questions + 1)
}

// service is a server that keeps what it was sent, over TLS with HTTP/2 or without either.
type service struct {
	*httptest.Server
	connections atomic.Int64
	begun       atomic.Int64
	protocol    atomic.Value
	whole       chan string // bodies that came to their end
	cut         chan error
	hold        func() // before it answers; may be nil
}

func newService(t *testing.T, overTLS bool) *service {
	t.Helper()
	s := &service{whole: make(chan string, 9), cut: make(chan error, 9)}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.EnableHTTP2 = overTLS
	if overTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.begun.Add(1)
	s.protocol.Store(r.Proto)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.cut <- err
		return
	}
	s.whole <- string(body)
	if s.hold != nil {
		s.hold()
	}
	_, _ = io.WriteString(w, "answer")
}

// to makes a transport to s, that asks l.
func (s *service) to(t *testing.T, l *leader) *Transport {
	t.Helper()
	o := Options{Free: func(r *http.Request) bool { return r.URL.Path == "/free" }}
	if l != nil {
		o.MayAct = l.mayAct
	}
	if s.TLS != nil {
		o.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		o.TLS.RootCAs.AddCert(s.Certificate())
	}
	tr := New(o)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// post sends a body, and returns what was answered.
func post(ctx context.Context, tr *Transport, address, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func wantAnswer(t *testing.T, when, text string, err error) {
	t.Helper()
	if err != nil || text != "answer" {
		t.Errorf("%s: %q, %v", when, text, err)
	}
}

// wantHeldBack wants an error that says, in plain words, that this replica leads no more.
func wantHeldBack(t *testing.T, when string, err error, unsent bool) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Retry || f.Reason != fault.Canceled || f.Unsent != unsent || !errors.Is(err, errLed) {
		t.Errorf("%s: %v (%+v), want a call that was held back, nothing of it sent: %t", when, err, f, unsent)
		return
	}
	if !strings.Contains(f.Error(), "this replica leads no more") || !strings.Contains(f.Error(), errLed.Error()) {
		t.Errorf("%s: the error does not say why: %v", when, f)
	}
}

// overBoth runs a test over plain http, and over TLS to a server that offers HTTP/2.
func overBoth(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	for name, overTLS := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) { test(t, newService(t, overTLS)) })
	}
}

func TestNothingLeavesWhoMayNotActAndHisConnectionsStayForTheNextTerm(t *testing.T) {
	overBoth(t, func(t *testing.T, s *service) {
		l := &leader{}
		tr := s.to(t, l)
		text, err := post(t.Context(), tr, s.URL, "one")
		wantAnswer(t, "a leader's", text, err)
		l.over.Store(true)
		for range 3 {
			_, err = post(t.Context(), tr, s.URL, "two")
			wantHeldBack(t, "another's", err, true)
		}
		l.over.Store(false)
		text, err = post(t.Context(), tr, s.URL, "three")
		wantAnswer(t, "the next term's", text, err)
		if s.begun.Load() != 2 || s.connections.Load() != 1 {
			t.Errorf("%d requests came over %d connections, want 2 over 1", s.begun.Load(), s.connections.Load())
		}
	})
}

// The first question is asked before a connection is taken; the second one by its Write.
func TestARequestThatHasAConnectionDoesNotLeaveItAfterTheEnd(t *testing.T) {
	overBoth(t, func(t *testing.T, s *service) {
		l := &leader{}
		tr := s.to(t, l)
		l.leadsFor(1)
		_, err := post(t.Context(), tr, s.URL, "over a connection that was just made")
		wantHeldBack(t, "a new connection", err, true)

		l.over.Store(false)
		l.turns.Store(0)
		s.openIdle(t, tr, 3)
		before := s.connections.Load()
		l.leadsFor(1)
		_, err = post(t.Context(), tr, s.URL, "over one that was used before")
		wantHeldBack(t, "a used connection", err, true)
		l.over.Store(false)
		l.turns.Store(0)
		s.openIdle(t, tr, 3)
		if n := s.connections.Load() - before; n != 1 {
			t.Errorf("%d connections of 3 were given up for one request", n)
		}
		if s.begun.Load() != 6 || len(s.cut) > 0 {
			t.Errorf("the server has seen %d requests, and %d that broke off", s.begun.Load(), len(s.cut))
		}
	})
}

// openIdle leaves so many connections that are not in use.
func (s *service) openIdle(t *testing.T, tr *Transport, n int) {
	t.Helper()
	var all, there sync.WaitGroup
	there.Add(n)
	s.hold = func() { there.Done(); there.Wait() }
	for range n {
		all.Go(func() {
			text, err := post(t.Context(), tr, s.URL, "")
			wantAnswer(t, "side by side", text, err)
		})
	}
	all.Wait()
	s.hold = nil
	for range n {
		<-s.whole
	}
}

// large is more than lies in any buffer on the way.
var large = strings.Repeat("0123456789abcdef", 1<<19)

func TestADeliveryIsCutOffAndAMintIsSentToItsEnd(t *testing.T) {
	overBoth(t, func(t *testing.T, s *service) {
		l := &leader{}
		tr := s.to(t, l)
		l.leadsFor(2) // before the connection, and for its first bytes
		_, err := post(t.Context(), tr, s.URL, large)
		wantHeldBack(t, "a delivery", err, false)
		select {
		case <-s.cut:
		case <-s.whole:
			t.Error("the delivery came to its end")
		}
		l.leadsFor(2)
		text, err := post(ToItsEnd(t.Context()), tr, s.URL, large)
		wantAnswer(t, "a mint", text, err)
		if err == nil && len(<-s.whole) != len(large) {
			t.Error("the mint did not come to its end")
		}
		l.leadsFor(1)
		_, err = post(ToItsEnd(t.Context()), tr, s.URL, large)
		wantHeldBack(t, "a mint of which nothing has left", err, true)
	})
}

func TestAnAnswerIsReadWhateverHasEndedMeanwhile(t *testing.T) {
	overBoth(t, func(t *testing.T, s *service) {
		l := &leader{}
		s.hold = func() { l.over.Store(true) }
		text, err := post(t.Context(), s.to(t, l), s.URL, "a request")
		wantAnswer(t, "that was sent before", text, err)
	})
}

func TestWhatChangesNothingOfOthersLeavesAtAnyTime(t *testing.T) {
	overBoth(t, func(t *testing.T, s *service) {
		l := &leader{}
		tr := s.to(t, l)
		_, _ = post(t.Context(), tr, s.URL, "") // its connection is used again
		l.over.Store(true)
		text, err := post(t.Context(), tr, s.URL+"/free", large)
		wantAnswer(t, "a login", text, err)
	})
}

func TestGuardedRequestsShareNoConnectionAndOthersDo(t *testing.T) {
	s := newService(t, true)
	for want, l := range map[string]*leader{"HTTP/1.1": {}, "HTTP/2.0": nil} {
		_, err := post(t.Context(), s.to(t, l), s.URL, "")
		if got := s.protocol.Load(); err != nil || got != want {
			t.Errorf("a call went over %v, want %s (%v)", got, want, err)
		}
	}
}

// Nothing of it left the first time, so that it is asked about anew.
func TestAMintThatGoesOutOnceMoreBeginsAnew(t *testing.T) {
	l := &leader{}
	p := &passage{mandate: mandate.Mandate{Lasts: l.mayAct}, toEnd: true, ctx: t.Context(), giveUp: func(error) {}}
	conn := &guardedConn{Conn: discard{}}
	p.use(conn)
	_, err := conn.Write([]byte("x"))
	l.over.Store(true)
	if _, again := conn.Write([]byte("y")); err != nil || again != nil {
		t.Errorf("a mint was cut off: %v, %v", err, again)
	}
	p.use(conn)
	_, err = conn.Write([]byte("z"))
	wantHeldBack(t, "over a second connection", err, true)
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestAGuardedConnectionIsFoundUnderTLSAndAProxysTLS(t *testing.T) {
	c := &guardedConn{Conn: discard{}}
	over := tls.Client(tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12}), &tls.Config{MinVersion: tls.VersionTLS12})
	if guardedConnOf(over) != c || guardedConnOf(discard{}) != nil {
		t.Error("it is not found, or found where there is none")
	}
}

// A connection that no Write can be asked about sends nothing.
func TestAConnectionThatIsNotGuardedIsNotUsed(t *testing.T) {
	s := newService(t, false)
	tr := New(Options{MayAct: func() error { return nil }})
	tr.current.DialContext = (&net.Dialer{}).DialContext
	if _, err := post(t.Context(), tr, s.URL, large); err == nil || !strings.Contains(err.Error(), "not guarded") {
		t.Errorf("got %v", err)
	}
}

// Without HTTP/2's questions, the kernel has to notice that a peer is gone; where they are asked, nothing changes.
func TestTheKernelIsAskedToNoticeAPeerThatIsGone(t *testing.T) {
	s := newService(t, false)
	for name, tt := range map[string]struct {
		mayAct  func() error
		options map[int]int
	}{
		"guarded": {func() error { return nil }, map[int]int{
			unix.TCP_KEEPIDLE: 5, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 1, unix.TCP_USER_TIMEOUT: 10_000,
		}},
		"not guarded": {nil, map[int]int{unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 15, unix.TCP_USER_TIMEOUT: 0}},
	} {
		conn, err := Dialer(Options{MayAct: tt.mayAct})(t.Context(), "tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c, guarded := conn.(*guardedConn)
		if guarded {
			conn = c.Conn
		}
		if guarded != (tt.mayAct != nil) {
			t.Errorf("%s: the connection is guarded: %t", name, guarded)
		}
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for option, want := range tt.options {
			if err := raw.Control(func(fd uintptr) {
				if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != want {
					t.Errorf("%s: option %d is %d (%v), want %d", name, option, got, err, want)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The pair shows what the question costs, and that nobody pays who does not ask it.
func BenchmarkACallOfOneWhoNeedNotAsk(b *testing.B) { benchmarkCalls(b, nil) }

func BenchmarkACallOfALeader(b *testing.B) { benchmarkCalls(b, func() error { return nil }) }

func benchmarkCalls(b *testing.B, mayAct func() error) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	tr := New(Options{MayAct: mayAct})
	defer tr.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := post(b.Context(), tr, s.URL, "body"); err != nil {
			b.Fatal(err)
		}
	}
}
