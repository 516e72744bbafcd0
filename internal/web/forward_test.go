package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/forward"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

const sharedCanary = "what-all-replicas-share-canary"

// replica is a server with a daemon, and where it stands among the others.
type replica struct {
	*Server
	daemon *fakeDaemon
	log    logged

	mu       sync.Mutex
	standing forward.Standing
	key      string
	onKey    func() // whenever it is asked for; may be nil
}

func (p *replica) sharedKey() (secret.Value, error) {
	if p.onKey != nil {
		p.onKey()
	}
	return secret.New(p.key), nil
}

func (p *replica) stand(change func(*forward.Standing)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.standing)
}

func (p *replica) stands() forward.Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.standing
}

// newReplica starts one whose TLS has a key of its own. more is more of its web configuration.
func newReplica(t *testing.T, a *authority, name, more string) *replica {
	t.Helper()
	a.issue(t, name)
	p := &replica{daemon: newDaemon(), key: sharedCanary}
	o := options(p.daemon)
	o.Listen, o.Log = "127.0.0.1:0", p.log.logger()
	o.WebConfigFile = filepath.Join(a.dir, name+".yml")
	writeFile(t, o.WebConfigFile, fmt.Sprintf("tls_server_config: {cert_file: %s.pem, key_file: %s.key%s}\n%s", name, name, more, users()))
	o.AdminSocket = filepath.Join(t.TempDir(), "run", "admin.sock")
	o.Replicas = forward.New(forward.Options{
		Name: name, Standing: p.stands, Key: p.sharedKey,
	})
	p.Server = New(o)
	start(t, p.Server)
	return p
}

// newPair starts a leader, a, and a standby, b, that knows it.
func newPair(t *testing.T, more string) (a, b *replica) {
	t.Helper()
	by := newAuthority(t)
	a, b = newReplica(t, by, "a", more), newReplica(t, by, "b", more)
	leads := forward.Leader{Replica: "a", Advertise: "https://" + a.Addr(), SPKI: a.SPKI(), Term: 7, Since: now.Add(-2 * time.Hour)}
	a.stand(func(s *forward.Standing) { *s = forward.Standing{Leads: true, Leader: leads} })
	b.stand(func(s *forward.Standing) { *s = forward.Standing{Leader: leads} })
	return a, b
}

// ask asks through the admin socket.
func (p *replica) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, "http://rotatord"+path, strings.NewReader(body)))
	answer, err := overSocket(p.AdminSocket).Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

func TestAStandbyHasTheLeaderAnswerAndTheHistoryTellsWhoAsked(t *testing.T) {
	a, b := newPair(t, "")
	a.daemon.events = []slot.Event{{At: now, Slot: "live/subscribe", Kind: slot.EventRotated}}
	for _, tt := range []struct {
		method, path, body string
		status             int
		asked, answer      string
	}{
		{"GET", "/api/v1/slots", "", 200, "", `"leader":{"replica":"a","since":"2026-11-23T10:00:00Z"}`},
		{"GET", "/api/v1/slots/live/subscribe", "", 200, "", `"slot": "live/subscribe"`},
		{"GET", "/api/v1/slots/no/such", "", 404, "", "there is no slot no/such"},
		{"POST", rotateIt, `{"compromised":true}`, 202, "rotate live subscribe by uid", `"slot": "live/subscribe"`},
		{"POST", rotateIt, `{"compromized":true}`, 400, "", "not the JSON that is expected"},
		{"POST", rotateIt, strings.Repeat(" ", 1<<20), 413, "", "larger than 65536 bytes"},
		{"GET", "/api/v1/history?slot=live%2Fsubscribe", "", 200, "history live subscribe", `"what": "rotated"`},
		{"GET", "/api/v1/tokens/live", "", 200, "tokens live", `"token_id": "t1"`},
		{"POST", "/api/v1/tokens/live/prune", `{"dry_run":true}`, 200, "prune live dry", "tokens"},
		{"GET", "/api/v1/plan?for=24h0m0s", "", 200, "plan 24h0m0s", "live/subscribe"},
		{"GET", "/?q=live", "", 200, "", "Replica a leads, since Mon 2026-11-23 10:00:00 UTC (2 h ago). This page is its, through replica b, which stands by."},
		{"GET", "/slots/live/subscribe", "", 200, "history live subscribe", "through replica b"},
	} {
		a.daemon.asked = nil
		status, answer := b.ask(t, tt.method, tt.path, tt.body)
		if status != tt.status || !strings.HasPrefix(a.daemon.lastAsked(), tt.asked) || tt.asked == "" && a.daemon.lastAsked() != "" || !strings.Contains(answer, tt.answer) {
			t.Errorf("%s %s: %d, the leader was asked %q; want %d, %q: %s", tt.method, tt.path, status, a.daemon.lastAsked(), tt.status, tt.asked, answer)
		}
	}
	a.daemon.asked = nil
	if _, _ = b.ask(t, "POST", rotateIt, ""); !strings.Contains(a.daemon.lastAsked(), ", through replica b") {
		t.Errorf("the history would tell %q", a.daemon.lastAsked())
	}
	if len(b.daemon.asked) > 0 {
		t.Errorf("the standby was asked %q", b.daemon.asked)
	}
}

