package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/metrics"
	"github.com/rotatord/rotatord/internal/moq"
)

const (
	accountCheck = time.Minute
	secondSample = 10 * time.Second // after the first: two that are so far apart count
	sampleLasts  = time.Hour        // then another is asked for, even if nothing else is
	silentAsks   = 3                // so many answers that told no time are told
	newAccounts  = 5 * time.Second  // how soon after a reload one is watched
)

// accountWatch watches each account of the configuration in force: what its answers tell of the time, and how its API
// token stands. It is safe for concurrent use.
type accountWatch struct {
	lines      *logging.Log
	log        *zap.Logger
	metrics    *metrics.Metrics
	backends   func() *backends // nil: none are open yet
	elapsed    func() time.Duration
	ofReplicas bool // they share an etcd

	mu   sync.Mutex
	seen map[string]*seenAccount // those that are watched
}

// seenAccount is what was seen of one account.
type seenAccount struct {
	origin time.Time // when its clock reckons that the elapsed-time clock began; zero: its time is not known
	asked  int       // answers that told no time
	off    bool      // that the clocks differ was told

	token apiTokenWatch
}

// watchAll watches all accounts until ctx ends. wake is called when what is known of an account's time changed.
func (w *accountWatch) watchAll(ctx context.Context, wake func()) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		for _, name := range w.names() {
			if s := w.begin(name); s != nil {
				all.Go(func() {
					defer w.lines.LastWords()
					w.watch(ctx, name, s, wake)
				})
			}
		}
		if !wait(ctx, newAccounts) {
			return
		}
	}
}

// names are the accounts of the configuration in force.
func (w *accountWatch) names() []string {
	b := w.backends()
	if b == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(b.byName))
}

// begin returns nil for an account that is watched already.
func (w *accountWatch) begin(name string) *seenAccount {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[name] != nil {
		return nil
	}
	w.seen[name] = &seenAccount{}
	return w.seen[name]
}

// watch watches one account until ctx ends or it leaves the configuration.
func (w *accountWatch) watch(ctx context.Context, name string, s *seenAccount, wake func()) {
	defer w.forget(name) // the next term watches it anew
	pause := secondSample
	for {
		b := w.backends()
		c := b.byName[name]
		if c == nil {
			return
		}
		w.learnTime(ctx, name, s, b.asks[name], c, wake)
		w.verifyAPIToken(ctx, name, &s.token, c)
		if !wait(ctx, pause) {
			return
		}
		pause = accountCheck
	}
}

// askTwice asks every account for the time, so often that it counts where it is told.
func (w *accountWatch) askTwice(ctx context.Context) {
	b := w.backends()
	for n := range 2 {
		if n > 0 && !wait(ctx, secondSample) {
			return
		}
		var all sync.WaitGroup
		for name, c := range b.byName {
			all.Go(func() { _ = b.asks[name].ask(ctx, c) })
		}
		all.Wait()
	}
}

func (w *accountWatch) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, name)
}

// learnTime asks for the time if it is needed, and tells what is known of it. An account that was found down is asked,
// too: a quiet one has no other call by which it would be found up again.
func (w *accountWatch) learnTime(ctx context.Context, name string, s *seenAccount, q question, c *cf.Client, wake func()) {
	if c.Clock().IsDoubted() || c.IsDoubted() || c.Time().SampleAge >= sampleLasts {
		w.countSilence(name, s, q.ask(ctx, c) && c.Time().Now.IsZero())
	}
	if w.noteOrigin(s, c.Time()) {
		wake()
	}
	w.tellOffset(name, c.Time())
}

// countSilence tells, once, that answers come and tell no time.
func (w *accountWatch) countSilence(name string, s *seenAccount, silent bool) {
	if !silent {
		return
	}
	if s.asked++; s.asked == silentAsks {
		w.log.Warn("Cloudflare's answers tell no time that can be believed: they have no Date, a cache keeps them, or they are long "+
			"under way; when tokens expire is told by this machine's clock alone", zap.String("account", name))
	}
}

// noteOrigin reports whether something else is known of the time than before.
func (w *accountWatch) noteOrigin(s *seenAccount, t moq.CloudflareTime) (changed bool) {
	var origin time.Time
	if !t.Now.IsZero() {
		origin = t.Now.Add(-w.elapsed())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	changed = origin.Sub(s.origin).Abs() > secondSample
	s.origin = origin
	return changed
}

// question is what an account is asked for the time's sake alone.
type question struct {
	relayID string // "": nothing is configured of the account, and nothing needs its time
	lists   bool   // it offers lists
}

// questionsFor returns what each account of a configuration may be asked.
func questionsFor(cfg *config.Config) map[string]question {
	all := map[string]question{}
	for _, p := range cfg.Plans() {
		if q := all[p.Account]; q.relayID == "" || !q.lists && p.Strategy == moq.Overlap {
			all[p.Account] = question{p.Key.RelayID, p.Strategy == moq.Overlap}
		}
	}
	return all
}

// ask reports whether Cloudflare answered.
func (q question) ask(ctx context.Context, c *cf.Client) (answered bool) {
	p := moq.Priority{Urgency: moq.Routine}
	var err error
	switch {
	case q.relayID == "":
		return false
	case q.lists:
		_, err = c.List(ctx, p, q.relayID)
	default:
		_, err = c.Relay(ctx, p, q.relayID)
	}
	return err == nil // what the slots need of the account fails on its own, and is told there
}
