package cf

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/mandate"
	"github.com/rotatord/rotatord/internal/moq"
)

var errLed = errors.New("its lease is not confirmed")

// term is one that ends when it is told to, or at a question.
type term struct {
	over atomic.Bool
	left atomic.Int64 // questions; 0: any number
}

func (l *term) mayAct() error {
	if l.over.Load() || l.left.Load() > 0 && l.left.Add(-1) == 0 {
		return errLed
	}
	return nil
}

func (w *overTLS) callAll(t *testing.T) map[string]error {
	t.Helper()
	ctx, p := t.Context(), moq.Priority{}
	_, create := w.Create(ctx, p, testRelay, moq.NewToken{Operations: moq.Subscribe.Operations()})
	_, rotate := w.Rotate(ctx, p, testRelay, moq.Subscribe)
	_, list := w.List(ctx, p, testRelay)
	_, relay := w.Relay(ctx, p, testRelay)
	revoke := w.Revoke(ctx, p, testRelay, strings.Repeat("0", 32))
	return map[string]error{"create": create, "rotate": rotate, "list": list, "relay": relay, "revoke": revoke}
}

func TestNoCallIsMadeByWhoLeadsNoMore(t *testing.T) {
	l, told := &term{}, &requests{}
	w := newOverTLS(t, func(o *Options) { o.MayAct, o.Observer = l.mayAct, told })
	l.over.Store(true)
	for name, err := range w.callAll(t) {
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Class != fault.Retry || f.Reason != fault.Canceled || !f.Unsent || !errors.Is(err, errLed) ||
			!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "this replica leads no more") {
			t.Errorf("%s: %v, want that nothing was sent, and why", name, err)
		}
	}
	if told.n.Load() != 0 || w.connections.Load() != 0 {
		t.Errorf("%d requests were counted, %d connections made", told.n.Load(), w.connections.Load())
	}
	l.over.Store(false)
	w.rotate(t)
	w.expect(t, "in the next term", 1)
}

// requests counts them.
type requests struct {
	unobserved
	n atomic.Int64
}

func (r *requests) Request(string, string, string, time.Duration) { r.n.Add(1) }

// An intent that was sent is known to be carried out, or not, in whose term ever.
func TestAnAnswerIsReadThoughTheTermHasEndedMeanwhile(t *testing.T) {
	l := &term{}
	w := newOverTLS(t, func(o *Options) { o.MayAct = l.mayAct })
	w.before = func(*http.Request) { l.over.Store(true) }
	if value, err := w.Rotate(t.Context(), moq.Priority{}, testRelay, moq.Subscribe); err != nil || value.IsEmpty() {
		t.Errorf("the answer to a rotation is lost: %v", err)
	}
	l.over.Store(false)
	made, err := w.Create(t.Context(), moq.Priority{}, testRelay, moq.NewToken{Operations: moq.Subscribe.Operations()})
	if err != nil || made.Value.IsEmpty() {
		t.Errorf("the answer to a creation is lost: %v", err)
	}
}

// It is larger than what is written at once.
func TestAMintOfWhichABeginningHasLeftIsSentToItsEnd(t *testing.T) {
	l := &term{}
	w := newOverTLS(t, func(o *Options) { o.MayAct = l.mayAct })
	l.left.Store(3)
	wanted := moq.NewToken{Operations: moq.Subscribe.Operations(), Label: strings.Repeat("x", 32<<10)}
	if _, err := w.Create(t.Context(), moq.Priority{}, testRelay, wanted); err != nil {
		t.Error(err)
	}
}

func TestACallThatChangesSomethingIsProvenOnceItsTurnHasCome(t *testing.T) {
	b := NewBudget(1, time.Hour, 1)
	w := newOverTLS(t, func(o *Options) { o.MayAct, o.Budget = (&term{}).mayAct, b })
	if err := b.Acquire(t.Context(), moq.Priority{}); err != nil {
		t.Fatal(err)
	}
	var hasTurn atomic.Bool
	proofs := make(chan bool, 9)
	prove := func(context.Context) error { proofs <- hasTurn.Load(); return nil }
	ctx := mandate.With(t.Context(), mandate.Mandate{Proof: prove})
	revoked := make(chan error, 1)
	go func() { revoked <- w.Revoke(ctx, moq.Priority{}, testRelay, strings.Repeat("0", 32)) }()
	for w.Waiting() == 0 {
		runtime.Gosched()
	}
	hasTurn.Store(true)
	b.Release(false)
	if err := <-revoked; err != nil || len(proofs) != 1 || !<-proofs {
		t.Errorf("%v; %d proofs beside, want one, after the turn", err, len(proofs))
	}
}

// A turn of which nothing left is handed back.
func TestACallWithoutAProofIsNotMadeAndUsesNothingUp(t *testing.T) {
	w := newOverTLS(t, func(o *Options) { o.MayAct, o.Budget = (&term{}).mayAct, NewBudget(1, time.Hour, 1) })
	unproven := mandate.With(t.Context(), mandate.Mandate{Proof: func(context.Context) error { return errLed }})
	for range 3 {
		_, err := w.Rotate(unproven, moq.Priority{}, testRelay, moq.Subscribe)
		if f := fault.Of(err); f == nil || f.Class != fault.Retry || !f.Unsent || !errors.Is(err, errLed) {
			t.Fatalf("got %v", err)
		}
	}
	w.rotate(t)
}
