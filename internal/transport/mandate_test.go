package transport

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/internal/mandate"
)

// queueBehind returns a transport to s with one connection, which a request of its own has until it is told to end.
func (s *service) queueBehind(t *testing.T) (tr *Transport, end func()) {
	t.Helper()
	answer, begun := make(chan struct{}), make(chan struct{})
	s.hold = func() { close(begun); <-answer }
	tr = New(Options{Connections: 1, MayAct: func() error { return nil }})
	t.Cleanup(tr.CloseIdleConnections)
	first := make(chan error, 1)
	go func() {
		_, err := post(context.WithoutCancel(t.Context()), tr, s.URL, "first")
		first <- err
	}()
	<-begun
	s.hold = nil
	return tr, func() {
		close(answer)
		if err := <-first; err != nil {
			t.Error(err)
		}
	}
}

// postQueued sends a request under a mandate; meanwhile is called once it waits for a connection.
func postQueued(t *testing.T, s *service, tr *Transport, m mandate.Mandate, meanwhile func()) (string, error) {
	t.Helper()
	waits := make(chan struct{})
	tell := sync.OnceFunc(func() { close(waits) })
	ctx := httptrace.WithClientTrace(mandate.With(t.Context(), m), &httptrace.ClientTrace{GetConn: func(string) { tell() }})
	go func() { <-waits; meanwhile() }()
	return post(ctx, tr, s.URL, large)
}

func TestTheTermIsProvenOnceARequestHasItsConnectionAndNotAgain(t *testing.T) {
	s := newService(t, false)
	tr, end := s.queueBehind(t)
	var hasTurn atomic.Bool
	var early, proofs atomic.Int64
	m := mandate.Mandate{Proof: func(context.Context) error {
		if !hasTurn.Load() {
			early.Add(1)
		}
		proofs.Add(1)
		return nil
	}}
	text, err := postQueued(t, s, tr, m, func() { hasTurn.Store(true); end() })
	wantAnswer(t, "after its wait", text, err)
	if early.Load() > 0 || proofs.Load() != 1 {
		t.Errorf("%d proofs, %d of them while it still waited; want one", proofs.Load(), early.Load())
	}
}

func TestWithoutAProofNothingLeaves(t *testing.T) {
	s := newService(t, false)
	tr := s.to(t, &leader{})
	m := mandate.Mandate{Proof: func(context.Context) error { return errLed }}
	for _, ctx := range []context.Context{t.Context(), ToItsEnd(t.Context())} {
		_, err := post(mandate.With(ctx, m), tr, s.URL, "a revocation")
		wantHeldBack(t, "unproven", err, true)
	}
	if text, err := post(mandate.With(t.Context(), m), tr, s.URL+"/free", "a login"); err != nil || s.begun.Load() != 1 {
		t.Errorf("a login: %q, %v; %d requests came", text, err, s.begun.Load())
	}
}

func TestARequestGoesByTheTermInWhichItBeganAlone(t *testing.T) {
	s := newService(t, false)
	process := &leader{} // which leads again
	tr, end := s.queueBehind(t)
	var over atomic.Bool
	m := mandate.Mandate{Lasts: func() error {
		if over.Load() {
			return errLed
		}
		return process.mayAct()
	}}
	_, err := postQueued(t, s, tr, m, func() { over.Store(true); end() })
	wantHeldBack(t, "in the next term", err, true)

	process.over.Store(true) // it has ended one term, and does not know the next one yet
	if text, err := post(mandate.With(t.Context(), mandate.Mandate{}), s.to(t, process), s.URL, ""); err != nil {
		t.Errorf("under a mandate of its own: %q, %v", text, err)
	}
	if _, err := post(t.Context(), s.to(t, process), s.URL, ""); !errors.Is(err, errLed) {
		t.Errorf("without one: %v", err)
	}
}
