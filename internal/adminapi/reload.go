package adminapi

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/slot"
)

// ReloadResult answers POST /-/reload: what the new configuration has changed. Nothing in it: nothing has.
type ReloadResult struct {
	Status   string       `json:"status"` // what was done, for people
	Slots    slot.Changes `json:"slots"`
	Sinks    slot.Changes `json:"sinks"`
	Accounts slot.Changes `json:"accounts"`
	// Settings are the keys of the whole installation whose new values are in force.
	Settings []string `json:"settings,omitempty"`
	// NeedsRestart are those whose former values stay in force until rotatord is started anew.
	NeedsRestart []string `json:"needs_restart,omitempty"`
	// Warnings tell what of the configuration does not work as things are.
	Warnings []string `json:"warnings,omitempty"`
}

// Lines says what has changed, for people; nothing where nothing has.
func (r *ReloadResult) Lines() (lines []string) {
	for _, kind := range []struct {
		name    string
		changes slot.Changes
	}{{"slots", r.Slots}, {"sinks", r.Sinks}, {"accounts", r.Accounts}} {
		lines = appendNames(lines, kind.name+" added", kind.changes.Added)
		lines = appendNames(lines, kind.name+" removed", kind.changes.Removed)
		lines = appendNames(lines, kind.name+" changed", describeChanges(kind.changes.Changed))
	}
	lines = appendNames(lines, "settings changed", r.Settings)
	return appendNames(lines, "needs a restart, until which the former value is in force", r.NeedsRestart)
}

func describeChanges(all []slot.Change) []string {
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = c.Name + " (" + strings.Join(c.Keys, ", ") + ")"
	}
	return out
}

// appendNames adds a line of names, of which a large fleet's are not all shown.
func appendNames(lines []string, what string, names []string) []string {
	const shown = 10
	switch n := len(names); {
	case n == 0:
		return lines
	case n > shown:
		names = append(names[:shown:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return append(lines, what+": "+strings.Join(names, ", "))
}