// What is of the one replica alone is not sent on.
func TestAReplicaAnswersForItself(t *testing.T) {
	a, b := newPair(t, "")
	b.daemon.ready = errors.New("its copy is behind")
	for path, want := range map[string]string{"/-/ready": "its copy is behind", "/-/healthy": "healthy", "/metrics": "metrics"} {
		if _, answer := b.ask(t, "GET", path, ""); !strings.Contains(answer, want) {
			t.Errorf("%s: %s", path, answer)
		}
	}
	if status, _ := b.ask(t, "POST", "/-/reload", ""); status != 200 || b.daemon.lastAsked() != "reload" || len(a.daemon.asked) > 0 {
		t.Errorf("a reload: %d, asked %q, the leader %q", status, b.daemon.lastAsked(), a.daemon.asked)
	}
}

func TestAUserOfAStandbyIsAUserOfTheLeader(t *testing.T) {
	a, b := newPair(t, "")
	c := (&authority{pool: nil}).client()
	c.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	at := "https://" + b.Addr() + rotateIt
	if status, _ := call(t, c, "POST", at, "ada", "wrong"); status != 401 {
		t.Errorf("a wrong password: %d", status)
	}
	if status, _ := call(t, c, "POST", at, "ada", password, "Origin", "https://evil.example"); status != 403 || len(a.daemon.asked) > 0 {
		t.Errorf("another site's: %d, asked %q", status, a.daemon.asked)
	}
	status, answer := call(t, c, "POST", at, "ada", password)
	if status != 202 || a.daemon.lastAsked() != "rotate live subscribe by user ada, through replica b " {
		t.Errorf("ada's: %d, asked %q: %s", status, a.daemon.lastAsked(), answer)
	}
}

func TestALeaderThatAsksForCertificatesIsShownTheListeners(t *testing.T) {
	a, b := newPair(t, ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert")
	if status, answer := b.ask(t, "POST", rotateIt, ""); status != 202 || a.daemon.lastAsked() == "" {
		t.Errorf("%d: %s", status, answer)
	}
}

func TestWhereNoLeaderAnswersAStandbySaysWhoLedLastAndWhatToDo(t *testing.T) {
	nobody := must(net.Listen("tcp", "127.0.0.1:0"))
	_ = nobody.Close()
	for name, tt := range map[string]struct {
		change func(*forward.Standing)
		words  []string
	}{
		"nobody yet":     {func(s *forward.Standing) { *s = forward.Standing{} }, []string{"no replica leads", "look at the logs of the replicas, and at etcd"}},
		"nobody now":     {func(s *forward.Standing) { s.Vacant = true }, []string{"no replica leads now", "a led last, since 2026-11-23"}},
		"no address":     {func(s *forward.Standing) { s.Leader.Advertise = "" }, []string{"replica a leads since 2026-11-23", "ask there", "server.advertise"}},
		"no TLS":         {func(s *forward.Standing) { s.Leader.SPKI = "" }, []string{"replica a leads", "ask there", "server.web_config_file"}},
		"nobody there":   {func(s *forward.Standing) { s.Leader.Advertise = "https://" + nobody.Addr().String() }, []string{"replica a leads", "not reached", "connection refused", "Nothing was asked"}},
		"somebody else":  {func(s *forward.Standing) { s.Leader.SPKI = strings.Repeat("0", 64) }, []string{"somebody else answers", "Nothing was asked"}},
		"another's term": {func(s *forward.Standing) { s.Leader.Term++ }, []string{"replica a did not let the request in, so that nothing was done", "not in the term that is meant"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, "")
			b.stand(tt.change)
			for _, way := range []struct{ method, path string }{{"POST", rotateIt}, {"GET", "/api/v1/slots"}, {"GET", "/"}} {
				status, answer := b.ask(t, way.method, way.path, "")
				for _, words := range tt.words {
					if status != 503 || !strings.Contains(answer, words) {
						t.Errorf("%s %s: %d, want 503 and %q: %s", way.method, way.path, status, words, answer)
					}
				}
			}
			if len(a.daemon.asked) > 0 {
				t.Errorf("the leader was asked %q", a.daemon.asked)
			}
		})
	}
}

