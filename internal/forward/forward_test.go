package forward

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/secret"
)

func TestANonceIsGoodOnceAndNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNonces(time.Minute, 2)
		once, other, late := n.giveOut(), n.giveOut(), n.giveOut()
		if once == other {
			t.Fatal("two are one")
		}
		for i, want := range []bool{true, false} {
			if fresh, _ := n.use(once); fresh != want {
				t.Errorf("use %d of one: %t", i+1, fresh)
			}
		}
		if fresh, _ := n.use(other); !fresh {
			t.Error("another is not good")
		}
		<-time.After(time.Minute)
		if fresh, _ := n.use(late); fresh || n.isGood(late) {
			t.Error("it is good for ever")
		}
	})
}

func TestANonceThatWasNotGivenOutIsNotGood(t *testing.T) {
	n := newNonces(time.Minute, 2)
	good := n.giveOut()
	for _, bad := range []string{"", "x", good[1:], good + "A", strings.ToUpper(good), newNonces(time.Minute, 2).giveOut(), strings.Repeat("A", len(good))} {
		if n.isGood(bad) {
			t.Errorf("%q is good", bad)
		}
	}
}

// Who has the key cannot fill the memory either.
func TestNoMoreNoncesAreRememberedThanMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNonces(time.Minute, 100)
		for range 100 {
			if fresh, full := n.use(n.giveOut()); !fresh || full {
				t.Fatal("one is refused")
			}
		}
		if fresh, full := n.use(n.giveOut()); fresh || !full || len(n.used) != 100 {
			t.Errorf("one more: %t, %t, of %d", fresh, full, len(n.used))
		}
		<-time.After(time.Minute)
		if fresh, full := n.use(n.giveOut()); !fresh || full || len(n.used) != 1 {
			t.Errorf("a minute later: %t, %t, of %d", fresh, full, len(n.used))
		}
	})
}

// world is a leader, as a handler, and a standby.
func world(t *testing.T, leader http.HandlerFunc) *Replica {
	t.Helper()
	s := httptest.NewTLSServer(leader)
	t.Cleanup(s.Close)
	p := New(Options{
		Name: "b", Key: func() (secret.Value, error) { return secret.New("key"), nil },
		Standing: func() Standing {
			return Standing{Leader: Leader{Replica: "a", Advertise: s.URL, SPKI: PinOf(s.Certificate()), Term: 1}}
		},
	})
	t.Cleanup(func() { p.sender.transport.CloseIdleConnections() })
	return p
}

// withNonce gives nonces out, and leaves the rest to next.
func withNonce(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathNonce {
			_, _ = io.WriteString(w, "nonce")
			return
		}
		next(w, r)
	}
}

// send sends a request on, and returns what came of it.
func send(p *Replica, method string) (answer *httptest.ResponseRecorder, failure *Failure, brokeOff bool) {
	answer = httptest.NewRecorder()
	defer func() {
		if recover() == http.ErrAbortHandler {
			brokeOff = true
		}
	}()
	failure = p.Send(answer, httptest.NewRequest(method, "/api/v1/slots/live/subscribe/rotate", strings.NewReader("")), "ada")
	return answer, failure, false
}

// slowWay is a leader whose answers take time, of which a bubble has enough.
type slowWay func(r *http.Request) (io.Reader, error)

func (slowWay) CloseIdleConnections() {}

// RoundTrip gives nonces out, and leaves the rest to w.
func (w slowWay) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == pathNonce {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("nonce"))}, nil
	}
	body, err := w(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body)}, nil
}

// hang waits until who asked has gone.
func hang(r *http.Request) error {
	<-r.Context().Done()
	return r.Context().Err()
}

// reader makes an io.Reader of a function.
type reader func(b []byte) (int, error)

func (f reader) Read(b []byte) (int, error) { return f(b) }

// throughWay is a standby that reaches its leader by w.
func throughWay(w way) *Replica {
	l := Leader{Replica: "a", Advertise: "https://a:1", SPKI: "x", Term: 1}
	p := New(Options{
		Name: "b", Key: func() (secret.Value, error) { return secret.New("key"), nil }, Standing: func() Standing { return Standing{Leader: l} },
	})
	p.sender.to, p.sender.transport = wayTo(l), w
	return p
}

// deaf is a leader that answers nothing, asked for a nonce either.
type deaf struct{ slowWay }

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) { return nil, hang(r) }

func TestALeaderThatHangsIsNotWaitedForForEver(t *testing.T) {
	hangs := slowWay(func(r *http.Request) (io.Reader, error) { return nil, hang(r) })
	stops := slowWay(func(r *http.Request) (io.Reader, error) {
		return io.MultiReader(strings.NewReader("half"), reader(func([]byte) (int, error) { return 0, hang(r) })), nil
	})
	for _, tt := range []struct {
		name, method string
		leader       way
		after        time.Duration
		status       int
		words        string
		brokeOff     bool
	}{
		{"before anything is asked", "POST", deaf{}, 5 * time.Second, 503, "no answer in time. Nothing was asked", false},
		{"with a request", "POST", hangs, 30 * time.Second, 504, "It is not known whether it took the request down", false},
		{"with a question", "GET", hangs, 30 * time.Second, 504, "Ask again", false},
		{"in its answer", "GET", stops, 30 * time.Second, 0, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, failure, brokeOff := send(throughWay(tt.leader), tt.method)
				switch {
				case brokeOff != tt.brokeOff || time.Since(begin) != tt.after:
					t.Errorf("it broke off: %t, after %s (%v)", brokeOff, time.Since(begin), failure)
				case !brokeOff && (failure == nil || failure.Status != tt.status || !strings.Contains(failure.Text, tt.words)):
					t.Errorf("got %+v, want %d and %q", failure, tt.status, tt.words)
				}
			})
		})
	}
}

