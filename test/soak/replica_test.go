package soak

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/test/harness"
)

// launch starts a replica that does not run.
func (g *replicas) launch(r *replica) {
	g.Helper()
	g.note("%s starts", r.name)
	r.daemon = r.setup.start(g)
	r.host.Runs(r.Process)
}

// launchAll starts all, and waits until they are ready.
func (g *replicas) launchAll() {
	g.Helper()
	for _, r := range g.all {
		g.launch(r)
	}
	for _, r := range g.all {
		g.untilReady(r)
	}
}

func (g *replicas) untilReady(r *replica) {
	g.Helper()
	harness.Eventually(g, time.Minute, r.name+" ready", func() error {
		g.lives(r)
		return r.Ready(g.Context())
	})
}

// lives fails the test at once when a replica has ended by itself.
func (g *replicas) lives(r *replica) {
	g.Helper()
	if state := r.State(); state != nil {
		text, _ := os.ReadFile(r.log)
		g.Fatalf("%s ended by itself with code %d:\n%s", r.name, state.ExitCode(), text[max(0, len(text)-2000):])
	}
}

// kill ends a replica as a power failure would.
func (g *replicas) kill(r *replica) {
	g.note("%s is killed", r.name)
	r.Kill()
	r.daemon = nil
}

// stop ends a replica politely.
func (g *replicas) stop(r *replica) {
	g.Helper()
	g.note("%s is stopped", r.name)
	if code := r.terminate(); code != 0 {
		g.Errorf("%s ended with code %d when told to stop", r.name, code)
	}
	g.note("%s has ended", r.name)
	r.daemon = nil
}

func (g *replicas) stopAll() {
	for _, r := range g.all {
		if r.daemon != nil {
			g.stop(r)
		}
	}
}

// freeze has a replica stand still, and thaw has it go on.
func (g *replicas) freeze(r *replica) {
	g.note("%s stands still", r.name)
	r.Signal(syscall.SIGSTOP)
}

func (g *replicas) thaw(r *replica) {
	g.note("%s goes on", r.name)
	r.Signal(syscall.SIGCONT)
}

// part has a replica not reach servers.
func (g *replicas) part(r *replica, lost harness.Lost, servers ...string) {
	g.note("%s is parted from %v (%d)", r.name, servers, lost)
	for _, s := range servers {
		r.host.Part(s, lost)
	}
}

func (g *replicas) join(r *replica) {
	g.note("%s is joined", r.name)
	r.host.Join()
}

// setClock sets a replica's wall clock so far ahead of the world's time.
func (g *replicas) setClock(r *replica, ahead time.Duration) {
	g.note("%s: the clock is set %s ahead", r.name, ahead)
	r.ahead = ahead
	r.clock.SetAhead(g.leapt() + ahead)
}

// leap has time pass at once for everybody but etcd, as if all machines had been suspended.
func (g *replicas) leap(by time.Duration) {
	g.note("time passes: %s", by)
	g.passed.Add(int64(by))
	g.aws.SetSkew(g.leapt())
	for _, r := range g.all {
		r.clock.Leap(g.leapt())
		r.clock.SetAhead(g.leapt() + r.ahead)
	}
}

// sharedFleet is a fleet of both strategies, on schedules of a second or two.
func sharedFleet(overlap, inPlace int) (out []slotSpec) {
	mixtures := [][]string{{"disk"}, {"disk", "vault"}, {"vault", "aws"}, {"box", "spare?"}}
	for i := range overlap + inPlace {
		for j, typ := range []moq.TokenType{moq.PublishSubscribe, moq.Subscribe} {
			s := slotSpec{
				relay: fmt.Sprintf("relay%02d", i), relayID: fmt.Sprintf("%032x", i+1), typ: typ,
				strategy: moq.Overlap, sinks: mixtures[(2*i+j)%len(mixtures)], every: time.Duration(1+(i+j)%2) * time.Second,
			}
			s.cron = map[int]string{0: fmt.Sprintf("*/%d * * * * *", int(s.every.Seconds()))}[j]
			if i < overlap {
				s.grace, s.settle = s.every*6/10, s.every/5
			} else {
				s.strategy = moq.InPlace
			}
			out = append(out, s)
		}
	}
	return out
}
