package e2e

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/test/harness"
)

// Half the pace of the provoked ones, so that a slow disk of the tests' machine is no blackout of a minute.
func TestNoAlertFiresInAHealthyHourWithARestart(t *testing.T) {
	t.Parallel()
	const scrapesAnHour = 120
	m := monitor(t, 30, map[string]int{"slots": 1, "fleet": 1})
	var daemons []*daemon
	for job, top := range map[string]string{"slots": "", "fleet": "metrics: {per_slot: false}\n"} {
		daemons = append(daemons, m.healthy(t, job, top))
	}
	m.waitForScrapes(t, scrapesAnHour/2)
	for _, d := range daemons {
		if code := d.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		d.start()
	}
	m.waitForScrapes(t, scrapesAnHour)
	fired, err := m.Query(`group by (alertname, job) (last_over_time(ALERTS{alertstate="firing"}[1h]))`)
	if err != nil || len(fired) > 0 {
		t.Errorf("fired: %+v, %v", fired, err)
	}
	const rotations = `min by (job) (sum by (job, strategy) (increase(rotatord_rotations_total{result="success"}[1h])))`
	rotated, err := m.Query(rotations)
	if err != nil || len(rotated) != 2 || rotated[0].Value.Value < 2 || rotated[1].Value.Value < 2 {
		t.Errorf("rotations of each strategy: %+v, %v", rotated, err)
	}
}

// healthy starts a rotatord that has enough to do, and all it needs.
func (m *monitoring) healthy(t *testing.T, job, top string) *daemon {
	t.Helper()
	w := newWorld(t, 2)
	w.binary = shifted
	_, sink := w.withAWS("")
	w.configure(settings{
		Top: top, Listen: m.listenAt(job, 0), Sinks: sink,
		Defaults: `{schedule: "@every 10s", initial: now, grace: 2s, lifetime: 60s, sinks: [disk, aws]}`,
		Relays: fmt.Sprintf("{live: {id: %s, tokens: {subscribe: {}}}, edge: {id: %s, strategy: in_place, tokens: {subscribe: {}}}}",
			harness.RelayID(0), harness.RelayID(1)),
	})
	return w.start()
}

// waitForScrapes waits until each installation was scraped so often.
func (m *monitoring) waitForScrapes(t *testing.T, n float64) {
	t.Helper()
	harness.Eventually(t, patience, "scrapes", func() error {
		series, err := m.seriesOf("min(sum_over_time(up[1h]))")
		if err == nil && (len(series) == 0 || series[0].Value.Value < n) {
			err = fmt.Errorf("%+v of %v", series, n)
		}
		return err
	})
}