func TestALongAnswerMayTakeItsTimeIfItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 10
		answer, failure, brokeOff := send(throughWay(slowWay(func(*http.Request) (io.Reader, error) {
			return reader(func(b []byte) (int, error) {
				if left == 0 {
					return 0, io.EOF
				}
				left--
				<-time.After(20 * time.Second)
				return copy(b, "part "), nil
			}), nil
		})), "GET")
		if failure != nil || brokeOff || answer.Body.String() != strings.Repeat("part ", 10) {
			t.Errorf("%v, %t: %s", failure, brokeOff, answer.Body)
		}
	})
}

func TestAnAnswersOwnHeadersAreHandedOnAndNoOthers(t *testing.T) {
	p := world(t, withNonce(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization")+r.Header.Get("Cookie") != "" {
			t.Error("what proves who asked went along")
		}
		for _, name := range []string{"Content-Security-Policy", "Set-Cookie", "X-Theirs", "Content-Type"} {
			w.Header().Set(name, "theirs")
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Basic x")
	r.Header.Set("Cookie", "y")
	if failure := p.Send(w, r, "ada"); failure != nil {
		t.Fatal(failure)
	}
	got := fmt.Sprint(w.Code, w.Header().Get("Content-Security-Policy"), w.Header().Get("Content-Type"), w.Header().Get("Set-Cookie"), w.Header().Get("X-Theirs"))
	if got != "418 theirs theirs" && got != "418theirstheirs" {
		t.Errorf("handed on: %s", got)
	}
}

// A page that is opened again and again while the leader hangs costs nothing that stays.
func TestNothingIsLeftOfRequestsThatWereGivenUp(t *testing.T) {
	p := world(t, withNonce(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	p.limits.quick = 10 * time.Millisecond
	_, _, _ = send(p, "GET")
	before := runtime.NumGoroutine()
	for range 20 {
		_, _, _ = send(p, "GET")
	}
	p.sender.transport.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// What answers may be another's as soon as the card changes.
func TestAnotherLeaderIsReachedOverItsOwnConnections(t *testing.T) {
	var s sender
	a := Leader{Advertise: "https://a:1", SPKI: "x"}
	first := s.transportTo(a, Options{}, defaultLimits())
	if s.transportTo(a, Options{}, defaultLimits()) != first {
		t.Error("connections to one leader are not used again")
	}
	a.SPKI = "y"
	if s.transportTo(a, Options{}, defaultLimits()) == first {
		t.Error("those to who had another key are")
	}
	if err := pinnedTo("x", nil).VerifyConnection(tls.ConnectionState{}); err == nil {
		t.Error("who shows nothing is let pass")
	}
}

func TestASignatureIsOverAllThatIsAsked(t *testing.T) {
	key, body := secret.New("key"), []byte("body")
	signed := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/a?b=c", nil)
		sign(r, key, body, 7, "nonce", "replica b", "user ada")
		return r
	}
	if !isSigned(signed(), "/a?b=c", key, body) {
		t.Fatal("none is good: the test cannot fail")
	}
	for name, change := range map[string]func(r *http.Request, target *string, key *secret.Value, body *[]byte){
		"its method": func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Method = http.MethodGet },
		"its path":   func(_ *http.Request, target *string, _ *secret.Value, _ *[]byte) { *target = "/b?b=c" },
		"its query":  func(_ *http.Request, target *string, _ *secret.Value, _ *[]byte) { *target = "/a" },
		"the key":    func(_ *http.Request, _ *string, key *secret.Value, _ *[]byte) { *key = secret.New("other") },
		"its body":   func(_ *http.Request, _ *string, _ *secret.Value, body *[]byte) { *body = nil },
		"the term":   func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Header.Set(headerTerm, "8") },
		"the nonce":  func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Header.Set(headerNonce, "x") },
		"replica":    func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Header.Set(headerReplica, "c") },
		"caller":     func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Header.Set(headerCaller, "root") },
		"two that are shifted": func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) {
			r.Header.Set(headerReplica, r.Header.Get(headerReplica)+r.Header.Get(headerCaller)[:1])
			r.Header.Set(headerCaller, r.Header.Get(headerCaller)[1:])
		},
		"none": func(r *http.Request, _ *string, _ *secret.Value, _ *[]byte) { r.Header.Del(headerSignature) },
	} {
		r, target, key, body := signed(), "/a?b=c", key, body
		change(r, &target, &key, &body)
		if isSigned(r, target, key, body) {
			t.Errorf("it is good with %s changed", name)
		}
	}
}
