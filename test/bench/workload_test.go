package bench

import (
	"context"
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/workload"
	"github.com/rotatord/rotatord/test/harness"
)

// What `rotatord check` tells of calls a day is made of what one rotation takes: here it is counted.
func TestARotationAsksForWhatCheckSays(t *testing.T) {
	for name, c := range map[string]struct {
		policy   slot.Policy
		optional bool
	}{
		"overlap":                       {policy: slot.Policy{Strategy: moq.Overlap, Verify: true}},
		"overlap, an optional target":   {slot.Policy{Strategy: moq.Overlap, Verify: true}, true},
		"overlap, without verification": {policy: slot.Policy{Strategy: moq.Overlap}},
		"overlap, retire: matching":     {policy: slot.Policy{Strategy: moq.Overlap, Verify: true, Matching: true}},
		"in_place":                      {policy: slot.Policy{Strategy: moq.InPlace, Verify: true}},
		"in_place, an optional target":  {slot.Policy{Strategy: moq.InPlace, Verify: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			sink := &countingSink{memory: newMemory()}
			w := newAsked(t, sink, c.policy, c.optional)
			const rounds = 5
			requests, done := w.requests(), sink.operations()
			for range rounds {
				w.rotate()
			}
			each := workload.MintCalls(&c.policy) + workload.RetireCalls(&c.policy)
			if got, want := w.requests()-requests, rounds*each; got != want {
				t.Errorf("%d requests to Cloudflare, want %d: %v", got, want, w.sim.Counts())
			}
			want, got := workload.OperationsOf(&c.policy, !c.optional), sink.operations()
			for _, o := range []struct {
				name      string
				got, want int
			}{
				{"trials", got.Trials - done.Trials, rounds * want.Trials},
				{"writes", got.Writes - done.Writes, rounds * want.Writes},
				{"reads", got.Reads - done.Reads, rounds * want.Reads},
			} {
				if o.got != o.want {
					t.Errorf("%d %s of the sink, want %d", o.got, o.name, o.want)
				}
			}
		})
	}
}

// newAsked is one slot with the policy p; the target that is counted may be an optional one beside another.
func newAsked(t *testing.T, sink sinks.Sink, p slot.Policy, optional bool) *counted {
	t.Helper()
	w := &counted{T: t, sim: harness.NewSim(cfsim.Options{}, 1), rotated: make(chan struct{}, 1)}
	c := harness.Must[*cf.Client](t)(cf.New(cf.Options{
		Account: "main", AccountID: harness.AccountID, APIURL: cfsim.BaseURL, HTTP: &http.Client{Transport: w.sim.Transport()},
		Token: func() (secret.Value, error) { return secret.New(harness.APIToken), nil },
	}))
	open := map[string]sinks.Sink{"counted": sink}
	if optional {
		open["other"] = newMemory()
	}
	w.d = newDaemon(t, newMetrics(), c, open, "")
	w.d.onRotated = func(*slot.Plan) { w.rotated <- struct{}{} }
	w.plan = w.d.plan(0, moq.Subscribe, p.Strategy, nil)
	w.plan.Verify, w.plan.Matching = p.Verify, p.Matching
	for i := range w.plan.Targets {
		w.plan.Targets[i].Required = w.plan.Targets[i].Sink == "other" || !optional
	}
	w.d.configure([]*slot.Plan{w.plan})
	w.rotate()
	return w
}

// countingSink counts what is done with a sink.
type countingSink struct {
	*memory
	done workload.Operations
}

func (s *countingSink) operations() workload.Operations {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

func (s *countingSink) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

// Probe implements sinks.Sink.
func (s *countingSink) Probe(ctx context.Context, target string, o sinks.ProbeOptions) (sinks.Holding, error) {
	if !o.Trial.IsEmpty() {
		s.count(&s.done.Trials)
	}
	return s.memory.Read(ctx, target)
}

// Write implements sinks.Sink.
func (s *countingSink) Write(ctx context.Context, target string, content secret.Value, o sinks.WriteOptions) error {
	s.count(&s.done.Writes)
	return s.memory.Write(ctx, target, content, o)
}

// Read implements sinks.Sink.
func (s *countingSink) Read(ctx context.Context, target string) (sinks.Holding, error) {
	s.count(&s.done.Reads)
	return s.memory.Read(ctx, target)
}
