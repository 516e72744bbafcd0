package rotation

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/slot"
)

// slowAccount is a fleet's Cloudflare that takes a minute for a mint.
type slowAccount struct{ *fleet }

func (a slowAccount) Account(string) (Cloudflare, bool) { return a, true }

// await waits for the answer, unless the call is cut off.
func (slowAccount) await(ctx context.Context) error {
	select {
	case <-time.After(time.Minute):
		return nil
	case <-ctx.Done():
		return fault.Newf(fault.Ambiguous, fault.Canceled, "call", "slow", "%w", ctx.Err())
	}
}

func (a slowAccount) Create(ctx context.Context, p moq.Priority, relayID string, t moq.NewToken) (moq.Token, error) {
	if err := a.await(ctx); err != nil {
		return moq.Token{}, err
	}
	return a.fleet.Create(ctx, p, relayID, t)
}

func (a slowAccount) Rotate(ctx context.Context, p moq.Priority, relayID string, t moq.TokenType) (secret.Value, error) {
	if err := a.await(ctx); err != nil {
		return secret.Value{}, err
	}
	return a.fleet.Rotate(ctx, p, relayID, t)
}

func TestWhoMayNotActAnyMoreKeepsTheAnswerOfAMintAndDeliversNothing(t *testing.T) {
	for _, strategy := range []moq.Strategy{moq.Overlap, moq.InPlace} {
		t.Run(string(strategy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, strategy, 1, "disk")
				f.load()
				f.engine.Configure(f.plans, slowAccount{f}, f.stores, []string{"disk"})
				f.engine.WakeAll()
				<-time.After(30 * time.Second) // the call is under way
				f.engine.Halt()
				f.engine.Stop(t.Context())
				var r slot.Record
				if err := json.Unmarshal(f.disk[f.plans[0].Key], &r); err != nil {
					t.Fatal(err)
				}
				if r.Rotation == nil || r.Rotation.Phase != slot.Minted || r.Failure != nil {
					t.Errorf("the journal has %+v, failure %v", r.Rotation, r.Failure)
				}
				if held := f.stores["disk"].held; len(held) > 0 {
					t.Errorf("it was delivered: %v", held)
				}
			})
		})
	}
}

func TestWhoMayNotActAnyMoreCutsADeliveryOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFleet(t, moq.InPlace, 1, "disk"), &mute{}
		f.load()
		f.engine.Configure(f.plans, f, muteStores{f.stores, m}, []string{"disk"})
		f.engine.WakeAll()
		<-time.After(time.Second) // a call to the sink is under way
		f.engine.Halt()
		began := time.Now()
		f.engine.Stop(t.Context())
		if took := time.Since(began); took > 0 || m.unanswered.Load() == 0 {
			t.Errorf("it took %s, with %d calls under way", took, m.unanswered.Load())
		}
	})
}
