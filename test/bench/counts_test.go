package bench

import (
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// What a rotation may cost at most. These depend on no machine, so they guard
// against a rotation growing dearer unseen: raise one only with a reason.
const (
	inPlaceRequests    = 1    // rotate; and the relay, where the account has not answered for a minute
	inPlaceSyncs       = 4    // the request, the intent, the value, the verification
	inPlaceAllocations = 760  // 689 with the race detector: a value's claims are read; each save of a record and its events takes 25 to 30, which encoding/json makes
	overlapRequests    = 2    // create; revoke of the former token
	overlapSyncs       = 5    // and the revocation
	overlapAllocations = 1310 // 1192, as above; a record has more to tell
)

// TestWhatARotationCosts counts what one more rotation of a slot takes.
func TestWhatARotationCosts(t *testing.T) {
	for _, c := range []struct {
		strategy                     moq.Strategy
		requests, syncs, allocations int
	}{
		{moq.InPlace, inPlaceRequests, inPlaceSyncs, inPlaceAllocations},
		{moq.Overlap, overlapRequests, overlapSyncs, overlapAllocations},
	} {
		t.Run(string(c.strategy), func(t *testing.T) {
			w := newCounted(t, c.strategy)
			const rounds = 50
			requests, syncs := w.requests(), w.d.commits()
			allocations := testing.AllocsPerRun(rounds-1, w.rotate)
			within(t, "requests", float64(w.requests()-requests)/rounds, c.requests)
			within(t, "journal syncs", float64(w.d.commits()-syncs)/rounds, c.syncs)
			within(t, "allocations", allocations, c.allocations)
		})
	}
}

func within(t *testing.T, what string, got float64, limit int) {
	t.Helper()
	t.Logf("%s: %.2f", what, got)
	if got > float64(limit) {
		t.Errorf("a rotation takes %.2f %s, want at most %d", got, what, limit)
	}
}

// counted is one slot, whose Cloudflare and sink are in this process.
type counted struct {
	*testing.T
	sim     *cfsim.Sim
	d       *daemon
	plan    *slot.Plan
	rotated chan struct{}
}

func newCounted(t *testing.T, strategy moq.Strategy) *counted {
	t.Helper()
	w := &counted{T: t, sim: harness.NewSim(cfsim.Options{}, 1), rotated: make(chan struct{}, 1)}
	c := harness.Must[*cf.Client](t)(cf.New(cf.Options{
		Account: "main", AccountID: harness.AccountID, APIURL: cfsim.BaseURL, HTTP: &http.Client{Transport: w.sim.Transport()},
		Token: func() (secret.Value, error) { return secret.New(harness.APIToken), nil },
	}))
	w.d = newDaemon(t, newMetrics(), c, map[string]sinks.Sink{"memory": newMemory()}, "")
	w.d.onRotated = func(*slot.Plan) { w.rotated <- struct{}{} }
	w.plan = w.d.plan(0, moq.Subscribe, strategy, nil)
	w.d.configure([]*slot.Plan{w.plan})
	w.rotate() // the first opens and fills what later ones find
	return w
}

func (w *counted) requests() (n int) {
	for _, c := range w.sim.Counts() {
		n += c
	}
	return n
}

// rotate rotates the slot and waits until nothing is left to do.
func (w *counted) rotate() {
	harness.Must[slot.Status](w)(w.d.engine.Rotate(w.Context(), w.plan.Relay, string(w.plan.Key.Type), "test", false))
	<-w.rotated
	w.d.engine.Quiesce(w.Context())
}
