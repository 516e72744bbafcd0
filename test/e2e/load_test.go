package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/sinks/vault/vaulttest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const (
	loadRelays = 25 // two slots each
	loadGrace  = 500 * time.Millisecond
)

// TestLoad rotates fifty slots once a second while everything goes wrong now and
// then, the daemon's own death included, and watches what consumers hold.
func TestLoad(t *testing.T) {
	l := newLoad(t)
	d := l.start()
	l.settled(d, "at the start")

	ctx, stop := context.WithCancel(t.Context())
	var watchers sync.WaitGroup
	for _, s := range l.stores {
		watchers.Go(func() { l.watch(ctx, s) })
	}
	watchers.Go(func() { l.count(ctx) })
	l.misbehave()
	l.last(l.duration / 2)
	d.Kill()
	d = l.start()
	l.last(l.duration / 2)
	l.behave()
	l.settled(d, "after the faults")
	stop()
	watchers.Wait()

	l.sum(d)
	l.atRest(d)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// load is the world of the load test.
type load struct {
	*world
	duration time.Duration
	aws      *awstest.Server
	vault    *vaulttest.Server
	stores   []*store
	slots    []loadSlot
}

// loadSlot is one slot and where its tokens are kept.
type loadSlot struct {
	relay    int
	typ      string
	strategy string
	sinks    []string
}

func (s loadSlot) relayName() string { return fmt.Sprintf("r%02d", s.relay) }
func (s loadSlot) name() string      { return s.relayName() + "/" + s.typ }

// store is one sink as its consumers see it.
type store struct {
	name    string
	get     func(name string) (string, error)
	looked  atomic.Int64 // consumers whose token was checked until the end of its grace
	changed atomic.Int64
}

func newLoad(t *testing.T) *load {
	t.Helper()
	l := &load{world: newWorld(t, loadRelays), duration: 8 * time.Second, vault: vaulttest.Start(t)}
	if *aMinute {
		l.duration = time.Minute
	}
	server, awsSink := l.withAWS(", probe_interval: 2s")
	l.aws = server
	l.Put("vault-token", l.vault.RootToken)
	vaultSink := fmt.Sprintf("  vault: {type: vault, address: \"%s\", mount: secret, path: \"moq/{{.Relay}}/{{.Type}}\", probe_interval: 2s, auth: {token: {file: %s}}}\n",
		l.vault.Address, l.Path("vault-token"))
	l.configure(settings{
		Account: ", rate_limit: {requests: 1000000, per: 5m, share: 1}", Disk: ", probe_interval: 2s", Sinks: awsSink + vaultSink,
		Defaults: `{schedule: "@every 1s", initial: now, sinks: [disk]}`, Relays: "\n" + l.relays(),
	})
	l.stores = []*store{{name: "disk", get: l.fromDisk}, {name: "aws", get: l.fromAWS(t)}, {name: "vault", get: l.fromVault(t)}}
	return l
}

// relays gives every slot a strategy and one to three sinks.
func (l *load) relays() string {
	kept := [][]string{{"disk"}, {"aws"}, {"vault"}, {"disk", "aws"}, {"disk", "vault"}, {"disk", "aws", "vault"}}
	var b strings.Builder
	for n := range loadRelays {
		fmt.Fprintf(&b, "  r%02d:\n    id: %s\n    tokens:\n", n, harness.RelayID(n))
		for i, typ := range []string{"publish_subscribe", "subscribe"} {
			s := loadSlot{n, typ, "overlap", kept[len(l.slots)%len(kept)]}
			more := ", grace: " + loadGrace.String()
			if (n+i)%3 == 0 {
				s.strategy, more = "in_place", ""
			}
			fmt.Fprintf(&b, "      %s: {strategy: %s, sinks: [%s]%s}\n", typ, s.strategy, strings.Join(s.sinks, ", "), more)
			l.slots = append(l.slots, s)
		}
	}
	return b.String()
}

func (l *load) fromDisk(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(l.Dir, "tokens", name+".token"))
	return string(b), err
}

func (l *load) fromAWS(t *testing.T) func(string) (string, error) {
	client := secretsmanager.New(secretsmanager.Options{
		Region: awstest.Region, BaseEndpoint: aws.String(l.aws.URL),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKeyID, awstest.SecretAccessKey, ""),
	})
	return func(name string) (string, error) {
		out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("moq/" + name)})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.SecretString), nil
	}
}

func (l *load) fromVault(t *testing.T) func(string) (string, error) {
	return func(name string) (string, error) {
		value, found, err := harness.VaultToken(t, l.vault, "secret/data/moq/"+name)
		if err == nil && !found {
			err = fmt.Errorf("nothing is at %s", name)
		}
		return value, err
	}
}

// misbehave has Cloudflare and AWS go wrong by chance.
func (l *load) misbehave() {
	chance := func(k cfsim.Kind, p float64) cfsim.Chance {
		return cfsim.Chance{Fault: cfsim.Fault{Kind: k, Delay: 100 * time.Millisecond, Body: `{"success":`}, P: p}
	}
	l.sim.Random(7, chance(cfsim.LostBefore, .02), chance(cfsim.LostAfter, .02), chance(cfsim.ErrorBefore, .02),
		chance(cfsim.ErrorAfter, .01), chance(cfsim.Garbage, .01), chance(cfsim.Truncated, .01), chance(cfsim.Unsuccessful, .01),
		chance(cfsim.PageBefore, .01), chance(cfsim.PageAfter, .01), chance(cfsim.Slow, .02), chance(cfsim.RateLimited, .001))
	l.aws.Inject(func(op, _ string) *awstest.Failure {
		switch n := rand.N(100); {
		case n < 2:
			return &awstest.Failure{Lost: true}
		case n < 4:
			return &awstest.Failure{Dropped: true}
		case n < 6:
			return &awstest.Failure{Status: 500, Code: "InternalServiceError", Message: "we are on it"}
		}
		return nil
	})
}

