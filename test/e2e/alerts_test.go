package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

const alertRules = "../../deploy/prometheus/rotatord.rules.yaml"

// monitoring is a real Prometheus with rotatord's own rules, in fast motion, and a job for each installation.
type monitoring struct {
	*harness.Prometheus
	jobs  map[string][]*heldAddress
	turns *time.Ticker // to ask it: many tests do again and again

	mu    sync.Mutex
	ended map[string]bool // alerts, with their scope, that fired and ended
}

// heldAddress is one of loopback that a daemon is to listen at, and nobody else gets before.
type heldAddress struct {
	text    string
	release func()
}

// monitor starts a Prometheus that scrapes once a second, for which time runs so many times as fast. Each job has so
// many addresses.
func monitor(t *testing.T, faster int, jobs map[string]int) *monitoring {
	t.Helper()
	m := &monitoring{jobs: map[string][]*heldAddress{}, turns: time.NewTicker(50 * time.Millisecond), ended: map[string]bool{}}
	t.Cleanup(m.turns.Stop)
	targets := map[string][]string{}
	for job, n := range jobs {
		for range n {
			text, release := harness.HoldAddress(t)
			m.jobs[job] = append(m.jobs[job], &heldAddress{text, release})
			targets[job] = append(targets[job], text)
		}
	}
	shifted.Path(t) // built before anything waits for it
	rules := t.TempDir() + "/rules.yaml"
	harness.ReadRules(t, alertRules).DividedBy(faster).Write(t, rules)
	m.Prometheus = shifted.StartPrometheus(t, harness.Monitoring{Interval: time.Second, Rules: []string{rules}, Jobs: targets})
	return m
}

// listenAt returns a job's address, which is free from then on.
func (m *monitoring) listenAt(job string, n int) string {
	a := m.jobs[job][n]
	a.release()
	return a.text
}

// seriesOf asks for an expression's value, in turn.
func (m *monitoring) seriesOf(expr string) ([]harness.Series, error) {
	<-m.turns.C
	return m.Query(expr)
}

// job is what one scenario has of the monitoring.
type job struct {
	*monitoring
	t    *testing.T
	name string
}

// world makes a world of the job, with the binary whose clock can be moved: one build for all.
func (j *job) world(relays int) *world {
	w := newWorld(j.t, relays)
	w.binary = shifted
	return w
}

func (j *job) listen() string { return j.listenAt(j.name, 0) }

// scoped is an alert's name, with its scope where it comes by slot and by account.
func scoped(name, scope string) string {
	if scope == "" {
		return name
	}
	return name + " by " + scope
}

// firing returns what those of the job's alerts say that fire.
func (j *job) firing() (map[string]string, error) {
	<-j.turns.C
	all, err := j.Alerts()
	found := map[string]string{}
	for _, a := range all {
		if a.State == "firing" && a.Labels["job"] == j.name {
			found[scoped(a.Labels["alertname"], a.Labels["scope"])] = fmt.Sprint(a.Annotations)
		}
	}
	return found, err
}

// fires waits until all the alerts fire at a time.
func (j *job) fires(alerts ...string) { j.t.Helper(); j.firesWhile(func() {}, alerts...) }

// firesWhile does something again and again meanwhile.
func (j *job) firesWhile(do func(), alerts ...string) {
	j.t.Helper()
	harness.Eventually(j.t, patience, "alerts that fire", func() error {
		do()
		firing, err := j.firing()
		for _, name := range alerts {
			text, ok := firing[name]
			if !ok {
				return fmt.Errorf("%s does not; %v do, %v", name, slices.Sorted(maps.Keys(firing)), err)
			}
			if strings.Contains(text, "<error") || strings.Contains(text, "<no value>") {
				j.t.Errorf("%s says %s", name, text)
			}
		}
		return err
	})
}

// end waits until the alerts have been silent for some evaluations, none of which was blind.
func (j *job) end(alerts ...string) {
	j.t.Helper()
	harness.Eventually(j.t, patience, "alerts that end", func() error { return j.areSilent(alerts) })
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range alerts {
		j.ended[name] = true
	}
}

func (j *job) areSilent(alerts []string) error {
	const some = "[4s]"
	blind, err := j.seriesOf(fmt.Sprintf("min_over_time(up{job=%q}%s) == 0", j.name, some))
	if err != nil || len(blind) > 0 {
		return fmt.Errorf("not scraped, %v", err)
	}
	active, err := j.seriesOf(fmt.Sprintf("last_over_time(ALERTS{job=%q}%s)", j.name, some)) // pending, too
	for _, a := range active {
		if name := scoped(a.Labels["alertname"], a.Labels["scope"]); slices.Contains(alerts, name) {
			return fmt.Errorf("%s is %s", name, a.Labels["alertstate"])
		}
	}
	return err
}

// A minute of the alerts is a second here.
func TestEachAlertIsProvokedOnARunningRotatordFiresAndEnds(t *testing.T) {
	t.Parallel()
	scenarios := map[string]func(*job){
		"slots": slotAlerts, "fleet": fleetAlerts, "sinks": sinkAlerts, "cloudflare": cloudflareAlerts,
		"answers": answerAlerts, "clock": clockAlerts, "disk": diskAlerts, "log": logAlerts, "replicas": replicaAlerts,
	}
	addresses := map[string]int{}
	for name := range scenarios {
		addresses[name] = 1
	}
	addresses["replicas"] = 2
	m := monitor(t, 60, addresses)
	var passed atomic.Int64
	t.Run("provoked", func(t *testing.T) {
		for name, scenario := range scenarios {
			t.Run(name, func(t *testing.T) { t.Parallel(); scenario(&job{m, t, name}); passed.Add(1) })
		}
	})
	if int(passed.Load()) < len(scenarios) { // some failed, or were not asked for
		return
	}
	for _, a := range harness.ReadRules(t, alertRules).Alerts() {
		if name := scoped(a.Alert, a.Labels["scope"]); !m.ended[name] {
			t.Errorf("no scenario has %s fire and end", name)
		}
	}
}
