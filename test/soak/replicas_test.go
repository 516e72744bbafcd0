package soak

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// TestReplicasUnderFire takes one leader after the other away, in every way, while what the consumers can see is
// watched. In the end everything comes to rest by itself.
func TestReplicasUnderFire(t *testing.T) {
	t.Parallel()
	t.Logf("-soak.failovers=%d -soak.seed=%d", *failovers, *seed)
	overlap, inPlace := 3, 2
	if *failovers >= longForm {
		overlap, inPlace = 6, 3
	}
	g := newReplicas(t, sharedFleet(overlap, inPlace), 3)
	t.Cleanup(g.keepRecords)
	took := figures{}
	g.launchAll()
	g.leads()
	// A first rotation waits for nobody to tell the time: under a wrong clock it counts as ahead until that is taken back.
	g.until(patience, "every slot rotates", g.rotatedSince(time.Time{}))
	defer g.tell(g.watch(), took) // whatever else fails
	g.sim.Random(*seed, faults()...)
	g.rage(took)
	g.sim.Random(0)
	g.calm()
	g.checkRest()
	g.checkLeaks()
}

// tell ends the watch, and tells what it has seen.
func (g *replicas) tell(o *watcher, took figures) {
	for _, f := range append(o.stop(), g.chronicle.stop()...) {
		g.Error(f)
	}
	g.checkCalls()
	g.Logf("%d reads, %d tokens held and tested, %d tested too late; %d were handed out; %d rotations begun in %d terms",
		o.reads.Load(), o.tested.Load(), o.late.Load(), len(g.given.signatures()), g.chronicle.begun, len(g.chronicle.terms))
	g.Logf("to the next leader's first call of Cloudflare, with a lease of %s: %s", leaseTTL, took)
	if o.tested.Load() == 0 || o.followed.Load() == 0 || g.chronicle.begun == 0 {
		g.Error("no token was tested: the watch proves nothing")
	}
}

// rage strikes again and again: each way once, in any order, and then again.
func (g *replicas) rage(took figures) {
	var left []strike
	for i := 0; i < *failovers && !g.Failed(); i++ {
		if len(left) == 0 {
			left = strikes()
			g.random.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		}
		g.strike(left[0], took)
		left = left[1:]
		g.rest()
	}
}

// rest lets a leader work for a while. Now and then so much time passes that it revokes what its predecessor left.
func (g *replicas) rest() {
	harness.Pause(g.Context(), time.Duration(500+g.random.IntN(2500))*time.Millisecond)
	if g.random.IntN(4) == 0 {
		g.leap(61 * time.Second)
		harness.Pause(g.Context(), time.Second)
	}
}

// calm waits until every slot rotates again, then ends the schedules and waits until nothing is left to do.
func (g *replicas) calm() {
	g.note("calm")
	since := g.now()
	g.leads()
	g.leap(61 * time.Second) // else slots with three tokens wait until the leader revokes
	g.until(patience, "every slot rotates again", g.rotatedSince(since))
	g.Logf("every slot had rotated %s after the last strike", g.now().Sub(since).Round(time.Second/10))
	g.stopAll()
	g.manual = true
	g.configure()
	g.launchAll()
	g.leads()
	g.leap(61 * time.Second)
	g.until(patience, "every slot comes to rest", atRest)
	g.Logf("at rest %s after the last strike", g.now().Sub(since).Round(time.Second/10))
}

// stop ends the chronicle and tells what was found.
func (c *chronicle) stop() []string {
	c.end()
	return c.faults[:min(len(c.faults), mostTold)]
}

// mostTold is of how many faults of a kind a run tells.
const mostTold = 20

// checkLeaks looks for values in all that the replicas wrote but the sinks.
func (g *replicas) checkLeaks() {
	signatures := g.given.signatures()
	if len(leaks(g, signatures, g.Path("disk"))) == 0 {
		g.Error("the search for leaks finds nothing even in a sink")
	}
	places := []string{g.Path("etcd-values"), g.Path("log")}
	for _, r := range g.all {
		places = append(places, r.log)
	}
	for _, place := range places {
		for _, f := range leaks(g, signatures, place) {
			g.Errorf("a token's value is in %s", f)
		}
	}
}

// keepRecords saves the logs of a failed run, in the order of their lines.
func (g *replicas) keepRecords() {
	if !g.Failed() || *keep == "" {
		return
	}
	var lines []string
	for name, path := range g.logs() {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			lines = append(lines, timeOf(line)+" "+name+" "+strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	g.keep("log", strings.Join(lines, "\n"))
	g.keep("calls", g.world.calls())
}

// logs are the files of all logs, by whose they are.
func (g *replicas) logs() map[string]string {
	all := map[string]string{"-": g.Path("log")}
	for _, r := range g.all {
		all[r.name] = r.log
	}
	return all
}

// timeOf is the time of a line of the log, or of the test's own notes.
func timeOf(line string) string {
	if _, rest, found := strings.Cut(line, `"time":"`); found {
		at, _, _ := strings.Cut(rest, `"`)
		return at
	}
	if rest, found := strings.CutPrefix(line, "# "); found {
		at, _, _ := strings.Cut(rest, " ")
		return at
	}
	return ""
}