func (l *load) behave() {
	l.sim.Random(0)
	l.aws.Inject(nil)
}

// last lets d go by; Vault stands still for the middle of it.
func (l *load) last(d time.Duration) {
	l.t.Helper()
	harness.Pause(l.t.Context(), d/3)
	thaw := l.vault.Freeze(l.t)
	harness.Pause(l.t.Context(), d/6)
	thaw()
	harness.Pause(l.t.Context(), d/2)
}

// settled waits until every slot has rotated anew without a failure.
func (l *load) settled(d *daemon, when string) {
	l.t.Helper()
	since := time.Now()
	d.until(func() error {
		slots, err := d.api.Slots(l.t.Context())
		if err != nil {
			return err
		}
		for _, s := range slots {
			if s.ConsecutiveFailures > 0 || s.LastRotation.Before(since) {
				return fmt.Errorf("%s, %s has not rotated: %+v", when, s.Slot, s)
			}
		}
		return nil
	})
}

// watch reads all tokens of a store again and again, as their consumers do.
func (l *load) watch(ctx context.Context, st *store) {
	former := map[string]string{}
	for ctx.Err() == nil {
		for _, s := range l.slots {
			if s.strategy != "overlap" || !slices.Contains(s.sinks, st.name) {
				continue
			}
			began := time.Now()
			value, err := st.get(s.name())
			if err != nil {
				continue // the store failed its consumer, not rotatord
			}
			if former[s.name()] != value {
				former[s.name()] = value
				st.changed.Add(1)
				l.consume(ctx, st, s, value, began)
			}
		}
	}
}

// consume holds a token as long as a consumer may that reads its store again
// within the grace.
func (l *load) consume(ctx context.Context, st *store, s loadSlot, value string, began time.Time) {
	check := func() {
		accepted := l.sim.Accepts(harness.RelayID(s.relay), value)
		if held := time.Since(began); held < loadGrace && !accepted {
			l.t.Errorf("a consumer of %s holds a dead token of %s, %s after it read it", st.name, s.name(), held)
		} else if held < loadGrace {
			st.looked.Add(1)
		}
	}
	check()
	for _, part := range []time.Duration{loadGrace / 2, loadGrace * 9 / 10} {
		timer := time.AfterFunc(time.Until(began.Add(part)), check)
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
}

// count checks that no slot ever has more than three tokens.
func (l *load) count(ctx context.Context) {
	for ctx.Err() == nil {
		for n := range loadRelays {
			held := map[int]int{}
			for _, tok := range l.sim.Tokens(harness.RelayID(n)) {
				if tok.Label != "" {
					held[len(tok.Operations)]++
				}
			}
			if held[1] > 3 || held[2] > 3 {
				l.t.Errorf("relay %d holds %v tokens of rotatord by number of operations", n, held)
			}
		}
		harness.Pause(ctx, 20*time.Millisecond)
	}
}

// sum makes sure that there was something to see.
func (l *load) sum(d *daemon) {
	l.t.Helper()
	for _, st := range l.stores {
		l.t.Logf("%s: %d tokens seen, %d looks at them", st.name, st.changed.Load(), st.looked.Load())
		if st.changed.Load() < 20 || st.looked.Load() < 20 {
			l.t.Errorf("%s: too little was seen", st.name)
		}
	}
	faults := map[cfsim.Kind]int{}
	for _, call := range d.sim.Calls() {
		faults[call.Fault]++
	}
	l.t.Logf("Cloudflare's calls by fault: %v", faults)
	if len(faults) < 6 {
		l.t.Error("too few kinds of fault happened")
	}
}

// atRest stops the schedules, and checks that every sink is valid and no litter is left.
func (l *load) atRest(d *daemon) {
	l.t.Helper()
	l.Put("config.yaml", strings.Replace(l.Read("config.yaml"), `schedule: "@every 1s"`, "schedule: manual", 1))
	d.reload()
	for _, s := range l.slots {
		d.untilSlot(s.name(), func(st slot.Status) bool { return st.State == slot.StateIdle && len(st.OldTokens) == 0 })
	}
	for _, s := range l.slots {
		for _, st := range l.stores {
			if !slices.Contains(s.sinks, st.name) {
				continue
			}
			if value, err := st.get(s.name()); err != nil || !l.sim.Accepts(harness.RelayID(s.relay), value) {
				l.t.Errorf("at rest %s holds no valid token of %s: %v", st.name, s.name(), err)
			}
		}
	}
	for n := range loadRelays {
		if got, want := len(l.sim.Tokens(harness.RelayID(n))), 2+l.overlapping(n); got != want {
			l.t.Errorf("at rest relay %d holds %d tokens, want %d", n, got, want)
		}
	}
}

// overlapping counts a relay's slots that make tokens beside those it came with.
func (l *load) overlapping(relay int) (n int) {
	for _, s := range l.slots {
		if s.relay == relay && s.strategy == "overlap" {
			n++
		}
	}
	return n
}
