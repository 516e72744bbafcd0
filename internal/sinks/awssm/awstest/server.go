// Package awstest is a local AWS Secrets Manager, and as much of STS as assuming
// a role takes, for tests. It follows AWS's API reference: error names, staging
// labels, idempotency by ClientRequestToken, refusals on deleted secrets, signed
// requests. Everything is in memory.
package awstest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the server is and whom it knows from the start.
const (
	Region          = "eu-west-1"
	AccountID       = "123456789012"
	AccessKeyID     = "AKIATESTTESTTESTTEST"
	SecretAccessKey = "test/secret/access/key"
)

// Server is one region of one account. All methods are safe for concurrent use.
type Server struct {
	URL string

	mu      sync.Mutex
	secrets map[string]*secret
	keys    map[string]accessKey // by access key id
	calls   []string
	actions map[string]bool
	skew    time.Duration
	fault   func(op, secretID string) *Failure
}

// Failure is what happens to a call instead of, or after, its work.
type Failure struct {
	Status        int    // HTTP status of an error answer
	Code, Message string // AWS's name of the error and its text
	// Lost does the work and drops the connection without an answer.
	Lost bool
	// Dropped drops the connection without doing the work.
	Dropped bool
	// Hang holds the call until it is closed or the client leaves, then drops it.
	Hang <-chan struct{}
}

// New starts a server on loopback that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		secrets: map[string]*secret{}, actions: map[string]bool{},
		keys: map[string]accessKey{AccessKeyID: {secret: SecretAccessKey}},
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Inject asks f before each call whether it is to fail; nil ends that. op is the
// name of the operation, such as PutSecretValue.
func (s *Server) Inject(f func(op, secretID string) *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetSkew sets the server's clock off by d.
func (s *Server) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// Calls lists the operations asked for so far, in order.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// Actions lists what a policy of IAM must allow for the calls so far, sorted.
func (s *Server) Actions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.actions))
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	op, isJSON := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	w.Header().Set("X-Amzn-Requestid", "request-"+rand.Text()[:8])
	w.Header().Set("Date", s.serverTime().UTC().Format(http.TimeFormat))
	if !isJSON {
		s.serveSTS(w, r, body)
		return
	}
	answer, failure := s.serveCall(r, op, body)
	if failure != nil {
		writeError(w, failure)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// serveCall checks who calls, lets an injected failure come first, and does the work.
func (s *Server) serveCall(r *http.Request, op string, body []byte) (any, *Failure) {
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, failWith("SerializationException", "%s", err)
	}
	s.noteCall(op, "secretsmanager:"+op)
	if len(in.Tags) > 0 { // whatever else is done in the same call
		s.noteAction("secretsmanager:TagResource")
	}
	if f := s.verifySignature(r, body, "secretsmanager"); f != nil {
		return nil, f
	}
	injected := s.injectedFailure(s.nameOfCall(op, &in), in.secretID())
	if injected != nil && !injected.Lost {
		injected.wait(r)
		return nil, injected
	}
	answer, failure := s.carryOut(op, &in)
	if injected != nil {
		return nil, injected
	}
	return answer, failure
}

func (s *Server) noteCall(op, action string) {
	s.noteAction(action)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, op)
}

func (s *Server) noteAction(action string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actions[action] = true
}

// Repeat is what Inject's function sees a PutSecretValue as that names a version which is there already.
const Repeat = "PutSecretValue, repeated"

func (s *Server) nameOfCall(op string, in *request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec, f := s.findSecret(in.SecretID); op == "PutSecretValue" && f == nil && sec.versions[in.ClientRequestToken] != nil {
		return Repeat
	}
	return op
}

func (s *Server) injectedFailure(op, id string) *Failure {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op, id) // without the lock: it may call the server's methods
}

func (f *Failure) wait(r *http.Request) {
	if f.Hang == nil {
		return
	}
	select {
	case <-f.Hang:
	case <-r.Context().Done():
	}
}

func (s *Server) serverTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.skew)
}

func (s *Server) carryOut(op string, in *request) (any, *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	work, ok := map[string]func(*request) (any, *Failure){
		"CreateSecret":             s.createSecret,
		"PutSecretValue":           s.putSecretValue,
		"GetSecretValue":           s.getSecretValue,
		"DescribeSecret":           s.describeSecret,
		"UpdateSecretVersionStage": s.updateSecretVersionStage,
		"DeleteSecret":             s.deleteSecret,
		"RestoreSecret":            s.restoreSecret,
		"ListSecretVersionIds":     s.listSecretVersionIDs,
		"RotateSecret":             s.rotateSecret,
		"CancelRotateSecret":       s.cancelRotateSecret,
		"TagResource":              s.tagResource,
	}[op]
	if !ok {
		return nil, failWith("UnknownOperationException", "%s", op)
	}
	return work(in)
}

func writeError(w http.ResponseWriter, f *Failure) {
	if f.Lost || f.Dropped || f.Hang != nil {
		panic(http.ErrAbortHandler)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	writeJSON(w, status, map[string]string{"__type": f.Code, "Message": f.Message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}
