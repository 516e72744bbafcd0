package e2e

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/harness"
)

// An hour's events in a minute: every panel of deploy/grafana/rotatord.json shows them.
func TestEveryPanelOfTheDashboardHasAnAnswer(t *testing.T) {
	t.Parallel()
	for job, perSlot := range map[string]bool{"slots": true, "sums": false} {
		t.Run(job, func(t *testing.T) {
			t.Parallel()
			h := beginHour(t, job, perSlot)
			for _, event := range h.events() {
				h.since = time.Now()
				event()
			}
			h.checkPanels()
			h.checkBars()
		})
	}
}

// shows waits until all queries of panels have had something other than zero since the event began. Where a panel is
// empty, the one that it names is meant.
func (h *hour) shows(titles ...string) {
	h.t.Helper()
	c := h.shown.all()
	for _, title := range titles {
		p := h.panel(title)
		h.untilShown(func() error {
			for _, a := range h.shown.ask(p, c, h.since) {
				if a.isZero() {
					return fmt.Errorf("%s shows nothing of it: %s", p.Title, a.expr)
				}
			}
			return nil
		})
	}
}

// untilShown is until, of what Prometheus has anew each second.
func (h *hour) untilShown(check func() error) {
	h.t.Helper()
	h.until(func() error {
		err := check()
		if err != nil {
			harness.Pause(h.t.Context(), time.Second/4)
		}
		return err
	})
}

// panel returns the one that shows, in this form of the metrics, what a title says.
func (h *hour) panel(title string) panel {
	h.t.Helper()
	p := h.shown.called(h.t, title)
	if instead := p.insteadOf(); instead != "" && !h.perSlot {
		return h.shown.called(h.t, instead)
	}
	return p
}

// figures waits until panels of one number show those; 0 may be nothing, too.
func (h *hour) figures(want map[string]float64) {
	h.t.Helper()
	c := h.shown.all()
	h.untilShown(func() (wrong error) {
		for title, n := range want {
			p := h.shown.called(h.t, title)
			switch is, err := h.shown.number(p, p.Targets[0], c); {
			case err != nil:
				wrong = errors.Join(wrong, err)
			case is != n:
				wrong = errors.Join(wrong, fmt.Errorf("%s: %v, not %v", title, is, n))
			}
		}
		return wrong
	})
}

// checkPanels asks Prometheus all that the dashboard asks, over the whole hour.
func (h *hour) checkPanels() {
	h.t.Helper()
	for _, c := range []choices{h.shown.all(), h.shown.each()} {
		for _, p := range h.shown.Panels {
			h.checkPanel(p, h.shown.ask(p, c, h.shown.began))
		}
	}
}

func (h *hour) checkPanel(p panel, answers []answer) {
	h.t.Helper()
	moved := false
	none := p.insteadOf() != "" && !h.perSlot
	if none && h.shown.called(h.t, p.insteadOf()).insteadOf() != "" {
		h.t.Errorf("%s sends to %q, which is empty, too", p.Title, p.insteadOf())
	}
	for _, a := range answers {
		if a.isEmpty() != none {
			h.t.Errorf("%s: the answer's being empty is %t\n%s", p.Title, a.isEmpty(), a.expr)
		}
		h.shown.checkLegend(p, a)
		moved = moved || !a.isZero()
	}
	if !moved && !none {
		h.t.Errorf("%s is zero for the whole hour", p.Title)
	}
}

// checkBars demands that bars add up to what was counted.
func (h *hour) checkBars() {
	h.t.Helper()
	for title, counter := range map[string]string{
		"Rotations by result":   "rotatord_rotations_total",
		"Requests by operation": "rotatord_cloudflare_requests_total",
		"Deliveries":            "rotatord_sink_deliveries_total",
	} {
		p, bars := h.shown.called(h.t, title), 0.
		if style := p.FieldConfig.Defaults.Custom.DrawStyle; style != "bars" {
			h.t.Errorf("%s is drawn as %q", title, style)
		}
		for _, one := range h.shown.ask(p, h.shown.all(), h.shown.began)[0].series {
			for _, bar := range one.Values {
				bars += bar.Value
			}
		}
		if counted := h.counted(counter); math.Abs(bars-counted) > counted/5 {
			h.t.Errorf("the bars of %s add up to %.1f, and %v were counted", title, bars, counted)
		}
	}
}

// counted is by how much a counter has grown while it was watched.
func (h *hour) counted(counter string) float64 {
	h.t.Helper()
	points := h.shown.seconds("sum("+counter+")", h.shown.began)[0].Values
	return points[len(points)-1].Value - points[0].Value
}
