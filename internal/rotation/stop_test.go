package rotation

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
)

// mute lets so many calls through, and never answers one after them.
type mute struct{ left, unanswered atomic.Int32 }

func (m *mute) call(ctx context.Context, class fault.Class) error {
	if m.left.Add(-1) >= 0 {
		return nil
	}
	m.unanswered.Add(1)
	<-ctx.Done()
	return fault.Newf(class, fault.Canceled, "call", "mute", "%w", ctx.Err())
}

// muteAccount is a fleet's Cloudflare that stops answering.
type muteAccount struct {
	*fleet
	*mute
}

func (a muteAccount) Account(string) (Cloudflare, bool) { return a, true }

func (a muteAccount) Prove(ctx context.Context, p moq.Priority, relayID string) error {
	if err := a.call(ctx, fault.Retry); err != nil {
		return err
	}
	return a.fleet.Prove(ctx, p, relayID)
}

func (a muteAccount) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	if err := a.call(ctx, fault.Ambiguous); err != nil {
		return moq.Token{}, err
	}
	return a.fleet.Create(ctx, p, relayID, t)
}

func (a muteAccount) List(ctx context.Context, p moq.Priority, relayID string) (moq.TokenList, error) {
	if err := a.call(ctx, fault.Retry); err != nil {
		return moq.TokenList{}, err
	}
	return a.fleet.List(ctx, p, relayID)
}

func (a muteAccount) Revoke(ctx context.Context, p moq.Priority, relayID, id string) error {
	if err := a.call(ctx, fault.Retry); err != nil {
		return err
	}
	return a.fleet.Revoke(ctx, p, relayID, id)
}

func (a muteAccount) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	if err := a.call(ctx, fault.Ambiguous); err != nil {
		return secret.Value{}, err
	}
	return a.fleet.Rotate(ctx, p, relayID, t)
}

// muteStores are a fleet's sinks that stop answering.
type muteStores struct {
	stores
	*mute
}

func (s muteStores) Sink(name string) (sinks.Sink, bool) {
	found, ok := s.stores[name]
	return muteSink{found, s.mute}, ok
}

type muteSink struct {
	*store
	*mute
}

func (s muteSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	if err := s.call(ctx, fault.Retry); err != nil {
		return sinks.Holding{}, err
	}
	return s.store.Probe(ctx, target, o)
}

func (s muteSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	if err := s.call(ctx, fault.Retry); err != nil {
		return sinks.Holding{}, err
	}
	return s.store.Read(ctx, target)
}

func (s muteSink) Write(ctx context.Context, target string, v secret.Value, o sinks.WriteOptions) error {
	if err := s.call(ctx, fault.Retry); err != nil {
		return err
	}
	return s.store.Write(ctx, target, v, o)
}

// TestAStopThatCutsACallOffIsNoFailure has each call of two rotations and a retirement, one after the other, never
// be answered.
func TestAStopThatCutsACallOffIsNoFailure(t *testing.T) {
	const patience = 5 * time.Second
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			for answered, hung := int32(0), true; hung; answered++ {
				synctest.Test(t, func(t *testing.T) { hung = stopAmidCall(t, strategy, answered, patience) })
				if answered == 100 {
					t.Fatal("there is no end of calls")
				}
			}
		})
	}
}

// stopAmidCall reports whether there was a call to be cut off.
func stopAmidCall(t *testing.T, strategy moq.Strategy, answered int32, patience time.Duration) bool {
	f, m := newFleet(t, strategy, 1, "disk"), &mute{}
	m.left.Store(answered)
	f.load()
	said, log := observer.New(zapcore.ErrorLevel)
	f.engine.Log = zap.New(said)
	f.engine.Configure(f.plans, muteAccount{f, m}, muteStores{f.stores, m}, []string{"disk"})
	f.engine.WakeAll()
	<-time.After(26 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	f.engine.Stop(ctx)
	if took := time.Since(began); took > patience {
		t.Errorf("after %d calls a stop takes %s", answered, took)
	}
	for _, e := range log.All() {
		t.Errorf("after %d calls it says: %s %v", answered, e.Message, e.ContextMap())
	}
	var r slot.Record
	if err := json.Unmarshal(f.disk[f.plans[0].Key], &r); err != nil || r.Failure != nil {
		t.Errorf("after %d calls the record tells of a failure: %+v, %v", answered, r.Failure, err)
	}
	f.kill()
	again := time.Now().Add(-26 * time.Hour)
	f.start()
	f.engine.WakeAll()
	<-time.After(2 * time.Minute) // an in_place mint that was lost is made once more
	if f.lastRotation(again).IsZero() {
		t.Errorf("after %d calls the next process does not go on", answered)
	}
	f.kill()
	return m.unanswered.Load() > 0
}

// TestAValueFoundGoneAsCallsAreCutOffIsNoFailure: the next start finds it out again.
func TestAValueFoundGoneAsCallsAreCutOffIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, moq.Overlap, 1, "disk")
		f.start()
		f.engine.WakeAll()
		synctest.Wait()
		f.kill()
		w := f.engine.slots.workerOf(f.plans[0].Key)
		w.noteValueGone(w.record.Rotation, errGone(w.record.Rotation))
		if w.record.Failure != nil {
			t.Errorf("a stop counts as a failure: %+v", w.record.Failure)
		}
	})
}