func TestALeaderWhoseTermHasEndedLetsNothingIn(t *testing.T) {
	a, b := newPair(t, "")
	a.stand(func(s *forward.Standing) { s.Leads = false })
	status, answer := b.ask(t, "POST", rotateIt, "")
	if status != 503 || !strings.Contains(answer, "nothing was done") || len(a.daemon.asked) > 0 {
		t.Errorf("%d, asked %q: %s", status, a.daemon.asked, answer)
	}
}

// Else two replicas that take each other for the leader would send it to and fro.
func TestARequestIsSentOnOnce(t *testing.T) {
	a, b := newPair(t, "")
	b.Replicas.Name = ""
	back := forward.Leader{Replica: "b", Advertise: "https://" + b.Addr(), SPKI: b.SPKI(), Term: 8}
	a.onKey = func() { a.stand(func(s *forward.Standing) { *s = forward.Standing{Leader: back} }) } // its term ends after the request was let in
	status, answer := b.ask(t, "POST", rotateIt, "")
	if status != 503 || !strings.Contains(answer, "nothing was done: this replica leads no more") || len(a.daemon.asked)+len(b.daemon.asked) > 0 {
		t.Errorf("%d, asked %q and %q: %s", status, a.daemon.asked, b.daemon.asked, answer)
	}
}

// between is whoever has got hold of the leader's key and stands between: it sees requests, and answers as it likes.
type between struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, body []byte)
	seen   atomic.Int64 // beside those for a nonce
}

// newBetween stands between b and a.
func newBetween(t *testing.T, a, b *replica, answer func(w http.ResponseWriter, r *http.Request, body []byte)) *between {
	t.Helper()
	m := &between{answer: answer}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/-/nonce" {
			m.pass(w, a, r, body)
			return
		}
		m.seen.Add(1)
		answer(w, r, body)
	}))
	m.TLS = &tls.Config{Certificates: []tls.Certificate{*a.shownCertificate()}, MinVersion: tls.VersionTLS12}
	m.StartTLS()
	t.Cleanup(m.Close)
	b.stand(func(s *forward.Standing) { s.Leader.Advertise = m.URL })
	return m
}

// pass has the leader answer a request, which may have been changed.
func (m *between) pass(w http.ResponseWriter, a *replica, r *http.Request, body []byte) (status int, text string) {
	to, err := http.NewRequestWithContext(context.Background(), r.Method, "https://"+a.Addr()+r.RequestURI, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	to.Header = r.Header.Clone()
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
	}}
	answer, err := c.Do(to)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	all, _ := io.ReadAll(answer.Body)
	if w != nil {
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(all)
	}
	return answer.StatusCode, string(all)
}

func TestARequestThatWasChangedOnItsWayIsRefused(t *testing.T) {
	for name, change := range map[string]func(r *http.Request, body []byte) []byte{
		"its body": func(*http.Request, []byte) []byte { return []byte(`{"compromised":true}`) },
		"its path": func(r *http.Request, body []byte) []byte {
			r.RequestURI = "/api/v1/slots/edge/subscribe/rotate"
			return body
		},
		"its query": func(r *http.Request, body []byte) []byte { r.RequestURI += "?x"; return body },
		"its method": func(r *http.Request, body []byte) []byte {
			r.Method = "GET"
			r.RequestURI = "/api/v1/slots"
			return body
		},
		"who asks":         func(r *http.Request, body []byte) []byte { r.Header.Set("Rotatord-Caller", "root"); return body },
		"through whom":     func(r *http.Request, body []byte) []byte { r.Header.Set("Rotatord-Replica", "c"); return body },
		"the nonce":        func(r *http.Request, body []byte) []byte { r.Header.Set("Rotatord-Nonce", "x"); return body },
		"the term":         func(r *http.Request, body []byte) []byte { r.Header.Set("Rotatord-Term", "8"); return body },
		"the signature":    func(r *http.Request, body []byte) []byte { r.Header.Set("Rotatord-Signature", "00"); return body },
		"it is not signed": func(r *http.Request, body []byte) []byte { r.Header.Del("Rotatord-Signature"); return body },
		"it is too large":  func(_ *http.Request, body []byte) []byte { return make([]byte, 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, "")
			var m *between
			var status int
			m = newBetween(t, a, b, func(w http.ResponseWriter, r *http.Request, body []byte) {
				body = change(r, body)
				status, _ = m.pass(w, a, r, body)
			})
			_, _ = b.ask(t, "POST", rotateIt, "{}")
			if m.seen.Load() != 1 || status < 400 || len(a.daemon.asked) > 0 {
				t.Errorf("%d were sent, answered with %d, and the leader was asked %q", m.seen.Load(), status, a.daemon.asked)
			}
			m.Close()
		})
	}
}

