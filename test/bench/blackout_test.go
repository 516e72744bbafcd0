package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

const scriptRounds = 30

// BenchmarkBlackout compares how long in_place leaves consumers locked out: with
// rotatord, with the same library calls and nothing else, and with a script. All
// sinks side by side are compared with the slowest of them alone, too.
func BenchmarkBlackout(b *testing.B) {
	p := newPlaces(b)
	say("\nBlackout of in_place: rotatord beside the bare calls and the script, %d rotations each in turn", given.rounds)
	say("%-26s %20s %20s %12s %8s %8s %8s", "sinks", "rotatord p50/p99", "bare p50/p99", "script p50", "p50 / ", "p99 / ", "script /")
	var slowest sample
	for _, kinds := range [][]string{{"file"}, {"vault"}, {"aws"}, {"file", "vault", "aws"}} {
		url := cloudflare(b, 3)
		ours, bare := p.compare(b, url, kinds)
		script := p.script(b, url, kinds)
		row(strings.Join(kinds, "+"), ours, bare, script)
		if len(kinds) > 1 {
			row("… to the slowest alone", ours, slowest, script)
		} else if slowest == nil || bare.median() > slowest.median() {
			slowest = bare
		}
	}
}

func row(name string, ours, bare, script sample) {
	say("%-26s %9.2fms %7.2fms %9.2fms %7.2fms %10.1fms %7.2fx %7.2fx %7.1fx", name,
		ms(ours.median()), ms(ours.p99()), ms(bare.median()), ms(bare.p99()), ms(script.median()),
		ratio(ours.median(), bare.median()), ratio(ours.p99(), bare.p99()), ratio(script.median(), ours.median()))
}

func ms(d time.Duration) float64       { return d.Seconds() * 1e3 }
func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }

// compare rotates with rotatord and bare in turn, so that both see the same machine.
func (p *places) compare(b *testing.B, url string, kinds []string) (ours, bare sample) {
	b.Helper()
	m := newMetrics()
	d := newDaemon(b, m, client(b, url, m), p.open(m, kinds...), p.root)
	defer d.stop()
	blackouts, done := make(chan time.Duration, 1), make(chan struct{}, 1)
	d.onBlackout = func(took time.Duration) { blackouts <- took }
	d.onRotated = func(*slot.Plan) { done <- struct{}{} }
	plan := d.plan(0, moq.Subscribe, moq.InPlace, nil)
	d.configure([]*slot.Plan{plan})
	seq := &bareSequence{TB: b, client: client(b, url, nil), sinks: p.open(nil, kinds...), kinds: kinds, root: p.root}
	for i := range given.rounds + 10 {
		harness.Must[slot.Status](b)(d.engine.Rotate(b.Context(), plan.Relay, string(plan.Key.Type), "bench", false))
		<-done
		a, z := <-blackouts, seq.rotate(1)
		if i >= 10 { // the first open connections
			ours, bare = append(ours, a), append(bare, z)
		}
	}
	return ours, bare
}

// bareSequence is the least that a rotation in place can be: the call, then the
// writes side by side, each of one call. It keeps nothing and cannot recover.
type bareSequence struct {
	testing.TB
	client *cf.Client
	sinks  map[string]sinks.Sink
	kinds  []string
	root   string
}

// rotate returns the blackout.
func (s *bareSequence) rotate(relay int) time.Duration {
	for _, kind := range s.kinds { // as rotatord looks first, so that Vault's version is known
		harness.Must[sinks.Holding](s)(s.sinks[kind].Read(s.Context(), s.target(kind)))
	}
	began := time.Now()
	value := harness.Must[secret.Value](s)(s.client.Rotate(s.Context(), moq.Priority{}, harness.RelayID(relay), moq.Subscribe))
	rec := sinks.Record{
		Names: sinks.Names{Relay: "bare", RelayID: harness.RelayID(relay), Type: string(moq.Subscribe), Account: "main", AccountID: harness.AccountID},
		Token: value, RotationID: moq.NewRotationID(began, ""), RotatedAt: began.UTC(),
	}
	var wg sync.WaitGroup
	for _, kind := range s.kinds[1:] {
		wg.Go(func() { s.write(kind, rec) })
	}
	s.write(s.kinds[0], rec)
	wg.Wait()
	return time.Since(began)
}

func (s *bareSequence) target(kind string) string {
	return targetOf(kind, s.root, "bare", string(moq.Subscribe))
}

func (s *bareSequence) write(kind string, rec sinks.Record) {
	content := harness.Must[secret.Value](s)(s.sinks[kind].Render(rec))
	harness.Check(s, s.sinks[kind].Write(s.Context(), s.target(kind), content, sinks.WriteOptions{RotationID: rec.RotationID}))
}

// script rotates with the script.
func (p *places) script(b *testing.B, url string, kinds []string) (took sample) {
	b.Helper()
	path := p.path("script.token")
	p.aws.Put("moq/"+harness.RelayID(2)+"/subscribe", "{}") // the script does not make the secret
	env := append(os.Environ(), "API="+url, "API_TOKEN="+harness.APIToken, "ACCOUNT="+harness.AccountID, "RELAY="+harness.RelayID(2), "TYPE=subscribe",
		"FILE="+path, "VAULT_ADDR="+p.vault.Address, "VAULT_TOKEN="+p.vault.RootToken, "AWS_ENDPOINT="+p.aws.URL, "AWS_REGION="+awstest.Region)
	for range scriptRounds {
		cmd := exec.Command(harness.Must[string](b)(filepath.Abs("cron-rotate.sh")), kinds...)
		cmd.Env, cmd.Stderr = env, os.Stderr
		out := harness.Must[[]byte](b)(cmd.Output())
		micros := harness.Must[int](b)(strconv.Atoi(strings.TrimSpace(string(out))))
		took = append(took, time.Duration(micros)*time.Microsecond)
	}
	return took
}
