package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
)

func account(id, tokenFile string, requests int) *config.Account {
	return &config.Account{
		AccountID: strings.Repeat(id, 32), APIURL: "https://api.example/client/v4", APIToken: secret.Source{File: tokenFile},
		RateLimit: config.RateLimit{Requests: requests, Per: 5 * time.Minute, Share: 1},
	}
}

func opened(t *testing.T, cfg *config.Config, old *backends) *backends {
	t.Helper()
	p, err := opener{metrics: metrics.New(metrics.Options{})}.open(t.Context(), cfg, old)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAccountsWithOneAPITokenShareTheTightestBudget(t *testing.T) {
	dir := t.TempDir()
	one, same, other := filepath.Join(dir, "one"), filepath.Join(dir, "same"), filepath.Join(dir, "other")
	for path, value := range map[string]string{one: "token-1\n", same: "token-1", other: "token-2"} {
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Config{Accounts: map[string]*config.Account{
		"a": account("a", one, 1200), "b": account("b", same, 100), "c": account("c", other, 1200),
	}}
	p := opened(t, cfg, nil)
	if len(p.budgets) != 2 {
		t.Errorf("%d budgets for two API tokens", len(p.budgets))
	}
	if _, limit := p.budgetKey("a"); limit.Requests != 100 {
		t.Errorf("the shared budget allows %d requests, want the tightest", limit.Requests)
	}
}

func TestAReloadKeepsWhatDidNotChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	config1 := &config.Config{Accounts: map[string]*config.Account{"a": account("a", path, 1200), "b": account("b", path, 1200)}, Sinks: map[string]sinks.Spec{}}
	config2 := &config.Config{Accounts: map[string]*config.Account{"a": account("a", path, 1200), "b": account("c", path, 1200)}, Sinks: map[string]sinks.Spec{}}
	before := opened(t, config1, nil)
	after := opened(t, config2, before)
	if after.byName["a"] != before.byName["a"] {
		t.Error("an account that did not change was opened anew")
	}
	if after.byName["b"] == before.byName["b"] {
		t.Error("an account that changed was kept")
	}
	for key, budget := range before.budgets {
		if after.budgets[key] != budget {
			t.Error("a budget lost its count")
		}
	}
}

func TestAnAPITokenThatCannotBeReadToTheEndHoldsUpNoCallAndIsReadOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		answer := make(chan struct{})
		r := tokenReader{name: "file /mnt/token", fetch: func() (secret.Value, error) {
			reads.Add(1)
			<-answer
			return secret.New("a-token"), nil
		}}
		for range 100 {
			began := time.Now()
			if _, err := r.read(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "/mnt/token: it does not answer") {
				t.Fatalf("read: %v", err)
			}
			if took := time.Since(began); took != time.Second {
				t.Fatalf("it took %s", took)
			}
		}
		if reads.Load() != 1 {
			t.Errorf("%d reads hang", reads.Load())
		}
		close(answer)
		synctest.Wait()
		if v, err := r.read(t.Context(), time.Second); err != nil || v.Reveal() != "a-token" {
			t.Errorf("once it answers: %v", err)
		}
	})
}

// slowSink takes its time to close, as one that gives a login back to a store.
type slowSink struct {
	sinks.Sink
	closed *atomic.Int64
}

func (s slowSink) Close() error {
	wait(context.Background(), 2*time.Second)
	s.closed.Add(1)
	return nil
}

// slowBackends have n sinks, each of which adds to closed when it is closed.
func slowBackends(n int) (p *backends, closed *atomic.Int64) {
	p, closed = &backends{sinks: map[string]sinks.Sink{}, deferred: map[string]*sinks.Deferred{}}, new(atomic.Int64)
	for i := range n {
		name := strings.Repeat("s", i+1)
		p.sinks[name], p.deferred[name] = slowSink{closed: closed}, new(sinks.Deferred)
	}
	return p, closed
}

func TestSinksCloseSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, closed := slowBackends(20)
		began := time.Now()
		if err := p.closeExcept(nil); err != nil || closed.Load() != 20 {
			t.Errorf("%d closed, %v", closed.Load(), err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAFormerConfigurationsSinksAreClosedAWhileLaterAndAtAStopAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d formerBackends
		former, closed := slowBackends(2)
		d.closeLater(former, &backends{})
		wait(t.Context(), closeAfter-10*time.Second)
		if closed.Load() > 0 {
			t.Error("closed while steps in hand may use them")
		}
		if err := sideBySide(d.pendingCloses()); err != nil || closed.Load() != 2 {
			t.Errorf("%d closed at a stop, %v", closed.Load(), err)
		}
		wait(t.Context(), 2*closeAfter)
		later, closedLater := slowBackends(2)
		d.closeLater(later, &backends{})
		wait(t.Context(), closeAfter+3*time.Second)
		if closed.Load() != 2 || closedLater.Load() != 2 || len(d.pendingCloses()) > 0 {
			t.Errorf("%d and %d closed; %d pending", closed.Load(), closedLater.Load(), len(d.pendingCloses()))
		}
	})
}