func TestARequestIsServedOnceAndNotInAnotherTerm(t *testing.T) {
	a, b := newPair(t, "")
	var m *between
	var kept *http.Request
	m = newBetween(t, a, b, func(w http.ResponseWriter, r *http.Request, body []byte) {
		kept = r.Clone(context.Background())
		_, _ = m.pass(w, a, r, body)
	})
	if status, answer := b.ask(t, "POST", rotateIt, "{}"); status != 202 {
		t.Fatalf("%d: %s", status, answer)
	}
	a.daemon.asked = nil
	if status, text := m.pass(nil, a, kept, []byte("{}")); status != 403 || !strings.Contains(text, "it was served before") {
		t.Errorf("once more: %d: %s", status, text)
	}
	a.stand(func(s *forward.Standing) { s.Leader.Term++ })
	if status, text := m.pass(nil, a, kept, []byte("{}")); status != 503 || !strings.Contains(text, "not in the term") {
		t.Errorf("in the next term: %d: %s", status, text)
	}
	if len(a.daemon.asked) > 0 {
		t.Errorf("the leader was asked %q", a.daemon.asked)
	}
	if !strings.Contains(a.log.String(), "failed login") {
		t.Error("nobody is told of the attack")
	}
}

func TestWhoHasAnotherKeyIsNotLetIn(t *testing.T) {
	a, b := newPair(t, "")
	b.key = "guessed"
	status, answer := b.ask(t, "POST", rotateIt, "")
	if status != 503 || !strings.Contains(answer, "its signature is wrong") || len(a.daemon.asked) > 0 {
		t.Errorf("%d, asked %q: %s", status, a.daemon.asked, answer)
	}
}

// It may have been carried out: it is not sent again, and who asked is told what to do.
func TestARotationWhoseAnswerIsLostIsNotAskedForAgain(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, _ *http.Request, _ []byte){
		"none comes": func(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) },
		"half of one": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"slot":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, "")
			m := newBetween(t, a, b, answer)
			status, text := b.ask(t, "POST", rotateIt, "")
			if name == "none comes" && (status != 504 || !strings.Contains(text, "see `rotatord history`, and ask again if it is not there")) {
				t.Errorf("%d: %s", status, text)
			}
			if name == "half of one" && status != 0 {
				t.Errorf("half an answer is taken for one: %d: %s", status, text)
			}
			if m.seen.Load() != 1 {
				t.Errorf("it was sent %d times", m.seen.Load())
			}
			m.Close()
		})
	}
}

// Neither answers, logs nor what the other side sees hold what the replicas share.
func TestWhatReplicasShareIsNowhereToBeSeen(t *testing.T) {
	a, b := newPair(t, "")
	var seen bytes.Buffer
	var m *between
	m = newBetween(t, a, b, func(w http.ResponseWriter, r *http.Request, body []byte) {
		fmt.Fprint(&seen, r.Header, string(body))
		_, text := m.pass(w, a, r, body)
		seen.WriteString(text)
	})
	_, answer := b.ask(t, "POST", rotateIt, "{}")
	b.key = sharedCanary + "x"
	_, refused := b.ask(t, "POST", rotateIt, "{}")
	m.Close()
	all := seen.String() + answer + refused + a.log.String() + b.log.String()
	if !strings.Contains(all, "Rotatord-Signature") {
		t.Fatal("nothing was seen: the test cannot fail")
	}
	if strings.Contains(all, sharedCanary) {
		t.Error("the key leaked")
	}
}

func TestWithoutReplicasNothingIsSentOnAndNobodyIsLetIn(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	s := public(t, newDaemon(), a.dir, "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"+users(), nil)
	for _, path := range []string{"/-/nonce", "/api/v1/slots"} {
		if status, _ := call(t, a.client(), "GET", "https://"+s.Addr()+path, "", "", "Rotatord-Signature", "00"); status != 401 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestAClientIsToldWhichReplicaLeads(t *testing.T) {
	_, b := newPair(t, "")
	c := adminapi.NewClient(b.AdminSocket)
	defer c.Close()
	all, err := c.Status(t.Context())
	if err != nil || all.Leader == nil || all.Leader.Replica != "a" || !all.Leader.Since.Equal(now.Add(-2*time.Hour)) || len(all.Slots) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
}

// A picture of it is kept where WEB_SCREENSHOTS names a folder.
func TestThePageOfAStandbyIsTheLeadersAndSaysSo(t *testing.T) {
	browser := openBrowser(t)
	_, b := newPair(t, "")
	s := httptest.NewServer(b.adminHandler())
	defer s.Close()
	for _, name := range []string{"standby", "vacant"} {
		b.stand(func(s *forward.Standing) { s.Vacant = name == "vacant" })
		browser.open(s.URL+"/", 1280)
		browser.shoot("replicas-" + name)
		if found := browser.read(cutOff); found != "" {
			t.Errorf("%s:\n%s", name, found)
		}
		want := map[string]string{"standby": "through replica b", "vacant": "a led last"}[name]
		if text, _ := browser.read("document.body.innerText").(string); !strings.Contains(text, want) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
