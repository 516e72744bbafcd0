package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/rotation"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// liveSettings are the keys of the whole installation whose new values a reload puts into force.
func liveSettings() []string {
	return []string{"log.level", "metrics.per_slot", "shutdown_timeout"}
}

// compare says what cfg changes. What a process cannot change under way, as all it does depends on it, is refused.
func (d *daemon) compare(before, cfg *config.Config, e *rotation.Engine) (out adminapi.ReloadResult, err error) {
	var refused []error
	for _, key := range d.started.ChangedSettings(cfg) {
		switch {
		case key == "instance" || strings.HasPrefix(key, "state."):
			refused = append(refused, fmt.Errorf("%s was changed: that takes effect only with a restart", key))
		case !slices.Contains(liveSettings(), key):
			out.NeedsRestart = append(out.NeedsRestart, key)
		}
	}
	for _, key := range before.ChangedSettings(cfg) {
		if slices.Contains(liveSettings(), key) {
			out.Settings = append(out.Settings, key)
		}
	}
	out.Status = "configuration reloaded"
	out.Slots, out.Sinks, out.Accounts = d.compareSlots(cfg, e), before.ChangedSinks(cfg), before.ChangedAccounts(cfg)
	return out, errors.Join(refused...)
}

// compareSlots says what cfg changes of the slots; e is nil where another replica leads.
func (d *daemon) compareSlots(cfg *config.Config, e *rotation.Engine) slot.Changes {
	if e == nil {
		return slot.ComparePlans(d.replica.Load().fleet.Load().Plans(), cfg.Plans())
	}
	return e.Compare(cfg.Plans())
}

// fileNotes tell what of the file is not in force.
func (d *daemon) fileNotes() (notes []string) {
	if at := d.refusedAt.Load(); at != nil {
		notes = append(notes, fmt.Sprintf("the reload at %s was refused, and the former configuration stays in force: `rotatord reload` says why",
			timefmt.Stamp(*at)))
	}
	if keys := d.awaitsRestart.Load(); keys != nil && len(*keys) > 0 {
		notes = append(notes, fmt.Sprintf("the configuration has another value of %s than is in force: a restart takes it up",
			strings.Join(*keys, ", ")))
	}
	return notes
}
